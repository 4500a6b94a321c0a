"""Starts of taskmasters that failed, one after the other: pauses, and the reason."""

import logging
from datetime import datetime, timedelta

from tesk_scheduler.ports.surroundings import Clock

_LOG = logging.getLogger(__name__)
_LONGEST_PAUSE = 30.0


class StartFailures:
    """Remembers them until one works; each pause is twice the one before."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._count = 0
        self._not_before = 0.0
        self._problem = ""
        self._refused = False
        self._at: datetime | None = None

    @property
    def problem(self) -> str:
        """Why the last one failed; "" if it did not."""
        return self._problem

    @property
    def pausing(self) -> bool:
        """Tell whether none should be started yet."""
        return self._clock.monotonic() < self._not_before

    @property
    def pause(self) -> timedelta | None:
        """How long to wait for the next try; None if nothing failed."""
        if not self._count:
            return None
        left = self._not_before - self._clock.monotonic()
        return timedelta(seconds=max(0.0, left))

    def add(self, problem: str, *, refused: bool) -> None:
        """Count one.

        Args:
            problem: For people.
            refused: It could not even be started; else it never called.
        """
        self._count += 1
        pause = min(2.0 ** (self._count - 1), _LONGEST_PAUSE)
        self._not_before = self._clock.monotonic() + pause
        self._refused = refused
        self._at = self._clock.now()
        if problem != self._problem or not refused:
            _LOG.error("taskmaster did not start", extra={"cause": problem})
        self._problem = problem

    def started(self) -> None:
        """Note that one could be started; whether it calls is another matter."""
        if self._refused:
            self._clear()

    def called(self, started_at: datetime) -> None:
        """Note that one calls, which was started at that time.

        One that was there already does not show that others can be started.
        """
        if self._at is not None and started_at >= self._at:
            self._clear()

    def _clear(self) -> None:
        self._count, self._not_before, self._problem = 0, 0.0, ""
        self._refused, self._at = False, None
