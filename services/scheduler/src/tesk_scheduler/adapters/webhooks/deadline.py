"""A connection of which every operation ends by one deadline.

A timeout of a socket begins anew with each operation, so that a peer that sends a byte
now and then holds it for ever.
"""

import io
import socket
import time
from typing import Any


class Deadline:
    """A time at which everything ends."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Return the seconds left, more than 0.

        Raises:
            TimeoutError: None are.
        """
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


class BoundedConnection:
    """What ``http.client``, and TLS within TLS, use of a socket."""

    def __init__(self, peer: socket.socket, deadline: Deadline) -> None:
        self._peer = peer
        self._deadline = deadline

    def sendall(self, data: Any) -> None:
        """Send all; the timeout is for all of it."""
        self._peer.settimeout(self._deadline.left())
        self._peer.sendall(data)

    def recv(self, size: int) -> bytes:
        """Return some bytes; none at the end."""
        self._peer.settimeout(self._deadline.left())
        return self._peer.recv(size)

    def settimeout(self, _seconds: float) -> None:
        """Keep to the deadline."""

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Return what reads."""
        return io.BufferedReader(_Reader(self._peer, self._deadline))

    def close(self) -> None:
        """Close the socket."""
        self._peer.close()


class _Reader(io.RawIOBase):
    def __init__(self, peer: socket.socket, deadline: Deadline) -> None:
        self._peer = peer
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._peer.settimeout(self._deadline.left())
        return self._peer.recv_into(buffer)
