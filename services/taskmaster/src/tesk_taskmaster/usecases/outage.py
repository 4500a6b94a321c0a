"""Which failures of a neighbour are worth a line in the log.

One that is away is asked several times a second; a line for each try would
bury everything else.
"""

from dataclasses import dataclass, field
from datetime import timedelta

_INTERVAL = timedelta(seconds=10)


@dataclass(slots=True)
class Outage:
    """One neighbour's failures in a row; used by one thread.

    Times are seconds of a monotonic clock.

    Attributes:
        interval: Between two lines while it lasts.
    """

    interval: timedelta = _INTERVAL
    _began: float | None = field(default=None, init=False)
    _told: float = field(default=0, init=False)

    def fail(self, now: float) -> bool:
        """Take note of a failure; tell whether to log it."""
        if self._began is None:
            self._began = self._told = now
            return True
        if now - self._told < self.interval.total_seconds():
            return False
        self._told = now
        return True

    def end(self, now: float) -> timedelta | None:
        """Take note of a success; return how long it was away, if it was."""
        if self._began is None:
            return None
        lasted = timedelta(seconds=now - self._began)
        self._began = None
        return lasted
