"""How long a taskmaster may act on what it holds.

The scheduler gives attempts away when their taskmaster has been silent for the
lease. So a taskmaster that cannot renew it must stop acting before that, by
its own clock: counted from the moment it asked, not from the answer.
"""

import threading
from datetime import timedelta

from tesk_taskmaster.ports import Clock


class Lease:
    """Valid until a moment of the monotonic clock; thread-safe."""

    def __init__(self, clock: Clock) -> None:
        """Start without a lease: nothing is held yet."""
        self._clock = clock
        self._lock = threading.Lock()
        self._ends: float | None = None

    def renew(self, asked_at: float, length: timedelta) -> None:
        """Hold for ``length`` from the monotonic moment ``asked_at``."""
        with self._lock:
            self._ends = asked_at + length.total_seconds()

    def remaining(self) -> timedelta | None:
        """Return how long it still holds (zero if lost); None before the first."""
        with self._lock:
            ends = self._ends
        if ends is None:
            return None
        return timedelta(seconds=max(0.0, ends - self._clock.monotonic()))

    def is_lost(self) -> bool:
        """Tell whether there was a lease and it has run out."""
        return self.remaining() == timedelta(0)
