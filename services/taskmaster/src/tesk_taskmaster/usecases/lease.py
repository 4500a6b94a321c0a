"""The lease of a taskmaster: until when it may act on its attempts.

The scheduler reassigns attempts when their taskmaster has not renewed its lease.
So a taskmaster that cannot renew it stops acting before that by its own clock,
counted from the moment of the request, not of the answer.
"""

import threading
from datetime import timedelta

from tesk_taskmaster.ports import Clock


class Lease:
    """Valid until a moment of the monotonic clock; thread-safe."""

    def __init__(self, clock: Clock) -> None:
        """Begin without a lease."""
        self._clock = clock
        self._lock = threading.Lock()
        self._ends: float | None = None

    def renew(self, asked_at: float, length: timedelta) -> None:
        """Extend the lease to ``length`` after the monotonic moment ``asked_at``."""
        with self._lock:
            self._ends = asked_at + length.total_seconds()

    def remaining(self) -> timedelta | None:
        """Return the time that is left (zero if lost); None before the first lease."""
        with self._lock:
            ends = self._ends
        if ends is None:
            return None
        return timedelta(seconds=max(0.0, ends - self._clock.monotonic()))

    def is_lost(self) -> bool:
        """Tell whether there was a lease and it has run out."""
        return self.remaining() == timedelta(0)
