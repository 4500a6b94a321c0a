"""Letting queued tasks begin, as the policy decides.

The policy is read on a snapshot and applied in a transaction of its own. That
is safe: only the leader admits, so that meanwhile usage can only have fallen,
and every admission is guarded by the state of its task and fenced by the
leader's epoch.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from tesk_model.reasons import Reason
from tesk_model.states import TaskState
from tesk_model.task import TaskId
from tesk_scheduler.domain.admission import (
    AdmissionPlan,
    QueuedTask,
    Turn,
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

_LEAST_WINDOW = 4
_LARGEST_WINDOW = 100
_FARTHEST = 64
# Reasons change with every task that ends; people do not read that fast.
_REASONS_EVERY = 1.0


@dataclass(frozen=True, slots=True)
class AdmissionResult:
    """What one round did.

    Attributes:
        admitted: Tasks that began.
        waiting: Tasks that wait.
    """

    admitted: int
    waiting: int


def _window(usage: Mapping[Subject, Usage], room: int) -> int:
    """Return how many tasks of each owner to look at: enough to fill the room.

    What is cut off is seen in the next round, which follows at once if this
    one admitted something.
    """
    owners = sum(
        1
        for subject, used in usage.items()
        if subject.kind is SubjectKind.USER and used[QUEUED]
    )
    share = 2 * room // max(1, owners)
    return max(_LEAST_WINDOW, min(share, _LARGEST_WINDOW))


class Admission:
    """Admits tasks; used by the leader's one thread."""

    def __init__(
        self,
        *,
        store: TaskStore,
        clock: Clock,
        fleet: Fleet,
        quota: Quota,
        patience: timedelta,
        cluster: Callable[[], Capacity] | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._fleet = fleet
        self._quota = quota
        self._patience = patience
        self._cluster = cluster
        self._turn = Turn()
        self._look_further = 1
        self._reasons: Mapping[TaskId, Reason] = {}
        self._reasons_at = 0.0

    def admit(self, epoch: int) -> AdmissionResult:
        """Admit what fits.

        Raises:
            ConflictError: Another scheduler leads.
        """
        usage = self._store.usage_of_all()
        everybody = usage.get(EVERYBODY)
        waiting = int(everybody[QUEUED]) if everybody else 0
        if not waiting:
            return AdmissionResult(0, 0)
        room = self._fleet.room()
        window = _window(usage, room) * self._look_further
        queues = self._store.queues(window)
        plan = plan_admissions(
            queues=queues,
            usage=usage,
            quota=self._quota,
            patience=self._patience,
            now=self._clock.now(),
            turn=self._turn,
            cluster=None if self._cluster is None else self._cluster(),
        )
        self._look_beyond(queues, window, plan)
        chosen, left = plan.admitted[:room], plan.admitted[room:]
        self._turn = plan.turn
        if left:
            self._turn = replace(plan.turn, owner=left[0].owner)
        count = self._begin(chosen, epoch) if chosen else 0
        self._explain(plan, left)
        return AdmissionResult(count, waiting - count)

    def _look_beyond(
        self, queues: Sequence[Sequence[QueuedTask]], window: int, plan: AdmissionPlan
    ) -> None:
        """Look at more tasks next time if one owner's cannot run at all."""
        if any(
            len(tasks) >= window and tasks[-1].id in plan.stepped_over
            for tasks in queues
        ):
            self._look_further = min(2 * self._look_further, _FARTHEST)
        elif not plan.stepped_over:
            self._look_further = 1

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
            places = self._fleet.places(tx, len(ready))
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
            fullness = self._fleet.fullness()
            reasons |= {task.id: fullness for task in left}
        if reasons and reasons != self._reasons:
            self._store.write(lambda tx: tx.set_reasons(reasons))
            self._reasons_at = now
        self._reasons = reasons
