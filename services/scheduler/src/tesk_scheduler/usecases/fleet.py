"""Keeping taskmasters: starting them, noticing their death, giving their work on.

Level-triggered: the store says who should be there, the launcher who is. What
a killed scheduler left half done looks like any other difference.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from tesk_scheduler.domain.events import Reporter
from tesk_scheduler.domain.fleet import (
    FleetLimits,
    Taskmaster,
    free_slots,
    plan_places,
)
from tesk_scheduler.domain.records import TaskRecord
from tesk_scheduler.domain.takeovers import lose_if_deadly, taken_away
from tesk_scheduler.ports.launcher import LaunchError, TaskmasterLauncher
from tesk_scheduler.ports.store import TaskStore, Transaction
from tesk_scheduler.ports.surroundings import Clock, Names
from tesk_scheduler.usecases.reporting import write_effect
from tesk_scheduler.usecases.wakeups import Wakeups

_LOG = logging.getLogger(__name__)
_MANY = 1000
_LONGEST_PAUSE = 30.0


@dataclass(slots=True)
class _Failures:
    """Starts that failed one after the other."""

    count: int = 0
    not_before: float = 0.0
    problem: str = ""


class Fleet:
    """The taskmasters; used by the leader's one thread."""

    def __init__(
        self,
        *,
        store: TaskStore,
        launcher: TaskmasterLauncher,
        clock: Clock,
        names: Names,
        wakeups: Wakeups,
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
        self._failures = _Failures()

    def reconcile(self, epoch: int) -> None:
        """Replace the dead and place what nobody has."""
        self._bury(epoch)
        self._place_unassigned(epoch)

    def due(self) -> timedelta | None:
        """Say when to reconcile again at the latest; None if nothing is due."""
        members = self._store.fleet()
        if any(member.seen for member in members):
            self._failures = _Failures()
        now = self._clock.now()
        dues = [member.lease_until - now for member in members]
        if self._failures.count and self._store.any_unassigned():
            pause = self._failures.not_before - self._clock.monotonic()
            dues.append(timedelta(seconds=pause))
        return max(min(dues), timedelta()) if dues else None

    def only_busy_left(self) -> bool:
        """Tell whether all who live have an attempt that runs."""
        return all(
            any(record.attempt_runs for record in self._store.assigned(name))
            for name in self._launcher.living()
        )

    def room(self) -> int:
        """Count the attempts that could be placed now."""
        members = self._store.fleet()
        return free_slots(members, self._limits_now(members))

    def fullness(self) -> str:
        """Say, for people, why there is no room."""
        if self._failures.problem:
            return f"no taskmaster can be started: {self._failures.problem}"
        most = self._limits.taskmasters * self._limits.tasks_per_taskmaster
        return f"waiting for a taskmaster: {most} tasks are in progress"

    def places(self, tx: Transaction, count: int) -> list[str]:
        """Choose a taskmaster for each of ``count`` attempts.

        New ones are entered in the store; ``start`` them when that is durable.

        Returns:
            Ids; fewer than ``count`` if there is no room.
        """
        members = tx.taskmasters()
        now = self._clock.now()
        new: dict[int, str] = {}
        chosen = []
        for place in plan_places(count, members, self._limits_now(members)):
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
        living = set(self._launcher.living())
        for member in self._store.fleet():
            if member.id in chosen and member.id not in living and not member.seen:
                self._launch(member.id)

    def _launch(self, taskmaster_id: str) -> None:
        try:
            self._launcher.launch(taskmaster_id)
        except LaunchError as error:
            self._failed(str(error))

            def give_back(tx: Transaction) -> None:
                tx.remove_taskmaster(taskmaster_id, only_idle=False)
                for record in tx.unassigned(_MANY):
                    self._explain(tx, record)

            self._store.write(give_back)

    def _limits_now(self, members: Sequence[Taskmaster]) -> FleetLimits:
        if self._clock.monotonic() < self._failures.not_before:
            return replace(self._limits, taskmasters=len(members))
        return self._limits

    def _bury(self, epoch: int) -> None:
        now = self._clock.now()
        living = set(self._launcher.living())
        for member in self._store.fleet():
            if member.id in living and member.lease_until > now:
                continue
            # It must not act any more when somebody else gets its attempts.
            self._launcher.kill(member.id)
            words = self._launcher.last_words(member.id)
            _LOG.warning(
                "taskmaster lost", extra={"taskmaster": member.id, "cause": words}
            )
            self._forget(member, words, epoch)
            if not member.seen:
                self._failed(words or "it did not call")

    def _forget(self, member: Taskmaster, cause: str, epoch: int) -> None:
        # Who never called has not even seen what was assigned to it.
        had = self._store.assigned(member.id) if member.seen else []
        ids = {record.id for record in had}

        def forget(tx: Transaction) -> None:
            tx.check_epoch(epoch)
            for record in tx.records(ids).values():
                if record.taskmaster == member.id and not record.released:
                    self._take_away(tx, record, cause)
            tx.remove_taskmaster(member.id, only_idle=False)

        self._store.write(forget)

    def _take_away(self, tx: Transaction, record: TaskRecord, cause: str) -> None:
        now = self._clock.now()
        after = taken_away(record, now=now)
        limits = self._limits
        by = Reporter(taskmaster="", now=now, max_attempts=limits.attempts)
        lost = lose_if_deadly(after, most=limits.takeovers, cause=cause, by=by)
        if lost is not None:
            write_effect(tx, lost)
            after = lost.record
        tx.save(record, after)

    def _failed(self, problem: str) -> None:
        count = self._failures.count + 1
        pause = min(2.0 ** (count - 1), _LONGEST_PAUSE)
        self._failures = _Failures(count, self._clock.monotonic() + pause, problem)
        _LOG.error("taskmaster did not start", extra={"cause": problem})

    def _place_unassigned(self, epoch: int) -> None:
        def place(tx: Transaction) -> list[str]:
            records = tx.unassigned(_MANY)
            if not records:
                return []
            tx.check_epoch(epoch)
            places = self.places(tx, len(records))
            for record, taskmaster in zip(records, places, strict=False):
                now = self._clock.now()
                tx.save(record, replace(record, taskmaster=taskmaster, assigned_at=now))
            for record in records[len(places) :]:
                self._explain(tx, record)
            return places

        if self._store.any_unassigned():
            self.start(self._store.write(place))

    def _explain(self, tx: Transaction, record: TaskRecord) -> None:
        reason = self.fullness()
        if record.attempt_runs and record.reason != reason:
            tx.save(record, replace(record, reason=reason))
