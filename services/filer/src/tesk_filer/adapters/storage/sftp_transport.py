"""What replaces parts of paramiko, which copies each byte a dozen times and may wait for ever.

A large file is limited by copies, and by how often two threads hand something over.
"""

import socket
import threading
from collections import deque

from paramiko.buffered_pipe import BufferedPipe, PipeTimeout

_READ_AHEAD = 256 * 1024  # bytes


class ReadAheadSocket(socket.socket):
    """A socket that is asked for all that has come, not twice for each packet of SSH."""

    def __init__(self, plain: socket.socket) -> None:
        """Take over ``plain``."""
        kind = plain.family, plain.type, plain.proto
        super().__init__(*kind, fileno=plain.detach())
        self._buffer = memoryview(bytearray(_READ_AHEAD))
        self._start = self._end = 0

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        """See ``socket.recv``."""
        if self._start == self._end:
            if bufsize >= _READ_AHEAD or flags:
                return super().recv(bufsize, flags)
            self._start, self._end = 0, self.recv_into(self._buffer)
        start, self._start = self._start, min(self._start + bufsize, self._end)
        return bytes(self._buffer[start : self._start])


class LimitedEvent(threading.Event):
    """The reply to a request of a channel, for which paramiko has no timeout."""

    def __init__(self, seconds: float) -> None:
        """Wait for at most ``seconds``."""
        super().__init__()
        self._seconds = seconds

    def wait(self, timeout: float | None = None) -> bool:
        """See ``threading.Event``.

        Raises:
            TimeoutError: It was not set in time.
        """
        if not super().wait(self._seconds if timeout is None else timeout):
            raise TimeoutError
        return True


class ChunkPipe(BufferedPipe):  # type: ignore[type-arg]  # not generic at run time
    """What a channel has received, as it came; one thread fills it, another empties it.

    Has what ``paramiko.Channel`` uses where nobody selects on it.
    """

    def __init__(self) -> None:
        super().__init__()
        self._changed = threading.Condition()
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._is_complete = False

    def feed(self, data: bytes) -> None:
        """Add what came."""
        with self._changed:
            self._chunks.append(data)
            self._size += len(data)
            self._changed.notify()

    def close(self) -> None:
        """Note that nothing more comes."""
        with self._changed:
            self._is_complete = True
            self._changed.notify()

    def read_ready(self) -> bool:
        """Tell whether something is there."""
        return bool(self._chunks)

    def read(self, nbytes: int, timeout: float | None = None) -> bytes:
        """Return what came next, at most ``nbytes``; none at the end.

        Raises:
            PipeTimeout: Nothing came in time.
        """
        with self._changed:
            if not self._changed.wait_for(
                lambda: self._chunks or self._is_complete, timeout
            ):
                raise PipeTimeout
            return self._take(nbytes) if self._chunks else b""

    def empty(self) -> bytes:
        """Return all that is there."""
        with self._changed:
            data = b"".join(self._chunks)
            self._chunks.clear()
            self._size = 0
            return data

    def __len__(self) -> int:
        """Return the number of bytes that are there."""
        return self._size

    def _take(self, size: int) -> bytes:
        chunk = self._chunks.popleft()
        if len(chunk) > size:
            self._chunks.appendleft(chunk[size:])
            chunk = chunk[:size]
        self._size -= len(chunk)
        return chunk
