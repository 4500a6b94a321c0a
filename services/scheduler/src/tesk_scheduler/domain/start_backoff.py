"""Delays the start of taskmasters after starts that failed."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from tesk_model.backoff import Backoff
from tesk_scheduler.domain.fleet import Taskmaster
from tesk_scheduler.domain.fleet_plan import Moment

_BACKOFF = Backoff(first=timedelta(seconds=1), longest=timedelta(seconds=30))


@dataclass(frozen=True, slots=True, kw_only=True)
class StartBackoff:
    """The starts that failed in a row.

    Attributes:
        failures: How many.
        not_before: When the next may be tried, in monotonic seconds.
        problem: Why the last one failed, for people; "" if it did not.
        refused: The launcher refused it; else it started and did not call.
        failed_at: When the last one failed.
    """

    failures: int = 0
    not_before: float = 0.0
    problem: str = ""
    refused: bool = False
    failed_at: datetime | None = None

    def is_paused(self, now: Moment) -> bool:
        """Tell whether no taskmaster should be started yet."""
        return now.monotonic < self.not_before

    def after_failure(
        self, problem: str, *, refused: bool, now: Moment
    ) -> "StartBackoff":
        """Count a failed start."""
        failures = self.failures + 1
        pause = _BACKOFF.pause(failures).total_seconds()
        return StartBackoff(
            failures=failures,
            not_before=now.monotonic + pause,
            problem=problem,
            refused=refused,
            failed_at=now.time,
        )

    def after_start(self) -> "StartBackoff":
        """Note that one was started; it has not called yet."""
        return StartBackoff() if self.refused else self

    def after_calls(self, members: Iterable[Taskmaster]) -> "StartBackoff":
        """Note which taskmasters have called.

        One that was started before the failure does not show that others can be.
        """
        failed_at = self.failed_at
        if failed_at is None:
            return self
        works = any(each.seen and each.started_at >= failed_at for each in members)
        return StartBackoff() if works else self
