"""Shows limits, usage and shares of every subject."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import NamedTuple

from tesk_model.errors import InvalidRequestError, Violation
from tesk_scheduler.domain.capacity import Capacity
from tesk_scheduler.domain.charging import limit_of, share_of
from tesk_scheduler.domain.dimensions import DIMENSIONS, QUEUED, RUNNING
from tesk_scheduler.domain.quota import (
    ANY_NAME,
    EVERYBODY,
    Amounts,
    Limit,
    Quota,
    Share,
    Subject,
    SubjectKind,
    Usage,
)
from tesk_scheduler.domain.usage_history import History
from tesk_scheduler.ports.quota import QuotaSource
from tesk_scheduler.ports.store import TaskStore

_PAGE = 500


class SubjectQuota(NamedTuple):
    """One subject.

    Attributes:
        part: The most that it uses of anything, of what there is; None: not known.
        past: The same of what it has used of late.
    """

    subject: Subject
    used: Usage
    limit: Limit
    part: float | None
    past: float | None
    share: Share


class QuotaPage(NamedTuple):
    """Some subjects, and the cursor of the next ones; "" at the end.

    Attributes:
        gpu_types: See ``QuotaReading``.
    """

    subjects: Sequence[SubjectQuota]
    quota: Quota
    capacity: Limit
    gpu_types: Mapping[str, float]
    next_cursor: str


class QuotaReading(NamedTuple):
    """The quota in force and what is used of it, as they were read.

    Attributes:
        capacity: What there is: of settings and machine, or of the nodes of a cluster.
        gpu_types: Of the capacity, GPUs by type.
    """

    quota: Quota
    capacity: Limit
    gpu_types: Mapping[str, float]
    usage: Mapping[Subject, Usage]
    history: History

    def of(self, subject: Subject) -> SubjectQuota:
        """Return one subject; what uses nothing has all 0."""
        used = self.usage.get(subject, Usage())
        return SubjectQuota(
            subject,
            used,
            limit_of(subject, self.quota),
            self._part(used),
            self._part(self.history[subject].average)
            if subject in self.history
            else None,
            share_of(subject, self.quota),
        )

    def _part(self, used: Amounts) -> float | None:
        """Return the largest part of what there is; None if that is not known."""
        whole = self.capacity.at_most(self.quota.everybody)
        parts = [
            used[each] / whole[each]
            for each in DIMENSIONS
            if each is not QUEUED and 0 < whole[each] < inf
        ]
        return max(parts, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaView:
    """Reads the quota in force, and usage.

    Attributes:
        cluster: Finds out what a cluster has; None where that does not count.
    """

    store: TaskStore
    quotas: QuotaSource
    cluster: Callable[[Quota], Capacity | None] = lambda _quota: None

    def read(self) -> QuotaReading:
        """Read all of it."""
        quota = self.quotas.current()
        return QuotaReading(
            quota,
            *self._capacity(quota),
            self.store.usage_of_all(),
            self.store.usage_history(),
        )

    def page(self, cursor: str) -> QuotaPage:
        """Return the next subjects: all that have usage, or are named.

        Raises:
            InvalidRequestError: The cursor is wrong.
        """
        if cursor and not cursor.isdecimal():
            problem = "was not made by this release"
            raise InvalidRequestError([Violation("cursor", problem)])
        first = int(cursor or 0)
        reading = self.read()
        subjects = sorted(
            {
                *(EVERYBODY, *_named(reading.quota), *reading.history),
                *(each for each, used in reading.usage.items() if any(used)),
            }
        )
        some = subjects[first : first + _PAGE]
        more = first + _PAGE < len(subjects)
        return QuotaPage(
            [reading.of(subject) for subject in some],
            reading.quota,
            reading.capacity,
            reading.gpu_types,
            str(first + _PAGE) if more else "",
        )

    def _capacity(self, quota: Quota) -> tuple[Limit, Mapping[str, float]]:
        found = self.cluster(quota)
        if found is None:
            return quota.capacity, quota.capacity_gpu_types
        # That of a cluster counts pods, and not tasks.
        tasks = {RUNNING.column: quota.capacity[RUNNING]}
        gpu_types = {name: gpus.total for name, gpus in found.gpu_types.items()}
        return Limit(**{**found.total.named(), **tasks}), gpu_types


def _named(quota: Quota) -> set[Subject]:
    kinds = (
        (SubjectKind.USER, quota.users),
        (SubjectKind.GROUP, quota.groups),
        (SubjectKind.NAMESPACE, quota.namespaces),
    )
    named = {Subject(kind, name) for kind, limits in kinds for name in limits}
    return {each for each in named | quota.shares.keys() if each.name != ANY_NAME}
