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
    plan_dedicated,
    plan_placements,
    startable,
)
from tesk_scheduler.domain.fleet_plan import FleetPlan, Moment, plan_fleet
from tesk_scheduler.domain.start_backoff import StartBackoff
from tesk_scheduler.domain.start_ramp import count_starting, startable_beside
from tesk_scheduler.domain.taskmaster_reasons import (
    full_reason,
    refusal_reason,
    turn_reason,
)
from tesk_scheduler.ports.environment import Clock, IdGenerator
from tesk_scheduler.ports.launcher import LaunchError, TaskmasterLauncher
from tesk_scheduler.ports.store import TaskStore, Transaction
from tesk_scheduler.usecases.explanation import explain_absence
from tesk_scheduler.usecases.notifier import TaskmasterWakeups
from tesk_scheduler.usecases.observation import observe_fleet
from tesk_scheduler.usecases.reaper import TaskmasterReaper
from tesk_scheduler.usecases.reassignment import Reassignment

_logger = logging.getLogger(__name__)
# Seconds: that one which starts takes too long is no notification.
_UNASSIGNED_RECHECK = 1.0


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
        self._reassignment = Reassignment(
            store=store,
            clock=clock,
            choose=self.choose_taskmasters,
            free_slots=self.free_slots,
            wait_reason=self.wait_reason,
            start=self.start,
        )
        self._plan = FleetPlan()
        self._backoff = StartBackoff()
        self._epoch: int | None = None
        self._new_lease: float | None = None
        self._has_unassigned = False

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
        self._has_unassigned = self._reassignment.assign(epoch)
        explain_absence(self._store, self._clock, plan.reasons, epoch)

    @property
    def has_unassigned(self) -> bool:
        """Tell whether attempts waited for a taskmaster when it was last read."""
        return self._has_unassigned

    def due(self) -> timedelta | None:
        """Return when to reconcile again at the latest; None if nothing is due."""
        times = [self._plan.wait_until, self._new_lease]
        if self._has_unassigned:
            is_paused = self._backoff.is_paused(self._moment())
            recheck = self._clock.monotonic() + _UNASSIGNED_RECHECK
            times.append(self._backoff.not_before if is_paused else recheck)
        latest = min((each for each in times if each is not None), default=None)
        if latest is None:
            return None
        return timedelta(seconds=max(0.0, latest - self._clock.monotonic()))

    def are_all_busy(self) -> bool:
        """Tell whether every living taskmaster has an attempt that runs."""
        return all(
            any(each.attempt_runs for each in self._store.assigned_attempts(name))
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
        starting = count_starting(self._store.fleet(), self._clock.now())
        if starting:
            return turn_reason(starting)
        return full_reason(self._limits.taskmasters * self._limits.tasks_per_taskmaster)

    def slot_shortage(self) -> Reason | None:
        """Return why no further attempt can be assigned now; None if one can.

        Reads only: any thread may ask.
        """
        return None if self.free_slots() > 0 else self.wait_reason()

    def choose_taskmasters(
        self, tx: Transaction, count: int, *, dedicated: bool = False
    ) -> list[str]:
        """Choose a taskmaster for each of ``count`` attempts.

        New ones are added to the store; call ``start`` when that is durable.

        Args:
            tx: In which the attempts are assigned.
            count: Of attempts.
            dedicated: Each gets a taskmaster of its own.

        Returns:
            Ids; fewer than ``count`` if too few slots are free.
        """
        members = {member.id: member for member in tx.taskmasters()}
        plan = plan_dedicated if dedicated else plan_placements
        fleet = list(members.values())
        places = plan(count, self._eligible(fleet), self._limits_now(fleet))
        new = {
            place: self._new_taskmaster()
            for place in dict.fromkeys(places)
            if isinstance(place, int)
        }
        for member in new.values():
            tx.put_taskmaster(replace(member, dedicated=dedicated))
        if dedicated:
            for place in places:
                if isinstance(place, str):
                    tx.put_taskmaster(replace(members[place], dedicated=True))
        return [place if isinstance(place, str) else new[place].id for place in places]

    def _new_taskmaster(self) -> Taskmaster:
        now = self._clock.now()
        return Taskmaster(
            id=self._ids.taskmaster_id(),
            slots=self._limits.tasks_per_taskmaster,
            assigned=0,
            lease_until=now + self._limits.start_timeout,
            seen=False,
            started_at=now,
            revision=self._launcher.revision(),
        )

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

        if taskmaster_ids:
            self._has_unassigned = True
            self._store.write(unassign)
            self._reassignment.explain()

    def _eligible(self, members: Sequence[Taskmaster]) -> list[Taskmaster]:
        return eligible(
            members, cordoned=self._plan.cordon, revision=self._launcher.revision()
        )

    def _limits_now(self, members: Sequence[Taskmaster]) -> FleetLimits:
        more = 0
        if not self._backoff.is_paused(self._moment()):
            more = min(
                startable(members, self._limits, self._launcher.revision()),
                startable_beside(members, self._clock.now()),
            )
        return replace(self._limits, taskmasters=len(members) + more)
