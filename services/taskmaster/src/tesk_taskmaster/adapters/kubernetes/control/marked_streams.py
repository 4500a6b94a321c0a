r"""Splits the log of an executor's pod whose launcher is of the release before.

Its lines are not in pieces (``log_pieces``), and so cannot always be told apart.

The launcher starts each line of stderr with a mark, by which the log is split. A
stdout without a final newline, or a line longer than what the container runtime
keeps as one (16 KiB), can put the mark in the middle of a line, so it is searched
anywhere.

Container runtimes take ``\r\n`` for the end of a line and keep ``\n``, so the
launcher puts another mark in between.

A third mark ends each stream, for the container runtime to have written all before it;
it says nothing here.
"""

from tesk_taskmaster.adapters.kubernetes.manifests.log_marks import (
    END_MARK,
    RETURN_MARK,
    STDERR_MARK,
)
from tesk_taskmaster.adapters.stream_tails import StreamTails

_MARKED_RETURN = b"\r" + RETURN_MARK.encode() + b"\n"


class _Replaced:
    """Replaces a mark in a stream, in pieces of any size."""

    def __init__(self, mark: bytes, replacement: bytes) -> None:
        self._mark = mark
        self._replacement = replacement
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """Add a piece, and return all that cannot be the beginning of a mark."""
        data = (self._held + data).replace(self._mark, self._replacement)
        longest = min(len(self._mark) - 1, len(data))
        held = next(
            (
                size
                for size in range(longest, 0, -1)
                if self._mark.startswith(data[-size:])
            ),
            0,
        )
        end = len(data) - held
        self._held = data[end:]
        return data[:end]

    def rest(self) -> bytes:
        """Return the rest at the end."""
        return self._held


class MarkedStreams:
    """Splits a marked log, in pieces of any size."""

    def __init__(self, tails: StreamTails) -> None:
        """Add the streams to ``tails``."""
        self._mark = STDERR_MARK.encode()
        self._tails = tails
        self._held = b""  # the beginning of what may be a mark
        self._is_stderr = False
        self._returns = {
            is_stderr: _Replaced(_MARKED_RETURN, b"\r\n") for is_stderr in (False, True)
        }
        self._ends = _Replaced(END_MARK.encode(), b"")
        self.lines = 0

    def feed(self, data: bytes) -> None:
        """Add a piece."""
        self.lines += data.count(b"\n")
        self._split(self._ends.feed(data))

    def _split(self, data: bytes) -> None:
        data = self._held + data
        self._held = b""
        while data:
            data = self._in_stderr(data) if self._is_stderr else self._in_stdout(data)

    def finish(self) -> None:
        """Add the rest at the end of the log."""
        self._split(self._ends.rest())
        self._put(self._held)
        self._held = b""
        for is_stderr, returns in self._returns.items():
            self._tails.add(is_stderr=is_stderr, data=returns.rest())

    def _in_stderr(self, data: bytes) -> bytes:
        """Consume up to the end of the line; a mark within it begins a new line."""
        line, newline, rest = data.partition(b"\n")
        before, mark, after = line.partition(self._mark)
        if mark:
            self._put(before)
            return after + newline + rest
        if newline:
            self._put(line + newline)
            self._is_stderr = False
            return rest
        self._put_except_mark(line)
        return b""

    def _in_stdout(self, data: bytes) -> bytes:
        before, mark, rest = data.partition(self._mark)
        if mark:
            self._put(before)
            self._is_stderr = True
            return rest
        self._put_except_mark(before)
        return b""

    def _put_except_mark(self, data: bytes) -> None:
        """Add all but an end that may be the beginning of a mark."""
        for length in range(min(len(self._mark) - 1, len(data)), 0, -1):
            if self._mark.startswith(data[-length:]):
                self._put(data[:-length])
                self._held = data[-length:]
                return
        self._put(data)

    def _put(self, data: bytes) -> None:
        if data:
            data = self._returns[self._is_stderr].feed(data)
            self._tails.add(is_stderr=self._is_stderr, data=data)
