"""What every storage on the network is told, and how its failures are told."""

import errno
import socket
import ssl
from dataclasses import dataclass
from datetime import timedelta

from tesk_filer.ports import StorageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long to wait.

    Attributes:
        connect: For a connection.
        stall: For the next bytes; after that the connection is given up.
    """

    connect: timedelta
    stall: timedelta


def explain_connection(error: BaseException) -> StorageError:
    """Say why there is no connection, or no more bytes on one.

    Looks at what lies behind ``error``: libraries wrap the cause several times
    in texts that repeat the url, credentials and all.
    """
    for cause in _causes(error):
        if isinstance(cause, socket.gaierror):
            return StorageError(
                "the name of its host cannot be resolved; check the url",
                transient=cause.errno == socket.EAI_AGAIN,
            )
        if isinstance(cause, ssl.SSLCertVerificationError):
            return StorageError(
                f"its certificate is not trusted ({cause.verify_message})"
            )
        if isinstance(cause, ConnectionRefusedError):
            return StorageError("connection refused by its host", transient=True)
        if isinstance(cause, TimeoutError) or "Timeout" in type(cause).__name__:
            return StorageError("no answer in time", transient=True)
    cause = _causes(error)[-1]
    detail = "the connection broke"
    if isinstance(cause, OSError) and cause.errno in errno.errorcode:
        detail = f"the connection broke ({cause.strerror})"
    return StorageError(detail, transient=True)


def _causes(error: BaseException) -> list[BaseException]:
    """List ``error`` and what it wraps, outermost first."""
    found: list[BaseException] = []
    pending: list[object] = [error]
    while pending:
        cause = pending.pop()
        if not isinstance(cause, BaseException) or cause in found:
            continue
        found.append(cause)
        wrapped = [*cause.args, getattr(cause, "reason", None)]
        pending.extend((cause.__context__, cause.__cause__, *wrapped))
    return found
