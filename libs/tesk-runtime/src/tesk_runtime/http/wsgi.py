"""Calls a WSGI application (PEP 3333) with parsed requests."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from io import BytesIO
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes, urlsplit

from tesk_runtime.http.parsing import Request
from tesk_runtime.http.streaming import STREAM, Stream

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

# Key of the seconds for which a request has waited for a thread.
QUEUE_SECONDS = "tesk.queue_seconds"

_BODYLESS = ("1", "204", "304")
_LONGEST_CACHED_NAME = 40


@dataclass(frozen=True, slots=True)
class Response:
    """A complete response.

    Attributes:
        status: E.g. ``200 OK``.
        headers: Without those about the connection.
        stream: Follows it; the connection ends with that. It has no length then.
    """

    status: str
    headers: list[tuple[str, str]]
    body: bytes
    stream: Stream | None = None


@dataclass(frozen=True, slots=True)
class ConnectionAddresses:
    """Addresses of the two ends of a connection."""

    host: str
    port: str
    server_name: str
    server_port: str


def environ_of(request: Request, addresses: ConnectionAddresses) -> dict[str, Any]:
    """Return the WSGI environment of a request.

    Raises:
        ValueError: The target is not a valid URL.
    """
    target = request.target.decode("latin-1")
    authority = ""
    if not target.startswith("/") and "://" in target:
        # From clients that expect a proxy; RFC 9112, 3.2.2.
        parts = urlsplit(target)
        authority = parts.netloc
        target = f"{parts.path or '/'}?{parts.query}"
    path, _, query = target.partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1") if "%" in path else path,
        "QUERY_STRING": query,
        "SERVER_NAME": addresses.server_name,
        "SERVER_PORT": addresses.server_port,
        "SERVER_PROTOCOL": f"HTTP/{request.version}",
        "REMOTE_ADDR": addresses.host,
        "REMOTE_PORT": addresses.port,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(request.body),
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in request.headers:
        if b"_" in name:
            continue  # would be taken for the one with a dash
        key = _key(name) if len(name) <= _LONGEST_CACHED_NAME else _plain_key(name)
        text = value.decode("latin-1")
        environ[key] = f"{environ[key]},{text}" if key in environ else text
    if authority:
        environ["HTTP_HOST"] = authority
    # The whole body was received.
    if environ.pop("HTTP_TRANSFER_ENCODING", "") or request.body:
        environ["CONTENT_LENGTH"] = str(len(request.body))
    return environ


def call(app: "WSGIApplication", environ: dict[str, Any]) -> Response:
    """Return the response of the application."""
    status = ""
    headers: list[tuple[str, str]] = []
    parts: list[bytes] = []

    def start_response(
        code: str, fields: list[tuple[str, str]], _error: object = None
    ) -> Callable[[bytes], None]:
        nonlocal status, headers
        status, headers = code, fields
        return parts.append

    answer = app(environ, start_response)
    try:
        parts.extend(answer)
    finally:
        if close := getattr(answer, "close", None):
            close()
    body = parts[0] if len(parts) == 1 else b"".join(parts)
    return Response(status, headers, body, environ.get(STREAM))


def encode(response: Response, request: Request | None, *, close: bool) -> bytes:
    """Return the bytes of a response.

    Args:
        response: The response.
        request: The request; None if it could not be parsed.
        close: Whether the connection ends with it.
    """
    head = [f"HTTP/1.1 {response.status}"]
    sized = False
    for name, value in response.headers:
        if name.lower() == "content-length":
            sized = True
            if response.stream is not None:
                continue
        head.append(f"{name}: {value}")
    silent = response.status.startswith(_BODYLESS)
    if not sized and not silent and response.stream is None:
        head.append(f"Content-Length: {len(response.body)}")
    head.append(f"Date: {_date(int(time.time()))}")
    if close:
        head.append("Connection: close")
    elif request is not None and request.version == "1.0":
        head.append("Connection: keep-alive")
    first = ("\r\n".join(head) + "\r\n\r\n").encode("latin-1", "replace")
    if silent or (request is not None and request.method == "HEAD"):
        return first
    return first + response.body


def plain_response(status: HTTPStatus, message: str) -> Response:
    """Return a response in plain text."""
    return Response(
        f"{status.value} {status.phrase}",
        [("Content-Type", "text/plain; charset=utf-8")],
        f"{message}\n".encode(),
    )


@lru_cache(maxsize=1)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)


def _plain_key(name: bytes) -> str:
    key = name.decode("latin-1").upper().replace("-", "_")
    return key if key in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{key}"


_key = lru_cache(maxsize=256)(_plain_key)
