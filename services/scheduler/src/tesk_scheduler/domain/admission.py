"""Decides which queued tasks start now; pure.

The first task of each queue that fits is its head. Heads are looked at in the order
of ``domain.admission_order``: what is guaranteed first, then who has waited too long,
then by fair share. A head starts, and the next one of its owner is entered. A task
that does not fit waits:

- *best effort* (the default): it holds up no task but those of the same shape,
  which could not start either and are not looked at;
- *strict*: it holds up all later tasks of its owner, never those of others.

So tasks of one owner and shape start in their order: by priority, then by arrival.
Nothing idles beside a task that was read and fits, but for reservations
(``domain.starvation``) and the rates of admission.

A task that can never run (limits were lowered since it came) holds up no other, nor
does, in a cluster, one that not even the empty cluster could run: a larger node may
come.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import inf

from tesk_model.reasons import Reason, ReasonCode
from tesk_model.task import TaskId
from tesk_scheduler.domain.admission_order import AdmissionOrder, Urgency
from tesk_scheduler.domain.admission_rates import AdmissionRates, RateMemory
from tesk_scheduler.domain.capacity import Capacity
from tesk_scheduler.domain.charging import gpu_type_of
from tesk_scheduler.domain.fair_share import Costs, costs_of
from tesk_scheduler.domain.limits import fit_problems, most_of_one
from tesk_scheduler.domain.queues import OwnerQueue, QueuedTask, Shape
from tesk_scheduler.domain.quota import (
    Demand,
    Limit,
    Order,
    Quota,
    Subject,
    Usage,
)
from tesk_scheduler.domain.room import Blocker, Room
from tesk_scheduler.domain.starvation import StarvationGuard, Waits
from tesk_scheduler.domain.usage_history import History

# Of one owner, of different shapes: the first ones tell enough, and each is written.
_REASONS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionMemory:
    """What one plan passes on to the next.

    Losing it, as at a restart, makes tasks wait a little longer for a reservation
    and permits one more burst, and costs nothing else.

    Attributes:
        waits: First tasks of their owners that do not fit, and since when.
        rates: Of admission.
    """

    waits: Waits = field(default_factory=Waits)
    rates: RateMemory = field(default_factory=RateMemory)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionPlan:
    """The decision.

    Attributes:
        admitted: Tasks to start, in order.
        reasons: For tasks that were looked at and must wait: why. The later
            tasks of an owner wait behind the first.
        memory: For the next plan.
        skipped: Tasks that cannot run, or not on any node that there is.
        unplaced: Tasks that fit, but are more than ``places``.
        resume_at: When a task that fits may be admitted by its rate; None: none waits
            for that.
        is_partial: Tasks that were not read, or not looked at, may fit as well.
    """

    admitted: Sequence[QueuedTask]
    reasons: Mapping[TaskId, Reason]
    memory: AdmissionMemory
    skipped: frozenset[TaskId] = frozenset()
    unplaced: Sequence[QueuedTask] = field(default_factory=list)
    resume_at: datetime | None = None
    is_partial: bool = False


def plan_admissions(  # noqa: PLR0913 - all that it is decided on
    *,
    queues: Iterable[Sequence[QueuedTask]],
    usage: Mapping[Subject, Usage],
    quota: Quota,
    now: datetime,
    memory: AdmissionMemory,
    history: History | None = None,
    cluster: Capacity | None = None,
    places: float = inf,
    window: float = inf,
    most: float = inf,
) -> AdmissionPlan:
    """Decide which tasks start now.

    Args:
        queues: One for each owner, its tasks by priority and arrival.
        usage: What runs; a subject that is absent uses nothing.
        quota: The limits and shares.
        now: The time; aware.
        memory: From the plan before.
        history: What was used before.
        cluster: What it can hold, where tasks run on one.
        places: The most tasks that can start.
        window: The most tasks that were read of an owner; more may follow.
        most: So many are admitted at most; others that fit are left to the next plan.
    """
    owner_queues = [OwnerQueue(tasks, window) for tasks in queues if tasks]
    this_round = _Round(
        room=Room(usage, quota, cluster),
        quota=quota,
        cluster=cluster,
        rates=AdmissionRates(quota.rates, memory.rates, now),
        guard=StarvationGuard(memory.waits, reserve_after=quota.reserve_after, now=now),
        now=now,
        places=places,
        most=most,
    )
    for queue in owner_queues:
        this_round.skip_unschedulable(queue)
    costs = costs_of(
        [queue.head for queue in owner_queues if queue.head is not None],
        quota=quota,
        usage=usage,
        history=history or {},
        cluster=cluster,
    )
    this_round.run(owner_queues, costs)
    return AdmissionPlan(
        admitted=this_round.admitted,
        reasons=this_round.reasons,
        skipped=frozenset(this_round.skipped),
        unplaced=this_round.unplaced,
        resume_at=this_round.resume_at,
        is_partial=this_round.is_cut
        or any(queue.head is None and queue.is_cut for queue in owner_queues),
        memory=AdmissionMemory(
            waits=this_round.guard.waits(), rates=this_round.rates.memory()
        ),
    )


@dataclass(slots=True, kw_only=True)
class _Round:
    """Looks at heads one after another and collects what it decided."""

    room: Room
    quota: Quota
    cluster: Capacity | None
    rates: AdmissionRates
    guard: StarvationGuard
    now: datetime
    places: float
    most: float
    is_cut: bool = False
    admitted: list[QueuedTask] = field(default_factory=list)
    reasons: dict[TaskId, Reason] = field(default_factory=dict)
    skipped: set[TaskId] = field(default_factory=set)
    unplaced: list[QueuedTask] = field(default_factory=list)
    resume_at: datetime | None = None
    _unschedulable: dict[Shape, Reason | None] = field(default_factory=dict)
    _most: dict[tuple[Subject, ...], Limit] = field(default_factory=dict)
    # No head that was entered, and may fit, asks for more.
    _largest: Demand = field(default_factory=Demand)

    def run(self, queues: Iterable[OwnerQueue], costs: Costs) -> None:
        """Look at heads until none is left, or one may follow that was not read."""
        order = AdmissionOrder(costs, self._urgency)
        for queue in queues:
            self._enter(queue, order)
        while (first := order.pop()) is not None:
            admitted = len(self.admitted)
            if self._serve(first, costs):
                self._enter(first, order)
            if len(self.admitted) == admitted:
                continue
            if len(self.admitted) >= self.most:
                self.is_cut = True
                return
            if first.head is None and first.is_cut:
                # What follows was not read, and may come before those of others.
                return
            self._renew(order, self.admitted[-1])

    def skip_unschedulable(self, queue: OwnerQueue) -> None:
        """Pass over tasks that cannot run."""
        while (head := queue.head) is not None:
            shape = head.shape
            if shape not in self._unschedulable:
                self._unschedulable[shape] = self._why_unschedulable(head)
            reason = self._unschedulable[shape]
            if reason is None:
                return
            self.reasons[head.id] = reason
            self.skipped.add(head.id)
            queue.advance()

    def _enter(self, queue: OwnerQueue, order: AdmissionOrder) -> None:
        """Enter a queue with its first task that fits or is overdue.

        Room only shrinks: what does not fit now does not fit later. Were such a
        task entered, its cost would delay smaller ones of its owner behind it.
        """
        self.skip_unschedulable(queue)
        while (head := queue.head) is not None:
            if self._overdue_since(queue, head) is not None:
                self.guard.note(head.id, shared=True)
                break
            blocker = self.room.blocker(head.subjects, head.demand)
            if blocker is None:
                break
            if not self._refuse(queue, head, blocker):
                return
            self.skip_unschedulable(queue)
        if head is not None:
            self._largest = self._largest.at_least(head.demand)
        order.push(queue)

    def _renew(self, order: AdmissionOrder, taken: QueuedTask) -> None:
        """Enter queues anew whose heads fit no more beside a task that was taken."""
        if self.room.shares(taken.subjects, self._largest):
            return
        self._largest = Demand()

        def is_stale(queue: OwnerQueue) -> bool:
            head = queue.head
            if head is None or self._overdue_since(queue, head) is not None:
                return False
            if self.room.blocker(head.subjects, head.demand) is not None:
                return True
            self._largest = self._largest.at_least(head.demand)
            return False

        for queue in order.remove(is_stale):
            self._enter(queue, order)

    def _serve(self, queue: OwnerQueue, costs: Costs) -> bool:
        """Decide on the head of ``queue``; tell whether its next is looked at."""
        head = queue.head
        if head is None:
            return False
        blocker = self.room.blocker(head.subjects, head.demand)
        if blocker is not None:
            return self._refuse(queue, head, blocker)
        if len(self.admitted) >= self.places:
            self.unplaced.append(head)
            return False
        delay = self.rates.delay(head.owner)
        if delay is not None:
            self.reasons[head.id] = self.rates.reason(head.owner)
            resume_at = self.now + delay
            self.resume_at = min(self.resume_at or resume_at, resume_at)
            return False
        self.guard.forget(head.id)
        self.room.take(head.subjects, head.demand)
        self.rates.take(head.owner)
        costs.take(head)
        self.admitted.append(head)
        queue.advance()
        return True

    def _refuse(self, queue: OwnerQueue, head: QueuedTask, blocker: Blocker) -> bool:
        is_overdue = not queue.refused and self.guard.note(
            head.id, shared=blocker.shared
        )
        # What is kept for others may never be free: nothing is to wait for it.
        if is_overdue and blocker.reason.code is not ReasonCode.GUARANTEE_KEPT:
            self.room.reserve(head.subjects, head.demand)
        if len(queue.refused) < _REASONS:
            self.reasons[head.id] = blocker.reason
        queue.refuse()
        return self.quota.order is Order.BEST_EFFORT

    def _urgency(self, queue: OwnerQueue, head: QueuedTask) -> Urgency:
        since = self._overdue_since(queue, head)
        return Urgency(
            borrows=not self.room.fits_guaranteed(head.subjects, head.demand),
            is_waiting=since is None,
            since=since or self.now,
        )

    def _overdue_since(self, queue: OwnerQueue, head: QueuedTask) -> datetime | None:
        return None if queue.refused else self.guard.overdue_since(head.id)

    def _why_unschedulable(self, head: QueuedTask) -> Reason | None:
        subjects = head.subjects
        if subjects not in self._most:
            self._most[subjects] = most_of_one(subjects, self.quota)
        if not head.demand.fits(self._most[subjects]):
            problems = fit_problems(head.demand, subjects, self.quota)
            text = f"can never run: {'; '.join(map(str, problems))}"
            return Reason(ReasonCode.LIMIT_EXCEEDED, text)
        if self.cluster is None:
            return None
        return self.cluster.misfit(head.demand, gpu_type_of(head.subjects))
