"""Decides which failures of a service are logged.

A service that is away is called several times a second; a line for each try
would hide everything else.
"""

from dataclasses import dataclass, field
from datetime import timedelta

_INTERVAL = timedelta(seconds=10)


@dataclass(slots=True)
class FailureLog:
    """The failures in a row of one service; used by one thread.

    Times are seconds of a monotonic clock.

    Attributes:
        interval: Between two lines while it lasts.
    """

    interval: timedelta = _INTERVAL
    _began: float | None = field(default=None, init=False)
    _logged: float = field(default=0, init=False)

    def record_failure(self, now: float) -> bool:
        """Record a failure; tell whether to log it."""
        if self._began is None:
            self._began = self._logged = now
            return True
        if now - self._logged < self.interval.total_seconds():
            return False
        self._logged = now
        return True

    def record_success(self, now: float) -> timedelta | None:
        """Record a success; return how long the service was away, if it was."""
        if self._began is None:
            return None
        lasted = timedelta(seconds=now - self._began)
        self._began = None
        return lasted
