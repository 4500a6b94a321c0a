"""Tells the two streams apart in the one log of an executor's pod.

The launcher writes whole lines, and long ones in pieces that no container runtime cuts,
so that runtimes can mix nothing but these. Marks are looked for at their edges alone:
what a command prints between them may be anything.
"""

from typing import Final

from tesk_taskmaster.adapters.kubernetes.manifests.log_marks import (
    END_MARK,
    MORE_MARK,
    RETURN_MARK,
    STDERR_MARK,
    STDOUT_MARK,
)
from tesk_taskmaster.adapters.stream_tails import StreamTails

_STDOUT, _STDERR = STDOUT_MARK.encode(), STDERR_MARK.encode()
_RETURN, _MORE = RETURN_MARK.encode(), MORE_MARK.encode()
_END = END_MARK.encode()
_ANY_MARK = _END[:1]
_MOST_HELD: Final = 64 * 1024
"""Of a line without an end. No launcher writes as much: commands that find its streams
may, and must not fill the memory here."""


class LogPieces:
    """Tells streams apart, in parts of any size."""

    def __init__(self, tails: StreamTails) -> None:
        """Add the streams to ``tails``."""
        self._tails = tails
        self._held = b""  # of a line whose end is to come
        self.lines = 0

    def feed(self, data: bytes) -> None:
        """Add a part of the log."""
        self.lines += data.count(b"\n")
        whole, newline, held = data.rpartition(b"\n")
        if newline:
            self._add_lines(self._held + whole + newline)
            self._held = b""
        self._held += held
        if len(self._held) > _MOST_HELD:
            self.finish()

    def finish(self) -> None:
        """Add the rest at the end of the log, which has no newline."""
        if self._held:
            self._add_piece(self._held)
        self._held = b""

    def _add_lines(self, lines: bytes) -> None:
        if _ANY_MARK not in lines:
            self._tails.add(is_stderr=False, data=lines)
            return
        for line in lines.split(b"\n")[:-1]:
            self._add_piece(line + b"\n")

    def _add_piece(self, line: bytes) -> None:
        is_stderr = line.startswith(_STDERR)
        if is_stderr or line.startswith(_STDOUT):
            line = line[len(_STDERR if is_stderr else _STDOUT) :]
        elif line.rstrip(b"\n") == _END:
            return
        if line.endswith(_MORE + b"\n"):
            line = line[: -len(_MORE) - 1]
        elif line.endswith(_RETURN + b"\n"):
            line = line[: -len(_RETURN) - 1] + b"\n"
        self._tails.add(is_stderr=is_stderr, data=line)
