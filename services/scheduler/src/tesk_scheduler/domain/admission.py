"""Decides which queued tasks start now; pure.

First in, first out for each owner, and round-robin between owners:

1. An owner's tasks start strictly in order. A head that must wait holds up
   its own owner's tasks, never those of others. Only a task that can never
   run (limits were lowered since it came) is skipped.
2. Owners take turns, one task each, until no head fits any more.
3. A head that waits for what others use (capacity, the limit of a group or of
   everybody) may be passed over for as long as ``reserve_after``. From then on it
   comes first, and what it needs is reserved until it fits; the head that has
   waited longest goes first. The time counts from when the task became a
   head and did not fit: were it the age of the task, the owner of a long
   backlog would be first for ever. A head that waits for its own user's limit
   reserves nothing.

Hence the machine is never idle beside a head that fits, but for reservations.

In a cluster, a task that not even the empty cluster could run is skipped as
well: a larger node may come.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tesk_model.reasons import Reason, ReasonCode
from tesk_model.task import TaskId
from tesk_scheduler.domain.capacity import Capacity
from tesk_scheduler.domain.limits import fit_problems
from tesk_scheduler.domain.quota import Demand, Quota, Subject, Usage
from tesk_scheduler.domain.room import Room


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedTask:
    """A task that waits.

    Attributes:
        sequence: Order of arrival.
        subjects: Everyone charged for it: its user, its group if any, all.
        queued_at: Since when it waits in this attempt.
    """

    id: TaskId
    sequence: int
    owner: str
    subjects: tuple[Subject, ...]
    demand: Demand
    queued_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionMemory:
    """What one plan passes on to the next.

    Losing it, as at a restart, costs fairness for one round and nothing else.

    Attributes:
        next_owner: Whose turn it is: the first owner from this name on, by name.
        blocked: Heads that wait for what others use, and since when.
    """

    next_owner: str = ""
    blocked: Mapping[TaskId, datetime] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionPlan:
    """The decision.

    Attributes:
        admitted: Tasks to start, in order.
        reasons: For tasks that were looked at and must wait: why. The later
            tasks of an owner wait behind the first.
        memory: For the next plan.
        stepped_over: Tasks that cannot run, or not on any node that there is.
    """

    admitted: Sequence[QueuedTask]
    reasons: Mapping[TaskId, Reason]
    memory: AdmissionMemory
    skipped: frozenset[TaskId] = frozenset()


def plan_admissions(  # noqa: PLR0913 - all that it is decided on
    *,
    queues: Iterable[Sequence[QueuedTask]],
    usage: Mapping[Subject, Usage],
    quota: Quota,
    reserve_after: timedelta,
    now: datetime,
    memory: AdmissionMemory,
    cluster: Capacity | None = None,
) -> AdmissionPlan:
    """Decide which tasks start now.

    Args:
        queues: One for each owner, its tasks in order of arrival. A queue may
            be cut off anywhere; what is cut off is not admitted.
        usage: What runs; a subject that is absent uses nothing.
        quota: The limits.
        reserve_after: How long a head may be passed over before what it needs is
            reserved.
        now: The time; aware.
        memory: From the plan before.
        cluster: What it can hold, where tasks run on one.
    """
    owner_queues = _rotated(
        [_OwnerQueue(tasks) for tasks in queues if tasks], memory.next_owner
    )
    counter = _Round(
        room=Room(usage, quota, cluster),
        quota=quota,
        cluster=cluster,
        reserve_after=reserve_after,
        now=now,
        memory=memory,
    )
    overdue = counter.overdue(owner_queues)
    served = [queue for queue in overdue if counter.serve(queue)]
    early = set(overdue)
    fresh = [queue for queue in owner_queues if queue not in early]
    # An owner who was served out of turn has had its turn of this round.
    waiting = deque(fresh + served)
    last: _OwnerQueue | None = None
    while waiting:
        queue = waiting.popleft()
        if counter.serve(queue):
            waiting.append(queue)
            last = queue
    return AdmissionPlan(
        admitted=counter.admitted,
        reasons=counter.reasons,
        skipped=frozenset(counter.skipped),
        memory=AdmissionMemory(
            next_owner=_next_owner(owner_queues, last=last, served=served)
            or memory.next_owner,
            blocked=counter.blocked,
        ),
    )


class _OwnerQueue:
    """One owner's queue and the position of its head."""

    def __init__(self, tasks: Sequence[QueuedTask]) -> None:
        self.owner = tasks[0].owner
        self._tasks = tasks
        self._position = 0

    @property
    def head(self) -> QueuedTask | None:
        """The next task; None at the end."""
        if self._position == len(self._tasks):
            return None
        return self._tasks[self._position]

    def advance(self) -> None:
        """Remove the head."""
        self._position += 1


@dataclass(slots=True, kw_only=True)
class _Round:
    """Serves queues one task at a time and collects what it decided."""

    room: Room
    quota: Quota
    cluster: Capacity | None
    reserve_after: timedelta
    now: datetime
    memory: AdmissionMemory
    admitted: list[QueuedTask] = field(default_factory=list)
    reasons: dict[TaskId, Reason] = field(default_factory=dict)
    blocked: dict[TaskId, datetime] = field(default_factory=dict)
    skipped: set[TaskId] = field(default_factory=set)
    _unschedulable: dict[tuple[tuple[Subject, ...], Demand], Reason | None] = field(
        default_factory=dict
    )

    def overdue(self, owner_queues: Sequence[_OwnerQueue]) -> list[_OwnerQueue]:
        """Return the queues whose head is overdue, longest wait first."""
        heads = [(queue, queue.head) for queue in owner_queues]
        overdue = [
            (self._blocked_since(head), queue)
            for queue, head in heads
            if head is not None
            and head.id in self.memory.blocked
            and self._is_overdue(head)
        ]
        return [queue for _, queue in sorted(overdue, key=lambda pair: pair[0])]

    def serve(self, queue: _OwnerQueue) -> bool:
        """Admit the head of ``queue`` if it fits; note the reason if not."""
        self._skip_unschedulable(queue)
        head = queue.head
        if head is None:
            return False
        blocker = self.room.blocker(head.subjects, head.demand)
        if blocker is None:
            self.room.take(head.subjects, head.demand)
            self.admitted.append(head)
            queue.advance()
            return True
        self.reasons[head.id] = blocker.reason
        if blocker.shared:
            self.blocked[head.id] = self._blocked_since(head)
            if self._is_overdue(head):
                self.room.reserve(head.subjects, head.demand)
        return False

    def _skip_unschedulable(self, queue: _OwnerQueue) -> None:
        while (head := queue.head) is not None:
            shape = (head.subjects, head.demand)
            if shape not in self._unschedulable:
                self._unschedulable[shape] = self._why_unschedulable(head)
            reason = self._unschedulable[shape]
            if reason is None:
                return
            self.reasons[head.id] = reason
            self.skipped.add(head.id)
            queue.advance()

    def _why_unschedulable(self, head: QueuedTask) -> Reason | None:
        problems = fit_problems(head.demand, head.subjects, self.quota)
        if problems:
            text = f"can never run: {'; '.join(map(str, problems))}"
            return Reason(ReasonCode.LIMIT_EXCEEDED, text)
        return None if self.cluster is None else self.cluster.misfit(head.demand)

    def _blocked_since(self, head: QueuedTask) -> datetime:
        # The clock may have been set back.
        return min(self.memory.blocked.get(head.id, self.now), self.now)

    def _is_overdue(self, head: QueuedTask) -> bool:
        return self.now - self._blocked_since(head) >= self.reserve_after


def _rotated(owner_queues: list[_OwnerQueue], first: str) -> list[_OwnerQueue]:
    ordered = sorted(owner_queues, key=lambda queue: queue.owner)
    start = next(
        (index for index, queue in enumerate(ordered) if queue.owner >= first), 0
    )
    return ordered[start:] + ordered[:start]


def _next_owner(
    owner_queues: Sequence[_OwnerQueue],
    *,
    last: _OwnerQueue | None,
    served: Sequence[_OwnerQueue],
) -> str | None:
    """Return whose turn is next; None if it stays as it was."""
    if last is not None:
        return owner_queues[(owner_queues.index(last) + 1) % len(owner_queues)].owner
    if not served:
        return None
    early = set(served)
    return next((queue.owner for queue in owner_queues if queue not in early), None)
