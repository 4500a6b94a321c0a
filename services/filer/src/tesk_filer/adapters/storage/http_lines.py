"""Bounds what ``http.client`` reads by lines: heads, sizes of chunks, trailers.

It bounds their number and length, and not the time that a server takes for them.
"""

from http.client import HTTPResponse
from io import BufferedReader, RawIOBase
from socket import socket

from tesk_filer.adapters.storage.documents import Deadline


class BoundedLines(BufferedReader):
    """Lines, which have a deadline together, between bytes, which have none."""

    def __init__(self, raw: RawIOBase, *, stall: float | None) -> None:
        """Read from ``raw``; ``stall``: see ``Deadline``."""
        super().__init__(raw)
        self._stall = stall
        self._deadline: Deadline | None = None

    def readline(self, size: int | None = -1, /) -> bytes:
        """Return a line with its end.

        Raises:
            StorageError: It takes too long.
        """
        if self._deadline is None:
            self._deadline = Deadline(self._stall)
        limit = -1 if size is None else size
        line = b""
        while limit < 0 or len(line) < limit:
            there = self.peek(1)
            end = there.find(b"\n") + 1
            wanted = end or len(there)
            line += super().read1(
                wanted if limit < 0 else min(wanted, limit - len(line))
            )
            if end or not there:
                break
            self._deadline.check()
        return line

    def read(self, size: int | None = -1, /) -> bytes:
        """See ``BufferedReader``."""
        self._deadline = None
        return super().read(size)

    def read1(self, size: int = -1, /) -> bytes:
        """See ``BufferedReader``."""
        self._deadline = None
        return super().read1(size)


class BoundedResponse(HTTPResponse):
    """A response whose lines are bounded."""

    def __init__(
        self,
        sock: socket,
        debuglevel: int = 0,
        method: str | None = None,
        url: str | None = None,
    ) -> None:
        """See ``HTTPResponse``."""
        super().__init__(sock, debuglevel, method, url)
        self.fp.close()
        raw = sock.makefile("rb", buffering=0)
        self.fp = BoundedLines(raw, stall=sock.gettimeout())
