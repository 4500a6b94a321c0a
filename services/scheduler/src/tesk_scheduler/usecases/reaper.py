"""Ends taskmasters, and takes the attempts of lost ones back."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from tesk_scheduler.domain.events import Reporter
from tesk_scheduler.domain.fleet import FleetLimits, Taskmaster
from tesk_scheduler.domain.fleet_plan import FleetPlan
from tesk_scheduler.domain.occurrences import TaskmasterLost
from tesk_scheduler.domain.records import TaskRecord
from tesk_scheduler.domain.takeovers import lose_after_takeovers, without_taskmaster
from tesk_scheduler.ports.environment import Clock
from tesk_scheduler.ports.launcher import LaunchError, TaskmasterLauncher
from tesk_scheduler.ports.store import TaskStore, Transaction
from tesk_scheduler.usecases.reporting import write_effect

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReapResult:
    """What became of a plan's removals.

    Attributes:
        never_called: Of those that were given up before they called, why.
        failure: Why one could not be ended; nothing more was then ended.
    """

    never_called: Sequence[str]
    failure: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskmasterReaper:
    """Carries out what a plan removes; used by the leader's one thread."""

    store: TaskStore
    launcher: TaskmasterLauncher
    clock: Clock
    limits: FleetLimits

    def reap(self, plan: FleetPlan, epoch: int) -> ReapResult:
        """End the lost taskmasters, then those that the store does not know.

        Raises:
            ConflictError: Another scheduler leads.
        """
        never_called: list[str] = []
        failing = ""
        try:
            for member in plan.reassign:
                failing = member.id
                # It must not act any more when another one gets its attempts.
                self.launcher.kill(member.id)
                cause = self._take_back(member, epoch)
                if not member.seen:
                    never_called.append(cause or "it did not call")
            for name in plan.remove:
                failing = name
                self.launcher.kill(name)
                _LOG.info("taskmaster removed", extra={"taskmaster": name})
        except LaunchError as error:
            fields = {"taskmaster": failing, "cause": str(error)}
            _LOG.warning("taskmaster not ended", extra=fields)
            return ReapResult(
                never_called=never_called, failure=str(error) or "unknown reason"
            )
        return ReapResult(never_called=never_called, failure="")

    def _take_back(self, member: Taskmaster, epoch: int) -> str:
        """Make the attempts of a taskmaster nobody's; return how it ended."""
        cause = self.launcher.status_message(member.id)
        # One that never called has not even seen what was assigned to it.
        had = self.store.assigned(member.id) if member.seen else []
        ids = {record.id for record in had}
        lost = TaskmasterLost(taskmaster=member.id, attempts=len(had), cause=cause)

        def take_back(tx: Transaction) -> None:
            tx.check_epoch(epoch)
            tx.announce(lost)
            for record in tx.records(ids).values():
                if record.taskmaster == member.id and not record.released:
                    self._take_away(tx, record, cause)
            tx.remove_taskmaster(member.id, only_idle=False)

        self.store.write(take_back)
        return cause

    def _take_away(self, tx: Transaction, record: TaskRecord, cause: str) -> None:
        now, limits = self.clock.now(), self.limits
        after = without_taskmaster(record, now=now)
        by = Reporter(taskmaster="", now=now, max_attempts=limits.attempts)
        lost = lose_after_takeovers(
            after, max_takeovers=limits.takeovers, cause=cause, by=by
        )
        if lost is not None:
            write_effect(tx, lost)
            after = lost.record
        tx.save(record, after)
