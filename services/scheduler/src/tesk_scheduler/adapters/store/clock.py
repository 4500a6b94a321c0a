"""The time of the store, by which several schedulers agree."""

import logging
import threading
from datetime import datetime, timedelta
from typing import Protocol

from tesk_model.errors import RetryableError
from tesk_scheduler.ports.environment import Clock

_LOG = logging.getLogger(__name__)

_ASK_EVERY = 10.0
_MUCH = timedelta(seconds=5)


class StoreTime(Protocol):
    """A store, as far as it tells the time."""

    def time(self) -> datetime | None:
        """Return the time by its own clock; None if it has none."""


class StoreClock:
    """Tells the store's time if it has a clock of its own, else this machine's.

    A lease is given by one scheduler and judged by another, and hosts' clocks
    differ. Between two questions the time goes on by this machine's seconds,
    so that no write or read costs a question of its own. Thread-safe.
    """

    def __init__(self, store: StoreTime, clock: Clock) -> None:
        """Ask when the time is first wanted."""
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()
        self._known: tuple[datetime, float] | None = None
        self._ask_at: float | None = clock.monotonic()

    def now(self) -> datetime:
        """Return the time, aware, in UTC.

        Raises:
            UnavailableError: The store has never been asked, and cannot be.
        """
        with self._lock:
            here = self._clock.monotonic()
            if self._ask_at is not None and here >= self._ask_at:
                self._ask(here)
            if self._known is None:
                return self._clock.now()
            told, at = self._known
            return told + timedelta(seconds=self._clock.monotonic() - at)

    def monotonic(self) -> float:
        """Return this machine's seconds."""
        return self._clock.monotonic()

    def _ask(self, here: float) -> None:
        try:
            told = self._store.time()
        except RetryableError:
            if self._known is None:
                raise
            self._ask_at = here + _ASK_EVERY
            return
        self._ask_at = None if told is None else here + _ASK_EVERY
        if told is None:
            return
        ahead = self._clock.now() - told
        if self._known is None and abs(ahead) > _MUCH:
            _LOG.warning(
                "this machine's clock is wrong, or the database's",
                extra={"seconds_ahead": round(ahead.total_seconds())},
            )
        self._known = (told, self._clock.monotonic())
