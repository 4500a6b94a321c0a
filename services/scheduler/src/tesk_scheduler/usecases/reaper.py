"""Ends taskmasters, and unassigns the attempts of lost ones."""

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

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReapResult:
    """The result of the removals of a plan.

    Attributes:
        never_called: Causes of those that were given up before they called.
        failure: Why one could not be ended; no more were ended then.
    """

    never_called: Sequence[str]
    failure: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskmasterReaper:
    """Carries out the removals of fleet plans; used by the leader's thread."""

    store: TaskStore
    launcher: TaskmasterLauncher
    clock: Clock
    limits: FleetLimits

    def reap(self, plan: FleetPlan, epoch: int) -> ReapResult:
        """End the lost taskmasters, then the orphans.

        Raises:
            ConflictError: Another scheduler leads.
        """
        never_called: list[str] = []
        failing = ""
        try:
            for member in plan.reassign:
                failing = member.id
                if _has_called_since(member, self.store.taskmaster(member.id)):
                    continue  # the next plan adopts it
                # It must not act any more when its attempts are reassigned.
                self.launcher.kill(member.id)
                cause = self._unassign_all(member, epoch)
                if not member.seen:
                    never_called.append(cause or "it did not call")
            for name in plan.remove:
                failing = name
                self.launcher.kill(name)
                _logger.info("taskmaster removed", extra={"taskmaster": name})
        except LaunchError as error:
            fields = {"taskmaster": failing, "cause": str(error)}
            _logger.warning("taskmaster not ended", extra=fields)
            return ReapResult(
                never_called=never_called, failure=str(error) or "unknown reason"
            )
        return ReapResult(never_called=never_called, failure="")

    def _unassign_all(self, member: Taskmaster, epoch: int) -> str:
        """Unassign the attempts of a taskmaster; return how it ended."""
        cause = self.launcher.status_message(member.id)
        counts = not self.launcher.was_disrupted(member.id)
        # One that never called has not received its attempts.
        had = self.store.assigned(member.id) if member.seen else []
        ids = {record.id for record in had}
        lost = TaskmasterLost(taskmaster=member.id, attempts=len(had), cause=cause)
        may_act = self.launcher.may_act(member.id)

        def unassign_all(tx: Transaction) -> None:
            tx.check_epoch(epoch)
            if may_act and _has_called_since(member, tx.taskmaster(member.id)):
                return  # it has a new lease, for whose end the next plan waits
            tx.announce(lost)
            for record in tx.records(ids).values():
                if record.taskmaster == member.id and not record.released:
                    self._unassign(tx, record, cause, counts=counts)
            tx.remove_taskmaster(member.id, only_idle=False)

        self.store.write(unassign_all)
        return cause

    def _unassign(
        self, tx: Transaction, record: TaskRecord, cause: str, *, counts: bool
    ) -> None:
        now, limits = self.clock.now(), self.limits
        after = without_taskmaster(record, now=now, counts=counts)
        by = Reporter(taskmaster="", now=now, rules=limits.rules())
        lost = lose_after_takeovers(
            after, max_takeovers=limits.takeovers, cause=cause, by=by
        )
        if lost is not None:
            write_effect(tx, lost)
            after = lost.record
        tx.save(record, after)


def _has_called_since(member: Taskmaster, present: Taskmaster | None) -> bool:
    """Tell whether a taskmaster has called since it was observed as ``member``."""
    return present is not None and (
        present.lease_until > member.lease_until or present.seen is not member.seen
    )
