"""Errors are converted to gRPC statuses and back."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import grpc
import pytest
from google.protobuf.wrappers_pb2 import StringValue

from tesk_model.errors import (
    ConflictError,
    InternalError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    ResourceExhaustedError,
    TeskError,
    UnauthenticatedError,
    UnavailableError,
    UnreachableError,
    Violation,
)
from tesk_runtime.rpc.channel import open_channel
from tesk_runtime.rpc.interceptors import ErrorInterceptor, InternalTokenInterceptor
from tesk_runtime.rpc.server import RpcServer
from tesk_runtime.rpc.status import (
    error_from_status,
    invoke,
    status_from_error,
)

ERRORS: dict[str, TeskError] = {
    "every field problem": InvalidRequestError(
        [Violation("inputs[0].url", "must not be empty"), Violation("", "too big")]
    ),
    "unauthenticated": UnauthenticatedError("no token"),
    "permission": PermissionDeniedError("not yours"),
    "not found": NotFoundError("no task t-1"),
    "conflict": ConflictError("the attempt is over"),
    "exhausted with a delay": ResourceExhaustedError("full", timedelta(seconds=30)),
    "exhausted without": ResourceExhaustedError("full"),
    "unavailable": UnavailableError("disk full", timedelta(seconds=1.5)),
    "internal": InternalError("internal error"),
}


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
def test_an_error_comes_back_as_it_went(error: TeskError) -> None:
    again = error_from_status(status_from_error(error))

    assert type(again) is type(error)
    assert vars(again) == vars(error)


class Answers:
    """A server whose one method raises what it is told to, or echoes."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.block = threading.Event()

    def echo(self, request: StringValue, _context: grpc.ServicerContext) -> StringValue:
        if request.value == "wait":
            self.block.wait(30)
        if self.error:
            raise self.error
        return request


@contextmanager
def serving(answers: Answers) -> Iterator[str]:
    handler = grpc.unary_unary_rpc_method_handler(
        answers.echo, StringValue.FromString, StringValue.SerializeToString
    )
    server = RpcServer(
        services=["test.Echo"],
        register=lambda raw: raw.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler("test.Echo", {"Echo": handler}),)
        ),
        interceptors=[
            ErrorInterceptor(logging.getLogger("test")),
            InternalTokenInterceptor("right"),
        ],
        threads=2,
    )
    port = server.start("127.0.0.1:0")
    try:
        yield f"127.0.0.1:{port}"
    finally:
        answers.block.set()
        server.stop(timedelta(0))


@contextmanager
def calling(address: str, token: str = "right") -> Iterator[Any]:
    with open_channel(address, token=token) as channel:
        yield channel.unary_unary(
            "/test.Echo/Echo",
            request_serializer=StringValue.SerializeToString,
            response_deserializer=StringValue.FromString,
        )


SECOND = timedelta(seconds=5)


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
def test_a_caller_gets_the_error_that_the_server_raised(error: TeskError) -> None:
    answers = Answers()
    answers.error = error

    with (
        serving(answers) as address,
        calling(address) as echo,
        pytest.raises(type(error)) as caught,
    ):
        invoke(echo, StringValue(value="x"), timeout=SECOND)

    assert vars(caught.value) == vars(error)


def test_an_unexpected_exception_shows_nothing_of_itself(
    caplog: pytest.LogCaptureFixture,
) -> None:
    answers = Answers()
    answers.error = KeyError("secret detail")

    with (
        serving(answers) as address,
        calling(address) as echo,
        pytest.raises(InternalError) as caught,
    ):
        invoke(echo, StringValue(value="x"), timeout=SECOND)

    assert "secret" not in str(caught.value)
    assert "secret detail" in caplog.text


@pytest.mark.parametrize("token", ["wrong", ""])
def test_a_call_without_the_right_token_is_refused(token: str) -> None:
    with (
        serving(Answers()) as address,
        calling(address, token) as echo,
        pytest.raises(UnauthenticatedError),
    ):
        invoke(echo, StringValue(value="x"), timeout=SECOND)


def test_a_slow_server_is_unavailable_when_the_deadline_passes() -> None:
    with (
        serving(Answers()) as address,
        calling(address) as echo,
        pytest.raises(UnavailableError, match="in time"),
    ):
        invoke(echo, StringValue(value="wait"), timeout=timedelta(seconds=0.2))


def test_a_server_that_does_not_listen_is_unavailable() -> None:
    with calling("127.0.0.1:1") as echo, pytest.raises(UnreachableError):
        invoke(echo, StringValue(value="x"), timeout=timedelta(seconds=2))
