"""Admits queued tasks, as ``domain.admission`` plans.

The plan is made on a snapshot and applied in a transaction of its own. That is
safe: only the leader admits, so that usage can only have fallen in between, and
every admission is guarded by the state of its task and fenced by the leader's
epoch.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from tesk_model.reasons import Reason
from tesk_model.states import TaskState
from tesk_model.task import TaskId
from tesk_scheduler.domain.admission import (
    AdmissionMemory,
    AdmissionPlan,
    QueuedTask,
    plan_admissions,
)
from tesk_scheduler.domain.capacity import Capacity
from tesk_scheduler.domain.dimensions import QUEUED
from tesk_scheduler.domain.quota import (
    EVERYBODY,
    Quota,
    Subject,
    SubjectKind,
    Usage,
)
from tesk_scheduler.domain.transitions import admitted
from tesk_scheduler.ports.environment import Clock
from tesk_scheduler.ports.store import TaskStore, Transaction
from tesk_scheduler.usecases.fleet import Fleet

_MIN_WINDOW = 4
_MAX_WINDOW = 100
_MAX_WINDOW_FACTOR = 64
# Seconds: reasons change with every task that ends, faster than people read.
_REASONS_EVERY = 1.0


@dataclass(frozen=True, slots=True)
class AdmissionResult:
    """The result of one round.

    Attributes:
        admitted: Number of admitted tasks.
        waiting: Number of tasks that are still queued.
    """

    admitted: int
    waiting: int


def _window(usage: Mapping[Subject, Usage], free_slots: int) -> int:
    """Return how many tasks of each owner to read: enough to fill the free slots.

    Later ones are read in the next round, which follows at once if this one
    admitted a task.
    """
    owners = sum(
        1
        for subject, used in usage.items()
        if subject.kind is SubjectKind.USER and used[QUEUED]
    )
    share = 2 * free_slots // max(1, owners)
    return max(_MIN_WINDOW, min(share, _MAX_WINDOW))


class Admission:
    """Admits tasks; used by the leader's thread."""

    def __init__(
        self,
        *,
        store: TaskStore,
        clock: Clock,
        fleet: Fleet,
        quota: Quota,
        reserve_after: timedelta,
        cluster: Callable[[], Capacity] | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._fleet = fleet
        self._quota = quota
        self._reserve_after = reserve_after
        self._cluster = cluster
        self._memory = AdmissionMemory()
        self._window_factor = 1
        self._reasons: Mapping[TaskId, Reason] = {}
        self._reasons_at = 0.0

    def admit(self, epoch: int) -> AdmissionResult:
        """Admit the tasks that fit.

        Raises:
            ConflictError: Another scheduler leads.
        """
        usage = self._store.usage_of_all()
        everybody = usage.get(EVERYBODY)
        waiting = int(everybody[QUEUED]) if everybody else 0
        if not waiting:
            return AdmissionResult(0, 0)
        free_slots = self._fleet.free_slots()
        window = _window(usage, free_slots) * self._window_factor
        queues = self._store.queues(window)
        plan = plan_admissions(
            queues=queues,
            usage=usage,
            quota=self._quota,
            reserve_after=self._reserve_after,
            now=self._clock.now(),
            memory=self._memory,
            cluster=None if self._cluster is None else self._cluster(),
        )
        self._adapt_window(queues, window, plan)
        chosen, left = plan.admitted[:free_slots], plan.admitted[free_slots:]
        self._memory = plan.memory
        if left:
            self._memory = replace(plan.memory, next_owner=left[0].owner)
        count = self._begin(chosen, epoch) if chosen else 0
        self._explain(plan, left)
        return AdmissionResult(count, waiting - count)

    def _adapt_window(
        self, queues: Sequence[Sequence[QueuedTask]], window: int, plan: AdmissionPlan
    ) -> None:
        """Read more tasks next time if all that were read of an owner cannot run."""
        if any(
            len(tasks) >= window and tasks[-1].id in plan.skipped for tasks in queues
        ):
            self._window_factor = min(2 * self._window_factor, _MAX_WINDOW_FACTOR)
        elif not plan.skipped:
            self._window_factor = 1

    def _begin(self, chosen: Sequence[QueuedTask], epoch: int) -> int:
        def begin(tx: Transaction) -> list[str]:
            tx.check_epoch(epoch)
            records = tx.records({task.id for task in chosen})
            ready = [
                record
                for task in chosen
                if (record := records.get(task.id)) is not None
                and record.state is TaskState.QUEUED
                and record.released
            ]
            places = self._fleet.choose_taskmasters(tx, len(ready))
            now = self._clock.now()
            for record, taskmaster in zip(ready, places, strict=False):
                tx.save(record, admitted(record, taskmaster, now))
            return places

        places = self._store.write(begin)
        self._fleet.start(places)
        return len(places)

    def _explain(self, plan: AdmissionPlan, left: Sequence[QueuedTask]) -> None:
        now = self._clock.monotonic()
        if now - self._reasons_at < _REASONS_EVERY and self._reasons:
            return
        reasons = dict(plan.reasons)
        if left:
            wait_reason = self._fleet.wait_reason()
            reasons |= {task.id: wait_reason for task in left}
        if reasons and reasons != self._reasons:
            self._store.write(lambda tx: tx.set_reasons(reasons))
            self._reasons_at = now
        self._reasons = reasons
