"""Admits queued tasks, as ``domain.admission`` plans.

The plan is made on a snapshot and applied in a transaction of its own. That is
safe: only the leader admits, so that usage can only have fallen in between, and
every admission is guarded by the state of its task and fenced by the leader's
epoch.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from tesk_model.states import TaskState
from tesk_scheduler.domain.admission import (
    AdmissionMemory,
    AdmissionPlan,
    plan_admissions,
)
from tesk_scheduler.domain.admission_window import AdmissionWindow
from tesk_scheduler.domain.capacity import Capacity
from tesk_scheduler.domain.dimensions import QUEUED
from tesk_scheduler.domain.holds import Holds, without_held
from tesk_scheduler.domain.queues import QueuedTask
from tesk_scheduler.domain.quota import EVERYBODY, FairShare, Quota
from tesk_scheduler.domain.transitions import admitted, queue_line
from tesk_scheduler.domain.usage_history import HistoryChange
from tesk_scheduler.ports.environment import Clock
from tesk_scheduler.ports.quota import QuotaSource
from tesk_scheduler.ports.store import TaskStore, Transaction
from tesk_scheduler.usecases.call_cache import CallCache
from tesk_scheduler.usecases.fleet import Fleet
from tesk_scheduler.usecases.past_usage import PastUsages
from tesk_scheduler.usecases.wait_reasons import WaitReasons

# Tasks of one round: what it was planned on changes meanwhile, and the leader has
# other things to do.
_IN_A_ROUND = 200
# Tasks of one transaction: calls that write wait for one, and come before the next.
_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class AdmissionResult:
    """The result of one round.

    Attributes:
        admitted: Number of admitted tasks.
        waiting: Number of tasks that are still queued.
        may_admit_more: Another round may admit tasks at once; else none fits until
            something changes.
        resume_after: When the rate of admission permits another one; None if none
            waits for that.
    """

    admitted: int
    waiting: int
    may_admit_more: bool = False
    resume_after: timedelta | None = None


class Admission:
    """Admits tasks; used by the leader's thread."""

    def __init__(
        self,
        *,
        store: TaskStore,
        clock: Clock,
        fleet: Fleet,
        quotas: QuotaSource,
        cluster: Callable[[Quota], Capacity | None] = lambda _quota: None,
        call_cache: CallCache | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._fleet = fleet
        self._quotas = quotas
        self._cluster = cluster
        self._call_cache = call_cache or CallCache()
        self._past_usages = PastUsages(store=store, clock=clock)
        self._memory = AdmissionMemory()
        self._window = AdmissionWindow()
        self._wait_reasons = WaitReasons(store=store, clock=clock)

    def admit(self, epoch: int) -> AdmissionResult:
        """Admit the tasks that fit.

        Raises:
            ConflictError: Another scheduler leads.
        """
        quota = self._quotas.current()
        usage = self._store.usage_of_all()
        history = self._past_usages.history(epoch, usage, quota.fair_share)
        everybody = usage.get(EVERYBODY)
        waiting = int(everybody[QUEUED]) if everybody else 0
        if not waiting:
            # What is in use is sampled, whether anybody waits or not.
            is_sampled = quota.fair_share.is_enabled and bool(history)
            sample = quota.fair_share.sample if is_sampled else None
            return AdmissionResult(0, 0, resume_after=sample)
        free_slots = self._fleet.free_slots()
        window = self._window.size(usage, free_slots)
        queues = self._store.queues(window)
        sifted = without_held(queues, Holds(self._store.holds()))
        plan = plan_admissions(
            queues=sifted.queues,
            usage=usage,
            history=history,
            quota=quota,
            now=self._clock.now(),
            memory=self._memory,
            cluster=self._cluster(quota),
            places=free_slots,
            window=window,
            most=_IN_A_ROUND,
        )
        plan = replace(
            plan,
            reasons={**plan.reasons, **sifted.reasons},
            skipped=plan.skipped | sifted.skipped,
        )
        self._window = self._window.after(queues, window, plan.skipped)
        self._memory = plan.memory
        count = self._begin_all(plan.admitted, epoch, quota.fair_share)
        self._explain(plan, epoch)
        return AdmissionResult(
            count,
            waiting - count,
            may_admit_more=bool(count) and self._is_unfinished(plan, count),
            resume_after=self._resume_after(plan),
        )

    def _begin_all(
        self, chosen: Sequence[QueuedTask], epoch: int, fair_share: FairShare
    ) -> int:
        """Begin tasks, a few in each transaction; return how many have begun."""
        count = 0
        for first in range(0, len(chosen), _AT_ONCE):
            some = chosen[first : first + _AT_ONCE]
            begun = self._begin(some, epoch, fair_share)
            count += begun
            if begun < len(some):  # there are fewer places, or tasks were canceled
                break
        return count

    def _begin(
        self, chosen: Sequence[QueuedTask], epoch: int, fair_share: FairShare
    ) -> int:
        def begin(tx: Transaction) -> tuple[list[str], HistoryChange]:
            tx.check_epoch(epoch)
            records = tx.records({task.id for task in chosen})
            holds = Holds(tx.holds())  # what began since the plan counts
            ready = [
                record
                for task in chosen
                if (record := records.get(task.id)) is not None
                and record.state is TaskState.QUEUED
                and record.released
                and holds.hold_of(record) is None
            ]
            places = self._fleet.choose_taskmasters(tx, len(ready))
            now = self._clock.now()
            pairs = list(zip(ready, places, strict=False))
            tx.save_all([(each, admitted(each, place, now)) for each, place in pairs])
            self._call_cache.choose(tx, [record for record, _ in pairs])
            lines = {
                record.seq: line
                for record, _ in pairs
                if (line := queue_line(record, now))
            }
            tx.add_line_to_each(lines)
            change = self._past_usages.charge(tx, ready[: len(places)], fair_share)
            return places, change

        places, change = self._store.write(begin)
        self._past_usages.committed(change)
        self._fleet.start(places)
        return len(places)

    def _is_unfinished(self, plan: AdmissionPlan, count: int) -> bool:
        """Tell whether tasks were not read, not begun, or have places only now."""
        return (
            plan.is_partial
            or count < len(plan.admitted)
            or (bool(plan.unplaced) and self._fleet.free_slots() > 0)
        )

    def _explain(self, plan: AdmissionPlan, epoch: int) -> None:
        reasons = dict(plan.reasons)
        if plan.unplaced:
            wait_reason = self._fleet.wait_reason()
            reasons |= {task.id: wait_reason for task in plan.unplaced}
        self._wait_reasons.put(reasons, epoch)

    def _resume_after(self, plan: AdmissionPlan) -> timedelta | None:
        if plan.resume_at is None:
            return None
        return plan.resume_at - self._clock.now()
