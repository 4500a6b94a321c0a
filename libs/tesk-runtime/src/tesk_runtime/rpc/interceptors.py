"""Server interceptors: authentication and errors."""

import hmac
import logging
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import grpc

from tesk_model.errors import InternalError, TeskError, UnauthenticatedError
from tesk_runtime.rpc.status import abort

_BEARER = "Bearer "

if TYPE_CHECKING:  # generic in its stubs only
    Handler = grpc.RpcMethodHandler[Any, Any]
    Continuation = Callable[[grpc.HandlerCallDetails], Handler | None]


def bearer_token(metadata: Mapping[str, str | bytes]) -> str:
    """Return the bearer token of a call, or "" if it has none."""
    value = metadata.get("authorization", "")
    text = value if isinstance(value, str) else ""
    return text.removeprefix(_BEARER) if text.startswith(_BEARER) else ""


def _wrapped(
    handler: "Handler | None",
    wrap: Callable[[Callable[[Any, Any], Any]], Callable[[Any, Any], Any]],
) -> "Handler | None":
    """Return a unary-unary handler with its function wrapped; others as they are."""
    if handler is None or handler.unary_unary is None:
        return handler
    return grpc.unary_unary_rpc_method_handler(
        wrap(handler.unary_unary),
        handler.request_deserializer,
        handler.response_serializer,
    )


class ErrorInterceptor(grpc.ServerInterceptor):
    """Sends a ``TeskError`` as its status; logs any other exception once.

    Of an unexpected exception the caller learns only that there was one.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    def intercept_service(
        self,
        continuation: "Continuation",
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "Handler | None":
        """Wrap a unary-unary handler; leave others (health watch) alone."""
        method = handler_call_details.method

        def wrap(inner: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
            def call(request: Any, context: grpc.ServicerContext) -> Any:
                try:
                    return inner(request, context)
                except TeskError as error:
                    abort(context, error)
                except Exception:
                    self._logger.exception("call failed", extra={"method": method})
                    abort(context, InternalError("internal error"))

            return call

        return _wrapped(continuation(handler_call_details), wrap)


class CallInterceptor(grpc.ServerInterceptor):
    """Reports each call that was answered; goes outside of all others."""

    def __init__(self, answered: Callable[[str, str, float], None]) -> None:
        """Report to ``answered``: the method, ``Service/Method``, status, seconds."""
        self._answered = answered

    def intercept_service(
        self,
        continuation: "Continuation",
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "Handler | None":
        """Wrap a unary-unary handler; methods that are not served are not reported."""
        method = handler_call_details.method.rpartition(".")[2]

        def wrap(inner: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
            def call(request: Any, context: Any) -> Any:
                began = time.monotonic()
                otherwise = grpc.StatusCode.UNKNOWN
                try:
                    response = inner(request, context)
                    otherwise = grpc.StatusCode.OK
                finally:
                    code = context.code() or otherwise
                    self._answered(method, code.name, time.monotonic() - began)
                return response

            return call

        return _wrapped(continuation(handler_call_details), wrap)


class InternalTokenInterceptor(grpc.ServerInterceptor):
    """Admits calls with the shared internal token; health checks need none.

    Goes inside an ``ErrorInterceptor``, which sends the refusal.

    Services named in ``exempt`` are not checked: their servicers check a token of
    their own.
    """

    def __init__(self, token: str, *, exempt: tuple[str, ...] = ()) -> None:
        self._token = token.encode()
        self._open = tuple(
            f"/{service}/" for service in ("grpc.health.v1.Health", *exempt)
        )

    def intercept_service(
        self,
        continuation: "Continuation",
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "Handler | None":
        """Refuse the call with UNAUTHENTICATED unless its token is valid."""
        if handler_call_details.method.startswith(self._open):
            return continuation(handler_call_details)
        token = bearer_token(dict(handler_call_details.invocation_metadata))
        if hmac.compare_digest(token.encode(), self._token):
            return continuation(handler_call_details)

        def refuse(_request: Any, _context: grpc.ServicerContext) -> Any:
            raise UnauthenticatedError("the internal token is missing or wrong")

        return grpc.unary_unary_rpc_method_handler(refuse)
