"""Keeps the end of both streams of an executor in bounded memory."""

import re

from tesk_taskmaster.domain.tails import TAIL_BYTES
from tesk_taskmaster.domain.termination import LoggedBytes
from tesk_taskmaster.ports import Tails


class StreamTails:
    """Keeps the last 64 KiB of each stream."""

    def __init__(self) -> None:
        self._stdout = bytearray()
        self._stderr = bytearray()
        self._sizes = {False: 0, True: 0}

    def add(self, *, is_stderr: bool, data: bytes) -> None:
        """Append to a stream."""
        tail = self._stderr if is_stderr else self._stdout
        tail += data
        self._sizes[is_stderr] += len(data)
        if len(tail) > 2 * TAIL_BYTES:
            del tail[:-TAIL_BYTES]

    def cut(self, ending: re.Pattern[bytes]) -> bytes:
        """Take an ending off the streams that have it; return it, b"" if none has."""
        cut = b""
        for is_stderr, tail in ((False, self._stdout), (True, self._stderr)):
            found = ending.search(tail)
            if found:
                cut = found[0]
                del tail[found.start() :]
                self._sizes[is_stderr] -= len(cut)
        return cut

    @property
    def are_full(self) -> bool:
        """Tell whether both tails are complete, so that older data does not matter."""
        return min(len(self._stdout), len(self._stderr)) >= TAIL_BYTES

    @property
    def sizes(self) -> LoggedBytes:
        """Return how many bytes were added to each stream."""
        return LoggedBytes(self._sizes[False], self._sizes[True])

    def tails(self) -> Tails:
        """Return the tails."""
        return Tails(
            bytes(self._stdout[-TAIL_BYTES:]), bytes(self._stderr[-TAIL_BYTES:])
        )
