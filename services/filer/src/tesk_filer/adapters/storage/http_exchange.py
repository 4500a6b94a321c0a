"""HTTP/1.1 over one connection: a request goes out, its response comes in.

For a storage that makes one request for each of many thousand small files: llhttp parses
the head, and a body of known length is then received without a parser in between.

Source:
    RFC 9112.
"""

import math
import select
import time
import weakref
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from http import HTTPStatus
from typing import Protocol

from tesk_filer.adapters.storage.authorities import has_decrypted
from tesk_filer.adapters.storage.http_head import ResponseHead
from tesk_filer.ports import StorageError

_BUFFER = 64 * 1024  # received at once; also the maximum of a head
_MAX_CONTINUE_WAIT = 1.0  # seconds; then the body is sent anyway (RFC 9110, 10.1.1)


class Body(Protocol):
    """What a request sends."""

    @property
    def size(self) -> int:
        """Bytes."""

    def chunks(self) -> Iterable[bytes]:
        """Return its bytes, each time from the beginning."""


class Peer(Protocol):
    """What is needed of a socket, or of TLS through TLS."""

    def fileno(self) -> int:
        """Return the descriptor, to wait for."""

    def sendall(self, data: bytes, /) -> object:
        """Send all bytes."""

    def recv(self, size: int, /) -> bytes:
        """Return some bytes; none at the end."""

    def recv_into(self, buffer: memoryview, size: int = 0, /) -> int:
        """Put some bytes into ``buffer``; return how many."""

    def settimeout(self, seconds: float | None, /) -> None:
        """Set how long each call may take."""

    def gettimeout(self) -> float | None:
        """Return that time."""

    def close(self) -> None:
        """Close the connection."""


class Connection:
    """A connection to a server or a proxy, for one request at a time."""

    def __init__(self, peer: Peer, *, via_proxy: bool = False) -> None:
        """Use ``peer``, which has a timeout.

        Args:
            peer: Connected; TLS is established.
            via_proxy: Requests are for a proxy, which wants whole urls (RFC 9112, 3.2.2).
        """
        self.via_proxy = via_proxy
        self._peer = peer
        # Also when nobody uses it any more, and before the socket complains.
        self._closing = weakref.finalize(self, _close, peer)
        self._head = ResponseHead()
        self._is_sent = False
        self._buffer = memoryview(bytearray(_BUFFER))
        self._poll = select.poll()
        self._poll.register(peer, select.POLLIN)

    @property
    def is_quiet(self) -> bool:
        """Whether the peer neither closed it nor sent anything unasked."""
        # What TLS has decrypted does not show at the socket.
        return not has_decrypted(self._peer) and not self._poll.poll(0)

    def send(self, head: bytes, body: Body, *, waits: bool = False) -> None:
        """Send a request.

        Args:
            head: All of it, its empty line included.
            body: Of the size that the head announces.
            waits: The head asks for 100 (Continue): the body follows only if the server
                does not answer otherwise.
        """
        self._head, self._is_sent = ResponseHead(), False
        chunks = iter(body.chunks())
        if body.size <= _BUFFER and not waits:
            self._peer.sendall(head + b"".join(chunks))
            self._is_sent = True
            return
        self._peer.sendall(head)
        if waits and self._is_refused():
            return
        with suppress(BrokenPipeError, ConnectionResetError):
            # Whoever refuses a body may close before it has arrived: its answer follows.
            for chunk in chunks:
                self._peer.sendall(chunk)
            self._is_sent = True

    def receive(self, method: str) -> "Response":
        """Receive the head of the response to a request by ``method``.

        Raises:
            StorageError: The peer does not speak HTTP, or says to have what was not
                sent.
            OSError: The connection broke.
        """
        head = self._head
        deadline = self._deadline()
        while not head.is_final:
            if not self._receive_head(head):
                raise ConnectionResetError("closed before its answer")
            if time.monotonic() > deadline:
                raise TimeoutError
        if not self._is_sent:
            head.answer_early()
        return Response(self, head, method)

    def close(self) -> None:
        """Close the connection."""
        self._closing()

    def detach(self) -> None:
        """Leave the peer open and to the caller."""
        self._closing.detach()

    def _deadline(self) -> float:
        return time.monotonic() + (self._peer.gettimeout() or math.inf)

    def _is_refused(self) -> bool:
        """Wait for 100 (Continue); tell whether another answer came."""
        timeout = self._peer.gettimeout()
        self._peer.settimeout(_MAX_CONTINUE_WAIT)
        deadline = self._deadline()
        try:
            while not self._head.status and self._receive_head(self._head):
                if time.monotonic() > deadline:
                    break
        except TimeoutError:
            return False
        finally:
            self._peer.settimeout(timeout)
        return self._head.is_final

    def _receive_head(self, head: ResponseHead) -> bool:
        left = _BUFFER - head.received
        if not left:
            raise StorageError("the server sends a head that does not end")
        count = self._peer.recv_into(self._buffer, left)
        head.received += count
        if count:
            head.feed(self._buffer[:count])
        return bool(count)

    def receive_body(self, size: int) -> bytes:
        """Return bytes of a body of known length, at most ``size``; empty: closed."""
        return self._peer.recv(size)

    def receive_more(self, head: ResponseHead) -> bool:
        """Let the parser have more, until there is some of a body, or its end.

        Returns:
            False if the peer closed.

        Raises:
            StorageError: What comes has no content, as extensions of chunks and trailers.
            OSError: The connection broke.
        """
        received, deadline = 0, self._deadline()
        while not head.body and not head.has_ended:
            count = self._peer.recv_into(self._buffer)
            if not count:
                return False
            head.feed(self._buffer[:count])
            received += count
            if received > _BUFFER and not head.body and not head.has_ended:
                raise StorageError("the server sends a body without content or end")
            if time.monotonic() > deadline and not head.body:
                raise TimeoutError
        return True


class Response:
    """The response to a request; ``read`` to its end before the next request."""

    def __init__(self, connection: Connection, head: ResponseHead, method: str) -> None:
        self.status = head.status
        self.reason = head.reason
        self.headers: Mapping[str, str] = head.headers()
        self._connection = connection
        self._head = head
        self._left = self._length(method)
        if self._left is not None:
            self._left -= sum(map(len, head.body))

    @property
    def cookies(self) -> Sequence[str]:
        """The values of ``Set-Cookie``."""
        return self._head.values(b"set-cookie")

    @property
    def left(self) -> int | None:
        """Bytes of the body that were not read; None if its length is not known."""
        if self._left is None:
            return 0 if self.has_ended else None
        return self._left + sum(map(len, self._head.body))

    @property
    def has_ended(self) -> bool:
        """Whether nothing of it is left to be read."""
        if self._left is not None:
            return self._left <= 0 and not self._head.body
        return self._head.has_ended and not self._head.body

    @property
    def keeps_connection(self) -> bool:
        """Whether another request may follow on the connection."""
        return (
            self.has_ended
            and not self._head.has_surplus
            and self._left in (0, None)
            and self._head.keeps_alive
        )

    def read(self, size: int) -> bytes:
        """Return the next bytes, at most ``size``; empty at the end.

        Raises:
            OSError: The connection broke before the end.
        """
        head = self._head
        while not head.body:
            if self.has_ended:
                return b""
            if self._left is not None:
                data = self._connection.receive_body(min(size, self._left))
                self._left -= len(data)
                if not data:
                    raise ConnectionResetError("closed before the end")
                return data
            if not self._connection.receive_more(head):
                if "transfer-encoding" in self.headers:
                    raise ConnectionResetError("closed before the end")
                head.has_ended = True  # the end of the connection is that of the body
        data = head.body[0]
        head.body[0] = data[size:]
        if not head.body[0]:
            del head.body[0]
        return data[:size]

    def _length(self, method: str) -> int | None:
        """Return the bytes of the body; None: the parser finds its end."""
        if method == "HEAD" or self.status in (
            HTTPStatus.NO_CONTENT,
            HTTPStatus.NOT_MODIFIED,
        ):
            return 0
        codings = self._head.values(b"transfer-encoding")
        if codings:
            if [each.strip().lower() for each in codings] != ["chunked"]:
                raise StorageError("the server encodes what it sends, unasked")
            return None
        length = self.headers.get("content-length", "")
        return int(length) if length.isdecimal() else None


def _close(peer: Peer) -> None:
    with suppress(OSError):
        peer.close()


def format_head(method: str, target: str, headers: Mapping[str, str]) -> bytes:
    """Return the head of a request.

    Raises:
        StorageError: A value would end its line.
    """
    lines = [f"{method} {target} HTTP/1.1"]
    lines.extend(f"{name}: {value}" for name, value in headers.items())
    text = "\r\n".join(lines)
    if text.count("\n") != len(lines) - 1 or text.count("\r") != len(lines) - 1:
        raise StorageError("a line end stands where HTTP allows none")
    return f"{text}\r\n\r\n".encode("latin-1")
