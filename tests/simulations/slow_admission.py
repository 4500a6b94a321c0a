"""The policy of admission as plainly as it can be said, at any cost.

Each step looks at every task anew and adds up everything anew, with exact fractions.
There are no reservations and rates here.
"""

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from math import inf

from tesk_scheduler.domain.charging import limit_of, share_of
from tesk_scheduler.domain.dimensions import DIMENSIONS
from tesk_scheduler.domain.queues import QueuedTask
from tesk_scheduler.domain.quota import (
    DEFAULT_SHARE,
    EVERYBODY,
    Amounts,
    Order,
    Quota,
    Subject,
    SubjectKind,
    Usage,
)

Cost = tuple[bool, Fraction, str]


def slow_admissions(
    queues: Sequence[Sequence[QueuedTask]],
    *,
    usage: Mapping[Subject, Usage],
    past: Mapping[Subject, Amounts],
    penalty: Fraction,
    quota: Quota,
) -> list[QueuedTask]:
    """Return the tasks that start, in their order."""
    state = _State(queues, usage=usage, past=past, penalty=penalty, quota=quota)
    while (best := state.best()) is not None:
        state.started.append(best)
    return state.started


class _State:
    def __init__(
        self,
        queues: Sequence[Sequence[QueuedTask]],
        *,
        usage: Mapping[Subject, Usage],
        past: Mapping[Subject, Amounts],
        penalty: Fraction,
        quota: Quota,
    ) -> None:
        self.queues = queues
        self.usage = usage
        self.past = past
        self.penalty = penalty
        self.quota = quota
        self.started: list[QueuedTask] = []

    def best(self) -> QueuedTask | None:
        """Return the next task: of the first party that of its first owner."""
        parties: dict[Subject, list[QueuedTask]] = {}
        for queue in self.queues:
            for task in self.candidates(queue):
                parties.setdefault(self.party_of(task), []).append(task)
        firsts = [
            (party, min(tasks, key=lambda task: self.cost(task.subjects[0], task)))
            for party, tasks in parties.items()
        ]
        if not firsts:
            return None
        return min(firsts, key=lambda pair: (self.cost(*pair), pair[0]))[1]

    def candidates(self, queue: Sequence[QueuedTask]) -> Iterator[QueuedTask]:
        """Give the first task of a queue that can start, if there is one."""
        for task in queue:
            if task in self.started or not self.fits(task, alone=True):
                continue
            if self.fits(task, alone=False):
                yield task
                return
            if self.quota.order is Order.STRICT:
                return

    def fits(self, task: QueuedTask, *, alone: bool) -> bool:
        """Tell whether a task exceeds no limit, beside what runs or alone."""
        limits = [(each, limit_of(each, self.quota)) for each in task.subjects]
        limits.append((EVERYBODY, self.quota.capacity))
        if alone and not task.demand.fits(self.quota.per_task):
            return False
        return all(
            asked == 0
            or asked + (0 if alone else self.used(subject, index)) <= limit[index]
            for subject, limit in limits
            for index, asked in enumerate(task.demand)
        )

    def party_of(self, task: QueuedTask) -> Subject:
        for subject in task.subjects:
            is_group = subject.kind is SubjectKind.GROUP
            if is_group and share_of(subject, self.quota) is not DEFAULT_SHARE:
                return subject
        return task.subjects[0]

    def cost(self, subject: Subject, task: QueuedTask) -> Cost:
        """Return the dominant share of a subject with one more task."""
        shares = [
            (
                self.used(subject, index)
                + self.used_before(subject, index)
                + Fraction(task.demand[index])
            )
            * Fraction(weight)
            / self.total(index)
            for index, dimension in enumerate(DIMENSIONS)
            if (weight := self.quota.fair_share.resources.get(dimension.column, 0))
            and self.total(index)
        ]
        weight = share_of(subject, self.quota).weight
        raised = Fraction(2) ** (task.priority // 100)
        amount = max(shares) / raised / Fraction(weight or 1)
        return weight == 0, amount, subject.name

    def used(self, subject: Subject, index: int) -> Fraction:
        started = [task for task in self.started if subject in task.subjects]
        before = Fraction(self.usage.get(subject, Usage())[index])
        return before + sum(Fraction(task.demand[index]) for task in started)

    def used_before(self, subject: Subject, index: int) -> Fraction:
        started = [task for task in self.started if subject in task.subjects]
        charged = sum(self.penalty * Fraction(task.demand[index]) for task in started)
        return Fraction(self.past.get(subject, Amounts())[index]) + charged

    def total(self, index: int) -> Fraction:
        there = min(self.quota.capacity[index], self.quota.everybody[index])
        if there < inf:
            return Fraction(there)
        heads = [
            next((task for task in queue if self.fits(task, alone=True)), None)
            for queue in self.queues
        ]
        asked = sum(Fraction(head.demand[index]) for head in heads if head)
        return Fraction(self.usage.get(EVERYBODY, Usage())[index]) + asked
