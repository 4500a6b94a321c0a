"""Carries out fleet plans, and assigns attempts to taskmasters.

Level-triggered: the store has the desired taskmasters, the launcher the actual
ones. What a killed scheduler left half done is one more difference.
"""

import logging
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import timedelta

from tesk_model.reasons import Reason
from tesk_scheduler.domain.capacity import TaskmasterCounts
from tesk_scheduler.domain.fleet import (
    FleetLimits,
    Taskmaster,
    eligible,
    free_slots,
    plan_placements,
    startable,
)
from tesk_scheduler.domain.fleet_plan import FleetPlan, Moment, plan_fleet
from tesk_scheduler.domain.records import TaskRecord
from tesk_scheduler.domain.start_backoff import StartBackoff
from tesk_scheduler.domain.takeovers import reassigned
from tesk_scheduler.domain.taskmaster_reasons import full_reason, refusal_reason
from tesk_scheduler.ports.environment import Clock, IdGenerator
from tesk_scheduler.ports.launcher import LaunchError, TaskmasterLauncher
from tesk_scheduler.ports.store import TaskStore, Transaction
from tesk_scheduler.usecases.explanation import explain_absence
from tesk_scheduler.usecases.notifier import TaskmasterWakeups
from tesk_scheduler.usecases.observation import observe_fleet
from tesk_scheduler.usecases.reaper import TaskmasterReaper

_logger = logging.getLogger(__name__)
_MANY = 1000


class Fleet:
    """Keeps the taskmasters; used by the leader's thread."""

    def __init__(
        self,
        *,
        store: TaskStore,
        launcher: TaskmasterLauncher,
        clock: Clock,
        ids: IdGenerator,
        wakeups: TaskmasterWakeups,
        limits: FleetLimits,
    ) -> None:
        """Start with an empty plan.

        Args:
            store: Has the desired taskmasters.
            launcher: Has the actual ones.
            clock: For leases and pauses.
            ids: For new taskmasters.
            wakeups: Notified of new assignments.
            limits: How many there may be.
        """
        self._store = store
        self._launcher = launcher
        self._clock = clock
        self._ids = ids
        self._wakeups = wakeups
        self._limits = limits
        self._reaper = TaskmasterReaper(
            store=store, launcher=launcher, clock=clock, limits=limits
        )
        self._plan = FleetPlan()
        self._backoff = StartBackoff()
        self._epoch: int | None = None
        self._new_lease: float | None = None

    def reconcile(self, epoch: int) -> None:
        """Start, end and replace taskmasters as planned; assign unassigned attempts.

        Raises:
            ConflictError: Another scheduler leads.
        """
        plan = self._observe_and_plan()
        if plan.adopt and epoch != self._epoch:
            fields = {"taskmasters": len(plan.adopt), "epoch": epoch}
            _logger.info("taskmasters adopted", extra=fields)
        self._epoch = epoch
        if plan.acts:
            # A former leader must not start or end taskmasters.
            self._store.write(lambda tx: tx.check_epoch(epoch))
            reaped = self._reaper.reap(plan, epoch)
            for cause in reaped.never_called:
                self._start_failed(cause, refused=False)
            for taskmaster_id in plan.start:
                self._launch(taskmaster_id)
            plan = self._observe_and_plan(reaped.failure)
        self._plan, self._new_lease = plan, None
        self._assign_unassigned(epoch)
        explain_absence(self._store, self._clock, plan.reasons, epoch)

    def due(self) -> timedelta | None:
        """Return when to reconcile again at the latest; None if nothing is due."""
        times = [self._plan.wait_until, self._new_lease]
        if self._backoff.failures and self._store.any_unassigned():
            times.append(self._backoff.not_before)
        latest = min((each for each in times if each is not None), default=None)
        if latest is None:
            return None
        return timedelta(seconds=max(0.0, latest - self._clock.monotonic()))

    def are_all_busy(self) -> bool:
        """Tell whether every living taskmaster has an attempt that runs."""
        return all(
            any(record.attempt_runs for record in self._store.assigned(name))
            for name in self._launcher.alive()
        )

    def free_slots(self) -> int:
        """Count the attempts that could be assigned now."""
        members = self._store.fleet()
        return free_slots(self._eligible(members), self._limits_now(members))

    def taskmaster_counts(self) -> TaskmasterCounts:
        """Count the taskmasters there are."""
        members = self._store.fleet()
        return TaskmasterCounts(
            count=len(members),
            free=sum(member.free for member in self._eligible(members)),
            slots=self._limits.tasks_per_taskmaster,
        )

    def wait_reason(self) -> Reason:
        """Return the reason of tasks for which there is no taskmaster."""
        if self._backoff.problem:
            return refusal_reason(self._backoff.problem)
        return full_reason(self._limits.taskmasters * self._limits.tasks_per_taskmaster)

    def choose_taskmasters(self, tx: Transaction, count: int) -> list[str]:
        """Choose a taskmaster for each of ``count`` attempts.

        New ones are added to the store; call ``start`` when that is durable.

        Returns:
            Ids; fewer than ``count`` if too few slots are free.
        """
        members = tx.taskmasters()
        now = self._clock.now()
        revision = self._launcher.revision()
        new: dict[int, str] = {}
        chosen = []
        for place in plan_placements(
            count, self._eligible(members), self._limits_now(members)
        ):
            if isinstance(place, str):
                chosen.append(place)
                continue
            if place not in new:
                new[place] = self._ids.taskmaster_id()
                tx.put_taskmaster(
                    Taskmaster(
                        id=new[place],
                        slots=self._limits.tasks_per_taskmaster,
                        assigned=0,
                        lease_until=now + self._limits.start_timeout,
                        seen=False,
                        started_at=now,
                        revision=revision,
                    )
                )
            chosen.append(new[place])
        return chosen

    def start(self, assigned: Collection[str]) -> None:
        """Notify taskmasters of new assignments; start the new ones."""
        chosen = set(assigned)
        self._wakeups.notify(chosen)
        if not chosen:
            return
        members = self._store.fleet()
        new = [each.id for each in members if each.id in chosen and not each.seen]
        if new and self._new_lease is None:
            within = self._limits.start_timeout.total_seconds()
            self._new_lease = self._clock.monotonic() + within
        for number, taskmaster_id in enumerate(new):
            if not self._launch(taskmaster_id):
                # What refuses one refuses the next, after another wait.
                self._unassign(new[number + 1 :])
                return

    def _observe_and_plan(self, failure: str = "") -> FleetPlan:
        now = self._moment()
        observed = observe_fleet(
            self._store,
            self._launcher,
            now,
            memory=self._plan.memory,
            failure=failure,
        )
        self._backoff = self._backoff.after_calls(observed.members)
        return plan_fleet(observed, now)

    def _moment(self) -> Moment:
        return Moment(time=self._clock.now(), monotonic=self._clock.monotonic())

    def _launch(self, taskmaster_id: str) -> bool:
        try:
            self._launcher.launch(taskmaster_id)
        except LaunchError as error:
            self._start_failed(str(error), refused=True)
            self._unassign([taskmaster_id])
            return False
        self._backoff = self._backoff.after_start()
        return True

    def _start_failed(self, problem: str, *, refused: bool) -> None:
        if problem != self._backoff.problem or not refused:
            _logger.error("taskmaster did not start", extra={"cause": problem})
        self._backoff = self._backoff.after_failure(
            problem, refused=refused, now=self._moment()
        )

    def _unassign(self, taskmaster_ids: Sequence[str]) -> None:
        def unassign(tx: Transaction) -> None:
            # The response of a successful start may have been lost or late: a
            # taskmaster that called works already.
            called = {member.id for member in tx.taskmasters() if member.seen}
            for taskmaster_id in taskmaster_ids:
                if taskmaster_id not in called:
                    tx.remove_taskmaster(taskmaster_id, only_idle=False)
            for record in tx.unassigned(_MANY):
                self._explain(tx, record)

        if taskmaster_ids:
            self._store.write(unassign)

    def _eligible(self, members: Sequence[Taskmaster]) -> list[Taskmaster]:
        return eligible(
            members, cordoned=self._plan.cordon, revision=self._launcher.revision()
        )

    def _limits_now(self, members: Sequence[Taskmaster]) -> FleetLimits:
        more = 0
        if not self._backoff.is_paused(self._moment()):
            more = startable(members, self._limits, self._launcher.revision())
        return replace(self._limits, taskmasters=len(members) + more)

    def _assign_unassigned(self, epoch: int) -> None:
        def place(tx: Transaction) -> list[str]:
            records = tx.unassigned(_MANY)
            if not records:
                return []
            tx.check_epoch(epoch)
            places = self.choose_taskmasters(tx, len(records))
            for record, taskmaster in zip(records, places, strict=False):
                tx.save(record, reassigned(record, taskmaster, self._clock.now()))
            for record in records[len(places) :]:
                self._explain(tx, record)
            return places

        if self._store.any_unassigned():
            self.start(self._store.write(place))

    def _explain(self, tx: Transaction, record: TaskRecord) -> None:
        reason = self.wait_reason()
        if record.attempt_runs and record.reason != reason:
            tx.save(record, replace(record, reason=reason))
