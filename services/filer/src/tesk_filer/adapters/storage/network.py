"""Converts network failures to ``StorageError``."""

import errno
import re
import socket
import ssl
from http import HTTPStatus

from tesk_filer.ports import StorageError

_HOST = "its host"
_BROKEN = "the connection broke"
# By name: each library has its own, and not all are loaded.
_PROXY_ERRORS = frozenset({"ProxyError", "ProxyConnectionError"})
_TUNNEL = re.compile(r"Tunnel connection failed: (\d{3})")
_NO_TLS = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL"})
_NO_HTTP = frozenset({"BadStatusLine", "LineTooLong", "UnknownProtocol"})


def explain_connection(error: BaseException) -> StorageError:
    """Return why a connection failed.

    Inspects the causes of ``error``: libraries wrap them several times in messages that
    repeat the url with its credentials.
    """
    causes = _causes(error)
    through_proxy = any(type(cause).__name__ in _PROXY_ERRORS for cause in causes)
    peer = "the proxy (HTTP_PROXY, HTTPS_PROXY)" if through_proxy else _HOST
    for cause in causes:
        refusal = _TUNNEL.match(str(cause)) if isinstance(cause, OSError) else None
        if refusal is not None:
            code = int(refusal[1])
            return StorageError(
                f"the proxy does not connect to its host (HTTP {code})",
                transient=code >= HTTPStatus.INTERNAL_SERVER_ERROR
                or code == HTTPStatus.TOO_MANY_REQUESTS,
            )
        known = _explain_cause(cause, peer)
        if known is not None:
            return known
    cause = causes[-1]
    broken = "the connection to the proxy broke" if through_proxy else _BROKEN
    if isinstance(cause, OSError) and cause.errno in errno.errorcode:
        broken = f"{broken} ({cause.strerror})"
    return StorageError(broken, transient=True)


def _explain_cause(cause: BaseException, peer: str) -> StorageError | None:
    name = type(cause).__name__
    if isinstance(cause, socket.gaierror):
        where = "check the url" if peer == _HOST else "check its setting"
        message = f"the name of {peer} cannot be resolved; {where}"
        return StorageError(message, transient=cause.errno == socket.EAI_AGAIN)
    if isinstance(cause, ConnectionRefusedError):
        return StorageError(f"connection refused by {peer}", transient=True)
    if isinstance(cause, TimeoutError) or "Timeout" in name:
        return StorageError("no answer in time", transient=True)
    permanent = ""
    if isinstance(cause, ssl.SSLCertVerificationError):
        permanent = f"its certificate is not trusted ({cause.verify_message})"
    elif isinstance(cause, ssl.SSLError) and cause.reason in _NO_TLS:
        permanent = f"{peer} does not speak TLS there; check scheme and port"
    elif name in _NO_HTTP:
        permanent = "the server does not answer in HTTP"
    return StorageError(permanent) if permanent else None


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
