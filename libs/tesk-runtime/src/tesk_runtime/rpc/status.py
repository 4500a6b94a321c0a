"""Converts errors to and from gRPC statuses, without loss.

``abort`` puts a ``TeskError`` into google.rpc details; ``error_from_rpc`` and
``error_from_status`` rebuild the same error on the other side. ErrorInfo
carries the kind, BadRequest the field paths, RetryInfo the delay.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import NoReturn, Protocol, TypeVar

import grpc
from google.protobuf import any_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from tesk_model.errors import (
    ConflictError,
    ErrorKind,
    InternalError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    ResourceExhaustedError,
    RetryableError,
    TeskError,
    UnauthenticatedError,
    UnavailableError,
    UnreachableError,
    Violation,
)
from tesk_runtime.rpc.tls import explain_handshake

DOMAIN = "tesk"
_DETAILS_KEY = "grpc-status-details-bin"

RequestT = TypeVar("RequestT")
ResponseT = TypeVar("ResponseT")
RequestT_contra = TypeVar("RequestT_contra", contravariant=True)
ResponseT_co = TypeVar("ResponseT_co", covariant=True)

CODES: dict[ErrorKind, grpc.StatusCode] = {
    ErrorKind.INVALID_REQUEST: grpc.StatusCode.INVALID_ARGUMENT,
    ErrorKind.UNAUTHENTICATED: grpc.StatusCode.UNAUTHENTICATED,
    ErrorKind.PERMISSION_DENIED: grpc.StatusCode.PERMISSION_DENIED,
    ErrorKind.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    ErrorKind.CONFLICT: grpc.StatusCode.FAILED_PRECONDITION,
    ErrorKind.RESOURCE_EXHAUSTED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    ErrorKind.UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    ErrorKind.INTERNAL: grpc.StatusCode.INTERNAL,
}

_PLAIN: dict[str, Callable[[str], TeskError]] = {
    ErrorKind.UNAUTHENTICATED: UnauthenticatedError,
    ErrorKind.PERMISSION_DENIED: PermissionDeniedError,
    ErrorKind.NOT_FOUND: NotFoundError,
    ErrorKind.CONFLICT: ConflictError,
    ErrorKind.INTERNAL: InternalError,
}
_RETRYABLE: dict[str, Callable[[str, timedelta | None], TeskError]] = {
    ErrorKind.RESOURCE_EXHAUSTED: ResourceExhaustedError,
    ErrorKind.UNAVAILABLE: UnavailableError,
}


class UnaryMethod(Protocol[RequestT_contra, ResponseT_co]):
    """A unary-unary method of a stub."""

    def __call__(
        self, request: RequestT_contra, *, timeout: float | None = None
    ) -> ResponseT_co:
        """Send ``request`` and wait for the answer at most ``timeout`` seconds."""


def invoke(
    method: UnaryMethod[RequestT, ResponseT], request: RequestT, *, timeout: timedelta
) -> ResponseT:
    """Call ``method`` with a deadline; raise the error that the server raised.

    Raises:
        TeskError: The server's own error; UnavailableError if it was not
            reached in time or not at all.
    """
    try:
        return method(request, timeout=timeout.total_seconds())
    except grpc.RpcError as error:
        raise error_from_rpc(error) from error


def status_from_error(error: TeskError) -> status_pb2.Status:
    """Return ``error`` in its wire form."""
    status = status_pb2.Status(code=CODES[error.kind].value[0], message=error.message)
    _pack(status, error_details_pb2.ErrorInfo(reason=error.kind.value, domain=DOMAIN))
    if isinstance(error, InvalidRequestError):
        request = error_details_pb2.BadRequest()
        for violation in error.violations:
            request.field_violations.add(
                field=violation.path, description=violation.message
            )
        _pack(status, request)
    if isinstance(error, RetryableError) and error.retry_after is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromTimedelta(error.retry_after)
        _pack(status, retry)
    return status


def error_from_status(status: status_pb2.Status) -> TeskError:
    """Rebuild the error that ``status_from_error`` put on the wire.

    A status without our details (a proxy's, or gRPC's own) becomes the error
    of its code; an unknown code becomes an InternalError.
    """
    info = error_details_pb2.ErrorInfo()
    request = error_details_pb2.BadRequest()
    retry = error_details_pb2.RetryInfo()
    delay: timedelta | None = None
    for detail in status.details:
        detail.Unpack(info)
        detail.Unpack(request)
        if detail.Unpack(retry):
            delay = retry.retry_delay.ToTimedelta()
    kind = info.reason or _kind_of_code(status.code)
    if kind == ErrorKind.INVALID_REQUEST:
        violations = [
            Violation(entry.field, entry.description)
            for entry in request.field_violations
        ]
        return InvalidRequestError(violations or [Violation("", status.message)])
    if kind in _RETRYABLE:
        return _RETRYABLE[kind](status.message, delay)
    return _PLAIN.get(kind, InternalError)(status.message)


def error_from_rpc(error: grpc.RpcError) -> TeskError:
    """Turn what a stub raised into the error the server meant."""
    code = error.code()
    for entry in error.trailing_metadata() or ():
        if entry.key == _DETAILS_KEY:
            return error_from_status(status_pb2.Status.FromString(entry.value))
    if code in (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED):
        return UnavailableError("the service did not answer in time")
    details = error.details() or code.name
    if code == grpc.StatusCode.UNAVAILABLE:
        return UnreachableError(explain_handshake(details))
    return error_from_status(status_pb2.Status(code=code.value[0], message=details))


def abort(context: grpc.ServicerContext, error: TeskError) -> NoReturn:
    """End the call with ``error``."""
    status = status_from_error(error)
    context.set_trailing_metadata(((_DETAILS_KEY, status.SerializeToString()),))
    context.abort(CODES[error.kind], error.message)
    raise AssertionError  # abort always raises; for the type checker


def _pack(status: status_pb2.Status, detail: Message) -> None:
    packed = any_pb2.Any()
    packed.Pack(detail)
    status.details.append(packed)


def _kind_of_code(code: int) -> str:
    for kind, known in CODES.items():
        if known.value[0] == code:
            return kind
    return ErrorKind.INTERNAL
