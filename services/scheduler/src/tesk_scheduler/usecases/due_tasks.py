"""Does what is due: ends pauses before attempts, and enforces limits of time.

The store has the time at which each such task is due, by an index, so that neither a
restart nor a new leader forgets one, and a hundred thousand queued tasks cost nothing
until their time comes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from tesk_model.task import TaskId
from tesk_scheduler.domain.attempt_rules import AttemptRules
from tesk_scheduler.domain.deadlines import queue_limit_line, settle
from tesk_scheduler.ports.environment import Clock
from tesk_scheduler.ports.store import TaskStore, Transaction
from tesk_scheduler.usecases.notifier import TaskmasterWakeups

_AT_ONCE = 256
# Of one round of the leader, which has its lead to renew.
_BATCHES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class DueTasks:
    """Settles tasks that are due; used by the leader's thread.

    Attributes:
        wakeups: Of taskmasters, which are to stop an attempt.
        rules: Returns the rules for attempts that are in force.
    """

    store: TaskStore
    clock: Clock
    wakeups: TaskmasterWakeups
    rules: Callable[[], AttemptRules]

    def settle(self, epoch: int) -> timedelta | None:
        """Settle what is due; return after which time more is, None if nothing is.

        Raises:
            ConflictError: Another scheduler leads.
        """
        for _ in range(_BATCHES):
            found = self.store.due_tasks(_AT_ONCE)
            now = self.clock.now()
            due = [task_id for task_id, time in found if time <= now]
            if due:
                self._settle(due, epoch)
            if len(due) < len(found):
                return found[len(due)][1] - now
            if not found:
                return None
        return timedelta()

    def _settle(self, due: Sequence[TaskId], epoch: int) -> None:
        rules = self.rules()

        def settle_all(tx: Transaction) -> set[str]:
            tx.check_epoch(epoch)
            now = self.clock.now()
            stopping = set()
            for before in tx.records(due).values():
                after = settle(before, rules.times, now)
                if after.state is not before.state:
                    line = queue_limit_line(before, rules.times)
                    tx.add_lines(before.seq, [line], last=True)
                tx.save(before, after)
                if after.stop != before.stop and after.taskmaster:
                    stopping.add(after.taskmaster)
            return stopping

        self.wakeups.notify(self.store.write(settle_all))
