"""Parses requests: httptools has the grammar, the limits are here.

Pure: no socket and no clock. The requests do not depend on how the bytes are split.
"""

from collections import deque
from dataclasses import dataclass
from enum import Enum, auto
from http import HTTPStatus

import httptools

from tesk_runtime.http.limits import HttpLimits

_VERSIONS = frozenset({"1.0", "1.1"})


class Phase(Enum):
    """Which part of the next request is being received."""

    NOTHING = auto()
    HEAD = auto()
    BODY = auto()


class RefusedError(Exception):
    """The request is refused; the connection is closed after the response.

    Attributes:
        status: Of the response.
        message: Why, and what would be accepted.
    """

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(slots=True, kw_only=True)
class Request:
    """One request; complete when it is in ``RequestReader.ready``.

    Attributes:
        target: As sent, e.g. ``b"/v1/tasks?view=FULL"``.
        headers: Names as sent, in order.
        version: ``1.0`` or ``1.1``.
        keep_alive: Whether the peer wants to go on with the connection.
    """

    method: str
    target: bytes
    headers: list[tuple[bytes, bytes]]
    version: str
    keep_alive: bool
    body: bytes = b""


class RequestReader:
    """Parses the bytes of one connection.

    Attributes:
        ready: Complete requests, oldest first; the owner removes them.
        phase: Which part of the request after these is being received.
        expects: The client waits for ``100 Continue``; the owner sends it, and sets
            this to False.
    """

    def __init__(self, limits: HttpLimits) -> None:
        """Begin before the first request."""
        self.ready: deque[Request] = deque()
        self.phase = Phase.NOTHING
        self.expects = False
        self._limits = limits
        self._parser = httptools.HttpRequestParser(self)
        self._target = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._head_bytes = 0
        self._unseen = 0
        self._request: Request | None = None
        self._offer = b""
        self._body = bytearray()

    @property
    def body_bytes(self) -> int:
        """Bytes of the body that is not complete yet."""
        return len(self._body)

    def close(self) -> None:
        """Free all memory; nothing is fed afterwards.

        This object and its parser reference each other: the body of a refused request
        would stay in memory until a garbage collection.
        """
        self.ready.clear()
        self._request = None
        self._body = bytearray()
        del self._parser

    def feed(self, data: bytes) -> None:
        """Parse received bytes.

        Raises:
            RefusedError: Nothing more is read from this client; the requests that
                were complete before are in ``ready``.
        """
        if self.phase is not Phase.NOTHING:
            # Bytes of an unfinished header, of trailers and of chunk extensions, which
            # the parser keeps before it reports them.
            self._unseen += len(data)
        while data:
            data = self._parse(data)
        if self._unseen > self._limits.head_bytes:
            raise _too_large_head()

    def _parse(self, data: bytes) -> bytes:
        """Feed the parser; return the data for its successor after an upgrade."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as error:
            # It stops after the head, for another protocol. A server may ignore the
            # offer; if the body were not parsed, it would be taken for a request.
            self._parser = httptools.HttpRequestParser(self)
            return self._offer + data[error.args[0] :]
        except httptools.HttpParserError as error:
            if isinstance(error.__context__, RefusedError):
                raise error.__context__ from None
            message = "this is not a valid HTTP/1.1 request"
            raise RefusedError(HTTPStatus.BAD_REQUEST, message) from error
        return b""

    # Called by the parser.

    def on_message_begin(self) -> None:
        """Start a request."""
        if len(self.ready) >= self._limits.pipelined:
            message = "too many pipelined requests; wait for responses"
            raise RefusedError(HTTPStatus.TOO_MANY_REQUESTS, message)
        self.phase = Phase.HEAD
        self._target = b""
        self._headers = []
        self._head_bytes = self._unseen = 0

    def on_url(self, part: bytes) -> None:
        """Append a part of the target."""
        self._target += part
        self._count(len(part))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a header; those after a body are dropped."""
        self._count(len(name) + len(value) + 4)
        self._headers.append((name, value))
        if len(self._headers) > self._limits.headers:
            raise _too_large_head()

    def on_headers_complete(self) -> None:
        """Start the body, or refuse the request."""
        request = Request(
            method=self._parser.get_method().decode("ascii"),
            target=self._target,
            headers=self._headers,
            version=self._parser.get_http_version(),
            keep_alive=self._parser.should_keep_alive(),
        )
        self._headers = []
        self._unseen = 0
        self.phase = Phase.BODY
        if self._parser.should_upgrade() and request.method != "CONNECT":
            self._offer = _head_without_upgrade(request)
            return
        self._check_head(request)
        self._request = request

    def _check_head(self, request: Request) -> None:
        if request.version not in _VERSIONS:
            message = "this server supports HTTP/1.1 only"
            raise RefusedError(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, message)
        if request.method == "CONNECT":
            message = "this server is not a proxy"
            raise RefusedError(HTTPStatus.NOT_IMPLEMENTED, message)
        hosts = 0
        for name, value in request.headers:
            match name.lower():
                case b"host":
                    hosts += 1
                case b"content-length":
                    self._check_size(int(value))
                case b"transfer-encoding":
                    _check_coding(value, request.version)
                case b"expect" if request.version == "1.1":
                    self._note_expectation(value)
        if hosts > 1 or (hosts == 0 and request.version == "1.1"):
            message = 'one header "Host" is needed'
            raise RefusedError(HTTPStatus.BAD_REQUEST, message)

    def on_body(self, part: bytes) -> None:
        """Append a part of the body."""
        if self._request is None:
            return
        self._unseen = 0
        self._check_size(len(self._body) + len(part))
        self._body += part

    def on_message_complete(self) -> None:
        """Complete the request."""
        if self._request is not None:
            self._request.body = bytes(self._body)
            self.ready.append(self._request)
            self._body = bytearray()
        self._request = None
        self.phase = Phase.NOTHING
        self.expects = False
        self._headers = []
        self._unseen = 0

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > self._limits.head_bytes:
            raise _too_large_head()

    def _check_size(self, size: int) -> None:
        if size > self._limits.body_bytes:
            message = "the body is larger than this server accepts"
            raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, message)

    def _note_expectation(self, value: bytes) -> None:
        if value.lower() != b"100-continue":
            message = 'only "Expect: 100-continue" is supported'
            raise RefusedError(HTTPStatus.EXPECTATION_FAILED, message)
        self.expects = True


def _check_coding(value: bytes, version: str) -> None:
    """Refuse codings that proxies and servers may interpret differently."""
    if version == "1.0":
        message = "HTTP/1.0 has no Transfer-Encoding"
        raise RefusedError(HTTPStatus.BAD_REQUEST, message)
    if value.lower() != b"chunked":
        message = 'only "Transfer-Encoding: chunked" is supported'
        raise RefusedError(HTTPStatus.NOT_IMPLEMENTED, message)


def _head_without_upgrade(request: Request) -> bytes:
    lines = [
        b"%b %b HTTP/%b"
        % (request.method.encode(), request.target, request.version.encode())
    ]
    lines += [
        b"%b: %b" % (name, value)
        for name, value in request.headers
        if name.lower() != b"upgrade"
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def _too_large_head() -> RefusedError:
    return RefusedError(
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
        "the request line and headers are longer than this server accepts",
    )
