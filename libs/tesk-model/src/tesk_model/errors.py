"""Errors that services raise and pass on to each other, by kind.

::

    TeskError
    ├── InvalidRequestError      the request is wrong; names every field
    ├── UnauthenticatedError     the caller is unknown
    ├── PermissionDeniedError    known, but not allowed
    ├── NotFoundError            no such thing, or not visible to the caller
    ├── ConflictError            the thing exists or has moved on
    ├── ResourceExhaustedError   too much at once; come back later
    ├── UnavailableError         a part is down or slow; come back later
    │   └── UnreachableError     there is no connection to it
    └── InternalError            a bug of TESK; details stay in the log

``kind`` decides the status (two tables translate it: ``tesk_runtime.rpc.status``
to gRPC, ``tesk_api.http.problems`` to HTTP). The message is for people and
starts in lower case.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class ErrorKind(StrEnum):
    """The kind of an error, as spelled on the wire."""

    INVALID_REQUEST = "INVALID_REQUEST"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    NOT_FOUND = "NOT_FOUND"
    CONFLICT = "CONFLICT"
    RESOURCE_EXHAUSTED = "RESOURCE_EXHAUSTED"
    UNAVAILABLE = "UNAVAILABLE"
    INTERNAL = "INTERNAL"


@dataclass(frozen=True, slots=True)
class Violation:
    """One problem of a request.

    Attributes:
        path: The field as TES writes it, e.g. ``executors[0].command``; empty
            for a problem of the whole body.
        message: What is wrong and what would be right.
    """

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class TeskError(Exception):
    """Base of all errors that TESK raises on purpose."""

    kind = ErrorKind.INTERNAL

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidRequestError(TeskError):
    """The request breaks a rule; every broken rule is listed."""

    kind = ErrorKind.INVALID_REQUEST

    def __init__(self, violations: Sequence[Violation]) -> None:
        super().__init__("; ".join(str(violation) for violation in violations))
        self.violations = tuple(violations)


class UnauthenticatedError(TeskError):
    """Credentials are missing or wrong."""

    kind = ErrorKind.UNAUTHENTICATED


class PermissionDeniedError(TeskError):
    """The caller is known and may not do this."""

    kind = ErrorKind.PERMISSION_DENIED


class NotFoundError(TeskError):
    """The object does not exist, or is not visible to the caller."""

    kind = ErrorKind.NOT_FOUND


class ConflictError(TeskError):
    """The state that the request assumes does not hold (any more)."""

    kind = ErrorKind.CONFLICT


class RetryableError(TeskError):
    """The request is valid and may succeed later.

    Attributes:
        retry_after: Time to wait before another try, if known.
    """

    def __init__(self, message: str, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ResourceExhaustedError(RetryableError):
    """A limit of concurrency or size is reached."""

    kind = ErrorKind.RESOURCE_EXHAUSTED


class UnavailableError(RetryableError):
    """A required part is down, slow, or not writable."""

    kind = ErrorKind.UNAVAILABLE


class UnreachableError(UnavailableError):
    """There is no connection; the message holds addresses, for operators."""


class InternalError(TeskError):
    """A bug of TESK; the message holds no details."""

    kind = ErrorKind.INTERNAL
