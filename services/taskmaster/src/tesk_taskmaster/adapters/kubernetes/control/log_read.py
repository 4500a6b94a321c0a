"""Compares what was read of a pod's log with what the launcher gave to it.

A container runtime may write the end of a stream, or all of it, some time after it
has reported the end of the container. Only the launcher's counts tell such a
log from one of a program that printed nothing.
"""

from dataclasses import dataclass

from tesk_taskmaster.domain.tails import TAIL_BYTES
from tesk_taskmaster.domain.termination import LoggedBytes
from tesk_taskmaster.ports import Tails

# What pipes and buffers of a container runtime hold of both streams, which a command
# that has ended has left to them. What the kubelet rotates away is more.
_MOST_LATE_BYTES = 512 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRead:
    """What one reading of a log has found, to its end.

    Attributes:
        tails: Of both streams.
        sizes: Bytes of each stream that were read.
        is_from_start: No lines were left out before what was read, though the
            kubelet may have rotated some away.
        is_exact: Each byte is in the stream that it was printed to; else, a mark in the
            middle of a line moves bytes between streams.
        error: With which the kubelet ended it; "" if it did not.
    """

    tails: Tails
    sizes: LoggedBytes
    is_from_start: bool
    is_exact: bool
    error: str = ""

    def has_all(self, logged: LoggedBytes | None) -> bool:
        """Tell whether nothing of the tails is missing at either end.

        Args:
            logged: What the launcher gave to the log; None if that is not known:
                then an end that is missing is not found out.
        """
        if logged is not None and not self.is_exact:
            return self.sizes.total >= logged.total
        if logged is not None:
            return (
                self.sizes.stdout >= logged.stdout
                and self.sizes.stderr >= logged.stderr
            )
        if self.error:
            return False
        tails = self.tails
        is_full = min(len(tails.stdout), len(tails.stderr)) >= TAIL_BYTES
        return self.is_from_start or is_full

    def may_grow(self, logged: LoggedBytes | None) -> bool:
        """Tell whether something is missing that may still come.

        Where the bytes of both are there, the streams were mixed on the way.
        """
        is_short = logged is None or self.sizes.total < logged.total
        return is_short and bool(self.describe_missing(logged))

    def describe_missing(self, logged: LoggedBytes | None) -> str:
        """Return what the log lacks; "" if it lacks nothing, as far as is known."""
        if logged is None:
            return self.error
        if self.has_all(logged):
            return ""
        found, wanted = self.sizes, logged
        is_late = logged.total - found.total <= _MOST_LATE_BYTES
        if not (self.is_from_start and is_late):  # its beginning does not matter
            found = LoggedBytes(len(self.tails.stdout), len(self.tails.stderr))
            wanted = LoggedBytes(
                min(logged.stdout, TAIL_BYTES), min(logged.stderr, TAIL_BYTES)
            )
        streams = (
            ("stdout", found.stdout, wanted.stdout),
            ("stderr", found.stderr, wanted.stderr),
        )
        lacks = [
            f"{has} of {size} bytes of {name}"
            for name, has, size in streams
            if has < size
        ]
        return f"the log of its pod has {' and '.join(lacks)}" if lacks else ""
