"""A clock and ids that a test controls."""

from datetime import UTC, datetime, timedelta
from itertools import count

from tesk_model.task import TaskId


class FrozenClock:
    """A clock that moves only when told."""

    def __init__(self, now: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._now = now
        self._seconds = 0.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._seconds

    def advance(self, by: timedelta) -> None:
        self._now += by
        self._seconds += by.total_seconds()


class CountingIds:
    """Gives t-1, t-2, … and tm-1, tm-2, …"""

    def __init__(self) -> None:
        self._tasks = count(1)
        self._taskmasters = count(1)

    def task_id(self) -> TaskId:
        return TaskId(f"t-{next(self._tasks)}")

    def taskmaster_id(self) -> str:
        return f"tm-{next(self._taskmasters)}"
