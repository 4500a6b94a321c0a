"""A real HTTP server that takes files, asks for a password, and fails on demand."""

import base64
import ssl
import threading
import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from urllib.parse import unquote, urlsplit

from servers.serving import serving

_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What goes wrong with one request.

    Attributes:
        status: Answered instead of the truth, if set.
        cut_at: So many bytes of the file are sent, then the connection is cut.
        hold_at: So many bytes are sent, then the answer waits for ``release``; of a
            file that is put, all bytes are taken first.
        is_silent: The answer waits for ``release``.
        location: Where a redirecting status leads.
        body: Sent with ``status``.
        headers: Likewise; they replace what would be sent.
    """

    status: int = 0
    retry_after: str = ""
    cut_at: int | None = None
    hold_at: int | None = None
    is_silent: bool = False
    location: str = ""
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class HttpFiles:
    """What a server holds, by decoded path (``/a b``), and what it was asked.

    Attributes:
        held: Set when an answer waits; see ``Fault.hold_at``.
        release: Lets it go on.
        put: Set when a file has been sent, taken or not.
        has_ranges: Say that parts of files can be asked for.
        sends_whole: Whoever asks for a part is sent the file.
        sent: Bytes of files that were asked for, by path.
        headers: Sent with every file.
        has_etags: Whether versions have ETags; else times of the last change.
    """

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, list[Fault]] = field(default_factory=lambda: defaultdict(list))
    requests: list[tuple[str, str]] = field(default_factory=list)
    authorizations: list[str] = field(default_factory=list)
    has_ranges: bool = False
    sends_whole: bool = False
    sent: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    user: str = ""
    password: str = ""
    held: threading.Event = field(default_factory=threading.Event)
    release: threading.Event = field(default_factory=threading.Event)
    put: threading.Event = field(default_factory=threading.Event)
    targets: list[str] = field(default_factory=list)
    cookies: list[str] = field(default_factory=list)
    connections: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    has_etags: bool = True

    @property
    def url_with_password(self) -> str:
        """Url with user and password in it."""
        return self.url.replace("://", f"://{self.user}:{self.password}@")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer is sent at once: head and body are not told apart by time
    state: HttpFiles

    def setup(self) -> None:
        self.state.connections += 1
        super().setup()

    def handle_expect_100(self) -> bool:
        goes_on = super().handle_expect_100()
        self.wfile.flush()
        return goes_on

    def do_GET(self) -> None:
        self._show(with_body=True)

    def do_HEAD(self) -> None:
        self._show(with_body=False)

    def do_POST(self) -> None:
        self.do_PUT()

    def do_PUT(self) -> None:
        length = int(self.headers.get("Content-Length", "0"))
        body = self.rfile.read(length)
        if len(body) < length:
            self.close_connection = True  # it broke: nothing is stored
            return
        fault = self._begin()
        self.state.put.set()
        if fault is None:
            return
        if fault.hold_at is not None:
            self.state.held.set()
            self.state.release.wait()
        is_new = self._path not in self.state.files
        self.state.files[self._path] = body
        self._answer(201 if is_new else 204)

    @property
    def _path(self) -> str:
        return unquote(urlsplit(self.path).path)

    def _begin(self) -> Fault | None:
        """Record the request; return its fault, or None if it is answered."""
        state = self.state
        state.requests.append((self.command, self._path))
        authorization = self.headers.get("Authorization", "")
        state.authorizations.append(authorization)
        state.targets.append(self.path)
        state.cookies.append(self.headers.get("Cookie", ""))
        planned = state.faults[self._path]
        fault = planned.pop(0) if planned else Fault()
        if fault.is_silent:
            state.release.wait()
        wanted = base64.b64encode(f"{state.user}:{state.password}".encode()).decode()
        if fault.status:
            said = {"Retry-After": fault.retry_after, "Location": fault.location}
            self._answer(fault.status, {**said, **fault.headers}, fault.body)
        elif state.user and authorization != f"Basic {wanted}":
            self._answer(401, {"WWW-Authenticate": "Basic"})
        else:
            return fault
        return None

    def _show(self, *, with_body: bool) -> None:
        fault = self._begin()
        if fault is None:
            return
        content = self.state.files.get(self._path)
        if content is None:
            self._answer(404)
            return
        version = self._version(content)
        expected = self.headers.get("If-Match") or self.headers.get(
            "If-Unmodified-Since"
        )
        if expected and expected not in version.values():
            self._answer(412)
            return
        is_part = "Range" in self.headers and not self.state.sends_whole
        total = len(content)
        first, stop = self._range(total) if is_part else (0, total)
        self.send_response(206 if is_part else 200)
        headers = {
            "Content-Length": str(stop - first),
            "Accept-Ranges": "bytes" if self.state.has_ranges else "",
            **version,
            **self.state.headers,
            **fault.headers,
        }
        if is_part:
            headers["Content-Range"] = f"bytes {first}-{stop - 1}/{total}"
        for name, value in headers.items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        content = content[:stop]
        if with_body:
            self.state.sent[self._path] += stop - first
            if fault.hold_at is not None:
                self.wfile.write(content[first : fault.hold_at])
                self.wfile.flush()
                first = fault.hold_at
                self.state.held.set()
                self.state.release.wait()
            self.wfile.write(content[first : fault.cut_at])
            self.close_connection = fault.cut_at is not None

    def _range(self, size: int) -> tuple[int, int]:
        """Return where the requested bytes start and stop."""
        requested = self.headers["Range"]
        first, _, last = requested.removeprefix("bytes=").partition("-")
        return int(first), min(int(last) + 1, size) if last else size

    def _version(self, content: bytes) -> dict[str, str]:
        digest = zlib.crc32(content)
        if not self.state.has_etags:
            return {"Last-Modified": formatdate(digest // 4, usegmt=True)}
        return {"ETag": f'"{digest}"'}

    def _answer(
        self, status: int, headers: Mapping[str, str] = _NONE, body: bytes = b""
    ) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the base class
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that hang up."""


@contextmanager
def http_server(
    *, user: str = "", password: str = "", tls: ssl.SSLContext | None = None
) -> Iterator[HttpFiles]:
    """Serve until the end of the block; with ``user``, ask for the password."""
    state = HttpFiles(user=user, password=password)
    handler = type("Handler", (_Handler,), {"state": state})
    server = _Server(("127.0.0.1", 0), handler)
    scheme = "http"
    if tls:
        scheme, server.socket = (
            "https",
            tls.wrap_socket(server.socket, server_side=True),
        )
    state.url = f"{scheme}://127.0.0.1:{server.server_address[1]}"
    with serving(server):
        try:
            yield state
        finally:
            state.release.set()
