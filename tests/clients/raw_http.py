"""Sends raw bytes to an HTTP server and parses its answers."""

import contextlib
import http.client
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO

_TIMEOUT = 20.0


class RawPeer:
    """One TCP connection to loopback."""

    def __init__(self, port: int, *, receive_buffer: int = 0) -> None:
        self.line = socket.socket()
        if receive_buffer:
            self.line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.line.settimeout(_TIMEOUT)
        self.line.connect(("127.0.0.1", port))

    def send(self, *parts: bytes) -> None:
        """Send; errors of a connection that the server has closed are ignored."""
        with contextlib.suppress(OSError):
            for part in parts:
                self.line.sendall(part)

    def read_answers(self) -> bytes:
        """Return all bytes until the server closes."""
        found = b""
        with contextlib.suppress(ConnectionResetError):
            while block := self.line.recv(65536):
                found += block
        return found

    def first_bytes(self) -> bytes:
        """Return the bytes received so far, without consuming them."""
        return self._receive(socket.MSG_PEEK) or b""

    def is_closed(self) -> bool:
        """Tell whether the server has closed, without waiting for it."""
        try:
            return self._receive() == b""
        except ConnectionResetError:
            return True

    def _receive(self, flags: int = 0) -> bytes | None:
        """Return the bytes received so far; None if there are none."""
        self.line.settimeout(0)
        try:
            return self.line.recv(65536, flags)
        except BlockingIOError:
            return None
        finally:
            self.line.settimeout(_TIMEOUT)

    def close(self) -> None:
        self.line.close()


@contextlib.contextmanager
def raw_peers(
    port: int, number: int, *parts: bytes, receive_buffer: int = 0
) -> Iterator[list[RawPeer]]:
    """Yield ``number`` connections, each of which has sent ``parts``."""
    with contextlib.ExitStack() as stack:
        peers = []
        for _ in range(number):
            peer = RawPeer(port, receive_buffer=receive_buffer)
            stack.callback(peer.close)
            peer.send(*parts)
            peers.append(peer)
        yield peers


def all_closed(peers: list[RawPeer]) -> bool:
    """Tell whether the server has closed all of them."""
    return all(peer.is_closed() for peer in peers)


def head(method: str = "GET", target: str = "/healthz", **headers: str | int) -> bytes:
    """Return a request line and headers; ``_`` in a name stands for ``-``."""
    fields = {"Host": "localhost", **headers}
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    return "\r\n".join([f"{method} {target} HTTP/1.1", *lines, "", ""]).encode()


def post_head(target: str, **headers: str | int) -> bytes:
    """Return the request line and headers of a POST of JSON."""
    return head("POST", target, Content_Type="application/json", **headers)


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP response."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes


class _Bytes:
    def __init__(self, data: BytesIO) -> None:
        self._data = data

    def makefile(self, _mode: str) -> BytesIO:
        return self._data


def parse_answers(data: bytes) -> list[Answer]:
    """Return the answers in ``data``, as http.client reads them."""
    stream = _Unclosable(data)
    found = []
    while stream.tell() < len(data):
        answer = http.client.HTTPResponse(_Bytes(stream))  # type: ignore[arg-type]  # all that it uses
        answer.begin()
        found.append(Answer(answer.status, answer.headers, answer.read()))
    return found


class _Unclosable(BytesIO):
    """Ignores the close by http.client after a response; more responses follow."""

    def close(self) -> None:
        """Stay open."""
