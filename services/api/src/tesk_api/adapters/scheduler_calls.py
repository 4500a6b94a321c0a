"""Makes one call of the scheduler, with retries while it is unavailable."""

from datetime import timedelta
from typing import TypeVar

import grpc

from tesk_api.adapters.retries import call_with_retries
from tesk_model.errors import (
    InternalError,
    TeskError,
    UnavailableError,
    UnreachableError,
)
from tesk_runtime.rpc.status import UnaryMethod, invoke

RequestT = TypeVar("RequestT")
ResponseT = TypeVar("ResponseT")


def call_scheduler(
    method: UnaryMethod[RequestT, ResponseT],
    request: RequestT,
    timeout: timedelta,
    *,
    attempt_share: float = 1.0,
) -> ResponseT:
    """Call the scheduler, with retries while it is unavailable.

    Args:
        method: An idempotent method.
        request: Sent with each attempt.
        timeout: Time for all attempts.
        attempt_share: Share of the remaining time that one attempt may take.
    """
    return call_with_retries(
        lambda left: call_once(method, request, timeout=left),
        timeout,
        attempt_share=attempt_share,
    )


def call_of_this_release(
    method: UnaryMethod[RequestT, ResponseT],
    request: RequestT,
    timeout: timedelta,
    unknown: str,
) -> ResponseT:
    """Call what schedulers of the release before do not have.

    Raises:
        UnavailableError: ``unknown``: this one does not have it yet, in an upgrade.
    """
    try:
        return call_scheduler(method, request, timeout)
    except InternalError as error:
        if not _is_unknown_call(error):
            raise
        raise UnavailableError(unknown) from error


def call_once(
    method: UnaryMethod[RequestT, ResponseT], request: RequestT, *, timeout: timedelta
) -> ResponseT:
    """Call the scheduler; clients are not told its address."""
    try:
        return invoke(method, request, timeout=timeout)
    except UnreachableError as error:
        raise UnavailableError("the scheduler cannot be reached") from error


def _is_unknown_call(error: TeskError) -> bool:
    cause = error.__cause__
    return (
        isinstance(cause, grpc.RpcError)
        and cause.code() is grpc.StatusCode.UNIMPLEMENTED
    )
