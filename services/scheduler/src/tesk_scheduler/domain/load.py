"""Describes the load of the last hours by intervals of time; pure.

Intervals begin at whole multiples of their width, so that one that is over stays what
it was.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from tesk_model.states import TaskState
from tesk_model.task import TaskId

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DEFAULT_HOURS = 6
WIDTHS: Mapping[int, timedelta] = {
    1: timedelta(minutes=2),
    6: timedelta(minutes=10),
    24: timedelta(minutes=30),
}
"""The width of an interval, by how many hours are shown."""


class Interval(NamedTuple):
    """A time from its start up to, not including, its end."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalCounts:
    """What happened to the latest attempts of tasks within an interval.

    Attributes:
        queued: Tasks that were queued,
        started: and that left the queue for an attempt.
        canceled: Ended so.
        failed: Likewise, by EXECUTOR_ERROR or SYSTEM_ERROR.
        unstarted: Of those that ended, the ones that were in the queue.
        waited: How long those that started had been queued, together.
        longest_wait: The longest of that.
    """

    queued: int = 0
    started: int = 0
    complete: int = 0
    failed: int = 0
    canceled: int = 0
    unstarted: int = 0
    waited: timedelta = timedelta()
    longest_wait: timedelta = timedelta()

    @property
    def mean_wait(self) -> timedelta:
        """Of those that started; zero if none did."""
        return self.waited / self.started if self.started else timedelta()


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedTask:
    """A task that failed.

    Attributes:
        reason_code: As stored; an earlier or later release may have others.
    """

    id: TaskId
    name: str | None
    owner: str
    state: TaskState
    reason_code: str
    ended: datetime


def intervals_until(now: datetime, hours: int) -> list[Interval]:
    """Return the intervals of the last ``hours``, oldest first; ``now`` is in the last.

    Args:
        now: The time.
        hours: A key of ``WIDTHS``.
    """
    width = WIDTHS[hours]
    count = timedelta(hours=hours) // width
    last = _EPOCH + (now - _EPOCH) // width * width
    starts = [last - width * back for back in range(count - 1, -1, -1)]
    return [Interval(start, start + width) for start in starts]


def queue_lengths(now_queued: int, counts: Sequence[IntervalCounts]) -> list[int]:
    """Return how many tasks were in the queue at the end of each interval.

    Args:
        now_queued: How many are in the queue at the end of the last one: now.
        counts: Oldest first.
    """
    lengths = [now_queued]
    for each in reversed(counts[1:]):
        before = lengths[-1] - each.queued + each.started + each.unstarted
        # An attempt of which a task had another in the same interval is not counted.
        lengths.append(max(0, before))
    return lengths[::-1]


def count_causes(failed: Iterable[FailedTask]) -> list[tuple[str, int]]:
    """Return how many tasks failed for each cause, most frequent first."""
    causes = Counter(each.reason_code for each in failed)
    return sorted(causes.items(), key=lambda each: (-each[1], each[0]))
