"""Finds tasks in progress that nobody has, and lets them go on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from tesk_model.task import TaskId
from tesk_scheduler.domain.attempt_rules import AttemptRules
from tesk_scheduler.domain.verification import (
    STRANDED_LINE,
    Finding,
    freed,
    is_stranded,
    stranded_finding,
)
from tesk_scheduler.ports.environment import Clock
from tesk_scheduler.ports.store import TaskStore, Transaction
from tesk_scheduler.usecases.admin.checks import repaired
from tesk_scheduler.usecases.notifier import LeaderWakeup

# Others are found when these are repaired.
_MOST = 1000
_AT_ONCE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class StrandedTasks:
    """Tasks that only an operator can free: no event and no lease is about them.

    Attributes:
        rules: Returns the rules for attempts that are in force.
    """

    store: TaskStore
    clock: Clock
    rules: Callable[[], AttemptRules]
    leader: LeaderWakeup

    def verify(self, operator: str, *, fix: bool) -> list[Finding]:
        """Return what was found; with ``fix``, after its repair."""
        found = self.store.stranded(_MOST)
        if not fix:
            return list(map(stranded_finding, found))
        ids = [record.id for record in found]
        findings = []
        for first in range(0, len(ids), _AT_ONCE):
            findings += self._free(ids[first : first + _AT_ONCE], operator)
        if findings:
            self.leader.notify(urgent=True)
        return findings

    def _free(self, ids: Sequence[TaskId], operator: str) -> list[Finding]:
        times = self.rules().times

        def free(tx: Transaction) -> list[Finding]:
            records = tx.records(ids).values()
            stranded = [record for record in records if is_stranded(record)]
            now = self.clock.now()
            tx.save_all([(each, freed(each, times, now)) for each in stranded])
            for each in stranded:
                tx.clear_attempt(each.seq)
                tx.add_lines(each.seq, [STRANDED_LINE], last=True)
                tx.announce(repaired(operator, stranded_finding(each)))
            return [replace(stranded_finding(each), fixed=True) for each in stranded]

        return self.store.write(free)
