"""Shows what runs now and what ran in the last hours, to whom it may concern.

Read from the store alone. A result is used for some seconds, and the counts of an
interval that is over for as long as it is asked for: what happened then does not
change, and counting a busy day again for each who looks would cost.
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from tesk_model.errors import (
    InvalidRequestError,
    ResourceExhaustedError,
    Violation,
)
from tesk_scheduler.domain.callers import Caller
from tesk_scheduler.domain.dimensions import QUEUED, RUNNING
from tesk_scheduler.domain.load import (
    DEFAULT_HOURS,
    WIDTHS,
    FailedTask,
    Interval,
    IntervalCounts,
    count_causes,
    intervals_until,
    queue_lengths,
)
from tesk_scheduler.domain.quota import EVERYBODY, Limit, Subject, SubjectKind
from tesk_scheduler.domain.records import WaitingTasks
from tesk_scheduler.ports.environment import Clock
from tesk_scheduler.ports.store import TaskStore
from tesk_scheduler.usecases.admin.quota_view import (
    QuotaReading,
    QuotaView,
    SubjectQuota,
)
from tesk_scheduler.usecases.admin.taskmasters import TaskmasterList, Taskmasters

_LASTS = 3.0  # seconds for which a result is used
_MOST_RESULTS = 64
# Others wait, and not for long: calls of a scheduler share its threads.
_READS_AT_ONCE = 4
_MOST_SERIES = 100
# A time is taken before it is committed, and not by one clock.
_SETTLED = timedelta(minutes=1)
_MOST_OWNERS = 100
_COUNTED_FAILURES = 200

KeyT = TypeVar("KeyT")
ValueT = TypeVar("ValueT")
_Series = tuple[str | None, int]
"""The owner, None for all, and the hours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """The load, as one caller may see it.

    Attributes:
        owners: The caller; or everybody, and then those who use most.
        more_owners: That were left out.
        intervals: Oldest first, with what happened,
        queue: and how many were in the queue at the end of each.
        failed: That arrived last, newest end first.
        causes: How many of these failed for each cause.
        waiting: What tasks wait for; empty unless the caller is an admin,
        taskmasters: None likewise.
    """

    read_at: datetime
    owners: Sequence[SubjectQuota]
    more_owners: int
    capacity: Limit
    intervals: Sequence[tuple[Interval, IntervalCounts]]
    queue: Sequence[int]
    failed: Sequence[FailedTask]
    causes: Sequence[tuple[str, int]]
    waiting: Sequence[WaitingTasks]
    taskmasters: TaskmasterList | None


@dataclass(slots=True, kw_only=True)
class LoadView:
    """Reads the load.

    Attributes:
        longest_wait: For other reads, of which few go on at once.
    """

    store: TaskStore
    clock: Clock
    quotas: QuotaView
    taskmasters: Taskmasters
    longest_wait: timedelta = timedelta(seconds=1)
    _reads: threading.Semaphore = field(
        default_factory=lambda: threading.Semaphore(_READS_AT_ONCE)
    )
    _results: OrderedDict[_Series, tuple[float, Load]] = field(
        default_factory=OrderedDict
    )
    _over: OrderedDict[_Series, dict[Interval, IntervalCounts]] = field(
        default_factory=OrderedDict
    )
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def read(self, caller: Caller, hours: int) -> Load:
        """Return the load; it may be some seconds old.

        Args:
            caller: Admins see the tasks of all owners, others their own.
            hours: How far back: a key of ``domain.load.WIDTHS``; 0 = 6.

        Raises:
            InvalidRequestError: ``hours`` is another number.
            ResourceExhaustedError: Too many are being read.
        """
        hours = hours or DEFAULT_HOURS
        if hours not in WIDTHS:
            problem = f"must be {', '.join(map(str, WIDTHS))}"
            raise InvalidRequestError([Violation("hours", problem)])
        series = (caller.visible_owner, hours)
        if known := self._recent(series):
            return known
        if not self._reads.acquire(timeout=self.longest_wait.total_seconds()):
            raise ResourceExhaustedError(
                "too many look at the load now; try again", timedelta(seconds=5)
            )
        try:
            # Who was before may have read the same.
            return self._recent(series) or self._read_and_keep(series)
        finally:
            self._reads.release()

    def _recent(self, series: _Series) -> Load | None:
        with self._lock:
            known = self._results.get(series)
        if known is None or self.clock.monotonic() - known[0] >= _LASTS:
            return None
        return known[1]

    def _read_and_keep(self, series: _Series) -> Load:
        now = self.clock.monotonic()
        load = self._read(series)
        with self._lock:
            _keep(self._results, series, (now, load), _MOST_RESULTS)
        return load

    def _read(self, series: _Series) -> Load:
        owner, hours = series
        now = self.clock.now()
        quota = self.quotas.read()
        owners = _owners(quota, owner)
        intervals = intervals_until(now, hours)
        counts = self._counts(series, intervals, now)
        failed = self.store.last_failed(_COUNTED_FAILURES, owner=owner)
        return Load(
            read_at=now,
            owners=[quota.of(each) for each in owners[:_MOST_OWNERS]],
            more_owners=max(0, len(owners) - _MOST_OWNERS),
            capacity=quota.capacity.at_most(quota.quota.everybody),
            intervals=list(zip(intervals, counts, strict=True)),
            queue=queue_lengths(int(quota.of(owners[0]).used[QUEUED]), counts),
            failed=failed,
            causes=count_causes(failed),
            waiting=self.store.waiting() if owner is None else (),
            taskmasters=self.taskmasters.list() if owner is None else None,
        )

    def _counts(
        self, series: _Series, intervals: Sequence[Interval], now: datetime
    ) -> list[IntervalCounts]:
        with self._lock:
            known = self._over.get(series, {})
        missing = [each for each in intervals if each not in known]
        found = self.store.interval_counts(missing, owner=series[0])
        counts = known | dict(zip(missing, found, strict=True))
        over = {each: counts[each] for each in intervals if each.end + _SETTLED <= now}
        with self._lock:
            _keep(self._over, series, over, _MOST_SERIES)
        return [counts[each] for each in intervals]


def _owners(quota: QuotaReading, owner: str | None) -> list[Subject]:
    """Return whose usage is shown; the first has the queue that is shown."""
    if owner == "":
        return [EVERYBODY]  # without authentication they are one
    if owner is not None:
        return [Subject(SubjectKind.USER, owner)]
    users = [
        each
        for each, used in quota.usage.items()
        if each.kind is SubjectKind.USER
        and not each.gpu_type
        and (used[RUNNING] or used[QUEUED])
    ]

    def order(user: Subject) -> tuple[float, float, str]:
        used = quota.usage[user]
        part = quota.of(user).part
        return (-(used[RUNNING] if part is None else part), -used[QUEUED], user.name)

    return [EVERYBODY, *sorted(users, key=order)]


def _keep(
    cache: OrderedDict[KeyT, ValueT], key: KeyT, value: ValueT, most: int
) -> None:
    cache[key] = value
    cache.move_to_end(key)
    if len(cache) > most:
        cache.popitem(last=False)
