"""Tells the time of the store, which several schedulers share."""

import logging
import threading
from datetime import datetime, timedelta
from typing import Protocol

from tesk_model.errors import RetryableError
from tesk_scheduler.ports.environment import Clock

_logger = logging.getLogger(__name__)

_QUERY_EVERY = 10.0
_TOLERANCE = timedelta(seconds=5)


class StoreTime(Protocol):
    """The part of a store that tells the time."""

    def time(self) -> datetime | None:
        """Return the time by its own clock; None if it has none."""


class StoreClock:
    """Tells the store's time if it has a clock of its own, else this machine's.

    One scheduler grants a lease and another judges it, and clocks of hosts
    differ. Between two queries the time advances by this machine's monotonic
    clock, so that reads and writes need no query of their own. Thread-safe.
    """

    def __init__(self, store: StoreTime, clock: Clock) -> None:
        """Query the time when it is first needed."""
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()
        self._known: tuple[datetime, float] | None = None
        self._query_at: float | None = clock.monotonic()

    def now(self) -> datetime:
        """Return the time, aware, in UTC.

        Raises:
            UnavailableError: The store could not be queried even once.
        """
        with self._lock:
            here = self._clock.monotonic()
            if self._query_at is not None and here >= self._query_at:
                self._query(here)
            if self._known is None:
                return self._clock.now()
            stored_time, at = self._known
            return stored_time + timedelta(seconds=self._clock.monotonic() - at)

    def monotonic(self) -> float:
        """Return this machine's seconds."""
        return self._clock.monotonic()

    def _query(self, here: float) -> None:
        try:
            stored_time = self._store.time()
        except RetryableError:
            if self._known is None:
                raise
            self._query_at = here + _QUERY_EVERY
            return
        self._query_at = None if stored_time is None else here + _QUERY_EVERY
        if stored_time is None:
            return
        ahead = self._clock.now() - stored_time
        if self._known is None and abs(ahead) > _TOLERANCE:
            _logger.warning(
                "this machine's clock is wrong, or the database's",
                extra={"seconds_ahead": round(ahead.total_seconds())},
            )
        self._known = (stored_time, self._clock.monotonic())
