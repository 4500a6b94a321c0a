"""Keeping taskmasters: starting them, noticing their death, giving their work on.

Level-triggered: the store says who should be there, the launcher who is. What
a killed scheduler left half done looks like any other difference.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from tesk_model.reasons import Reason
from tesk_scheduler.domain.capacity import Staff
from tesk_scheduler.domain.fleet import (
    FleetLimits,
    Taskmaster,
    free_slots,
    plan_places,
    startable,
)
from tesk_scheduler.domain.launches import full_reason, refusal_reason
from tesk_scheduler.domain.records import TaskRecord
from tesk_scheduler.domain.takeovers import handed_over
from tesk_scheduler.ports.launcher import LaunchError, TaskmasterLauncher
from tesk_scheduler.ports.store import TaskStore, Transaction
from tesk_scheduler.ports.surroundings import Clock, Names
from tesk_scheduler.usecases.burial import Burial
from tesk_scheduler.usecases.delays import Delays
from tesk_scheduler.usecases.failures import StartFailures
from tesk_scheduler.usecases.notifier import TaskmasterWakeups

_MANY = 1000


class Fleet:
    """The taskmasters; used by the leader's one thread."""

    def __init__(
        self,
        *,
        store: TaskStore,
        launcher: TaskmasterLauncher,
        clock: Clock,
        names: Names,
        wakeups: TaskmasterWakeups,
        limits: FleetLimits,
    ) -> None:
        """Take charge.

        Args:
            store: Who should be there.
            launcher: Who is.
            clock: For leases and pauses.
            names: For new taskmasters.
            wakeups: Notified, by id, of new assignments.
            limits: How many there may be.
        """
        self._store = store
        self._launcher = launcher
        self._clock = clock
        self._names = names
        self._wakeups = wakeups
        self._limits = limits
        self._failures = StartFailures(clock)
        self._burial = Burial(
            store=store,
            launcher=launcher,
            clock=clock,
            limits=limits,
            failures=self._failures,
        )
        self._delays = Delays(store=store, launcher=launcher, clock=clock)

    def reconcile(self, epoch: int) -> None:
        """Replace the dead and place what nobody has."""
        self._burial.bury(epoch, self._launch)
        self._place_unassigned(epoch)
        self._delays.explain(epoch, self._burial.members, self._burial.stuck)

    def due(self) -> timedelta | None:
        """Say when to reconcile again at the latest; None if nothing is due."""
        members = self._store.fleet()
        for member in members:
            if member.seen:
                self._failures.called(member.started_at)
        dues = [self._burial.due(members), self._delays.due()]
        if self._store.any_unassigned():
            dues.append(self._failures.pause)
        return min((due for due in dues if due is not None), default=None)

    def only_busy_left(self) -> bool:
        """Tell whether all who live have an attempt that runs."""
        return all(
            any(record.attempt_runs for record in self._store.assigned(name))
            for name in self._launcher.living()
        )

    def room(self) -> int:
        """Count the attempts that could be placed now."""
        members = self._store.fleet()
        return free_slots(self._fit(members), self._limits_now(members))

    def staff(self) -> Staff:
        """Say which taskmasters there are."""
        members = self._store.fleet()
        return Staff(
            count=len(members),
            free=sum(member.free for member in self._fit(members)),
            slots=self._limits.tasks_per_taskmaster,
        )

    def fullness(self) -> Reason:
        """Return why there is no room."""
        if self._failures.problem:
            return refusal_reason(self._failures.problem)
        return full_reason(self._limits.taskmasters * self._limits.tasks_per_taskmaster)

    def places(self, tx: Transaction, count: int) -> list[str]:
        """Choose a taskmaster for each of ``count`` attempts.

        New ones are entered in the store; ``start`` them when that is durable.

        Returns:
            Ids; fewer than ``count`` if there is no room.
        """
        members = tx.taskmasters()
        now = self._clock.now()
        revision = self._launcher.revision()
        new: dict[int, str] = {}
        chosen = []
        for place in plan_places(count, self._fit(members), self._limits_now(members)):
            if isinstance(place, str):
                chosen.append(place)
                continue
            if place not in new:
                new[place] = self._names.taskmaster_id()
                tx.put_taskmaster(
                    Taskmaster(
                        id=new[place],
                        slots=self._limits.tasks_per_taskmaster,
                        assigned=0,
                        lease_until=now + self._limits.start_within,
                        seen=False,
                        started_at=now,
                        revision=revision,
                    )
                )
            chosen.append(new[place])
        return chosen

    def start(self, assigned: Sequence[str]) -> None:
        """Let those who were just assigned something know; start the new ones."""
        chosen = set(assigned)
        self._wakeups.notify(chosen)
        if not chosen:
            return
        members = self._store.fleet()
        new = [each.id for each in members if each.id in chosen and not each.seen]
        for number, taskmaster_id in enumerate(new):
            if not self._launch(taskmaster_id):
                # What refuses one refuses the next, at the price of another wait.
                self._give_back(new[number + 1 :])
                return

    def _launch(self, taskmaster_id: str) -> bool:
        try:
            self._launcher.launch(taskmaster_id)
        except LaunchError as error:
            self._failures.add(str(error), refused=True)
            self._give_back([taskmaster_id])
            return False
        self._failures.started()
        return True

    def _give_back(self, taskmaster_ids: Sequence[str]) -> None:
        def give_back(tx: Transaction) -> None:
            # One may have started although its start failed, as far as is known
            # here: the answer was lost or came late. Who called works already.
            called = {member.id for member in tx.taskmasters() if member.seen}
            for taskmaster_id in taskmaster_ids:
                if taskmaster_id not in called:
                    tx.remove_taskmaster(taskmaster_id, only_idle=False)
            for record in tx.unassigned(_MANY):
                self._explain(tx, record)

        if taskmaster_ids:
            self._store.write(give_back)

    def _fit(self, members: Sequence[Taskmaster]) -> list[Taskmaster]:
        """Return them such that the dying and those of old revisions get nothing."""
        unfit, revision = self._burial.unfit, self._launcher.revision()
        return [
            replace(member, slots=0)
            if member.id in unfit or member.revision != revision
            else member
            for member in members
        ]

    def _limits_now(self, members: Sequence[Taskmaster]) -> FleetLimits:
        more = 0
        if not self._failures.pausing:
            more = startable(members, self._limits, self._launcher.revision())
        return replace(self._limits, taskmasters=len(members) + more)

    def _place_unassigned(self, epoch: int) -> None:
        def place(tx: Transaction) -> list[str]:
            records = tx.unassigned(_MANY)
            if not records:
                return []
            tx.check_epoch(epoch)
            places = self.places(tx, len(records))
            for record, taskmaster in zip(records, places, strict=False):
                tx.save(record, handed_over(record, taskmaster, self._clock.now()))
            for record in records[len(places) :]:
                self._explain(tx, record)
            return places

        if self._store.any_unassigned():
            self.start(self._store.write(place))

    def _explain(self, tx: Transaction, record: TaskRecord) -> None:
        reason = self.fullness()
        if record.attempt_runs and record.reason != reason:
            tx.save(record, replace(record, reason=reason))
