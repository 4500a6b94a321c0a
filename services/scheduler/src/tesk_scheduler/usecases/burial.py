"""The end of taskmasters: giving on what they had, and removing what nobody expects."""

import logging
from collections.abc import Callable, Sequence
from datetime import timedelta

from tesk_scheduler.domain.events import Reporter
from tesk_scheduler.domain.fleet import FleetLimits, Taskmaster
from tesk_scheduler.domain.launches import Fate, Signs, Strays, fate_of, find_strays
from tesk_scheduler.domain.records import TaskRecord
from tesk_scheduler.domain.takeovers import lose_if_deadly, taken_away
from tesk_scheduler.ports.launcher import LaunchError, TaskmasterLauncher
from tesk_scheduler.ports.store import TaskStore, Transaction
from tesk_scheduler.ports.surroundings import Clock
from tesk_scheduler.usecases.failures import StartFailures
from tesk_scheduler.usecases.reporting import write_effect

_LOG = logging.getLogger(__name__)
_GRACE = 60.0
_AGAIN = 5.0


class Burial:
    """Compares the store with the launcher; used by the leader's one thread."""

    def __init__(
        self,
        *,
        store: TaskStore,
        launcher: TaskmasterLauncher,
        clock: Clock,
        limits: FleetLimits,
        failures: StartFailures,
    ) -> None:
        self._store = store
        self._launcher = launcher
        self._clock = clock
        self._limits = limits
        self._failures = failures
        self._strays = Strays(since={})
        self._again_at: float | None = None
        self.members: Sequence[Taskmaster] = ()
        """All of the store, when it was last looked at."""
        self.unfit: frozenset[str] = frozenset()
        """Ids of those that are to get nothing more."""
        self.stuck: dict[str, str] = {}
        """Why those could not be ended who should be, by id."""

    def bury(self, epoch: int, start: Callable[[str], object]) -> None:
        """Decide on every taskmaster, and do it.

        Args:
            epoch: Of the leader.
            start: Called with the id of one that was never started.
        """
        self._again_at = None
        self.members = ()
        try:
            living, ended = set(self._launcher.living()), self._launcher.ended()
        except LaunchError as error:
            # Who lives is not known; nobody is dead until it is.
            _LOG.warning("taskmasters are not known", extra={"cause": str(error)})
            self._again_at = self._clock.monotonic() + _AGAIN
            return
        self.members = members = self._store.fleet()
        now = self._clock.now()
        fates = {
            member.id: fate_of(member, self._signs(member, living), now)
            for member in members
        }
        self._strays = find_strays(
            self._strays,
            living=living,
            ended=ended,
            known=fates,
            now=self._clock.monotonic(),
            grace=_GRACE,
        )
        doomed = [member for member in members if fates[member.id] is Fate.BURY]
        if doomed or self._strays.remove or Fate.START in fates.values():
            # Who does not lead any more kills nobody.
            self._store.write(lambda tx: tx.check_epoch(epoch))
        self._end(doomed, epoch)
        for name, fate in fates.items():
            if fate is Fate.START:
                start(name)
        self.unfit = frozenset(self.stuck) | {
            name for name, fate in fates.items() if fate is Fate.LEAVE
        }

    def due(self, members: Sequence[Taskmaster]) -> timedelta | None:
        """Say when to look again though nothing happens; None if not at all."""
        now, today = self._clock.monotonic(), self._clock.now()
        dues = [(member.lease_until - today).total_seconds() for member in members]
        dues += [since + _GRACE - now for since in self._strays.since.values()]
        pause = 0.0
        if self._again_at is not None:
            pause = max(0.0, self._again_at - now)
            dues.append(pause)
        return timedelta(seconds=max(pause, min(dues))) if dues else None

    def _signs(self, member: Taskmaster, living: set[str]) -> Signs:
        if member.id in living:
            return Signs(lives=True, may_act=True, words="")
        return Signs(
            lives=False,
            may_act=self._launcher.may_act(member.id),
            words=self._launcher.last_words(member.id),
        )

    def _end(self, doomed: list[Taskmaster], epoch: int) -> None:
        self.stuck = {}
        for member in doomed:
            # It must not act any more when somebody else gets its attempts.
            problem = self._kill(member.id)
            if problem:
                self.stuck[member.id] = problem
                continue
            words = self._launcher.last_words(member.id)
            _LOG.warning(
                "taskmaster lost", extra={"taskmaster": member.id, "cause": words}
            )
            self._forget(member, words, epoch)
            if not member.seen:
                self._failures.add(words or "it did not call", refused=False)
        for name in self._strays.remove:
            if self._kill(name) == "":
                _LOG.info("taskmaster removed", extra={"taskmaster": name})

    def _kill(self, taskmaster_id: str) -> str:
        """Return why it could not be done; one that fails is enough for now."""
        if self._again_at is not None:
            return next(iter(self.stuck.values()), "another one cannot be ended")
        try:
            self._launcher.kill(taskmaster_id)
        except LaunchError as error:
            self._again_at = self._clock.monotonic() + _AGAIN
            _LOG.warning(
                "taskmaster not ended",
                extra={"taskmaster": taskmaster_id, "cause": str(error)},
            )
            return str(error) or "unknown reason"
        return ""

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
