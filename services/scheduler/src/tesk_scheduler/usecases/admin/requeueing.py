"""Ends attempts that hang, and queues others."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tesk_model.errors import ConflictError
from tesk_model.task import TaskId
from tesk_scheduler.domain.attempt_rules import AttemptRules
from tesk_scheduler.domain.holds import MAX_REASON
from tesk_scheduler.domain.occurrences import TaskRequeued
from tesk_scheduler.domain.requeueing import requeue
from tesk_scheduler.ports.environment import Clock
from tesk_scheduler.ports.store import TaskStore, Transaction
from tesk_scheduler.usecases.admin.checks import (
    check_line,
    check_number_of_tasks,
    check_operator,
)
from tesk_scheduler.usecases.notifier import Notifier
from tesk_scheduler.usecases.reporting import write_effect
from tesk_scheduler.usecases.task_results import TaskResult, no_task, result_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Requeueing:
    """Requeues tasks, one transaction each.

    Attributes:
        rules: Returns the rules for attempts that are in force.
    """

    store: TaskStore
    clock: Clock
    notifier: Notifier
    rules: Callable[[], AttemptRules]

    def requeue(
        self, operator: str, ids: Sequence[TaskId], why: str, *, dry_run: bool
    ) -> list[TaskResult]:
        """Requeue tasks; return for each what became of it.

        Raises:
            InvalidRequestError: There are too many, or ``why`` is no line.
        """
        check_operator(operator)
        check_number_of_tasks(ids)
        check_line("reason", why, MAX_REASON)
        if dry_run:
            return [self._judge(task_id, why) for task_id in ids]
        results = [self._requeue(operator, task_id, why) for task_id in ids]
        self.notifier.leader.notify(urgent=True)
        return results

    def _judge(self, task_id: TaskId, why: str) -> TaskResult:
        record = self.store.record(task_id)
        if record is None:
            return no_task(task_id)
        try:
            requeue(record, why, self.clock.now(), self.rules())
        except ConflictError as error:
            return result_of(record, error.message)
        return result_of(record)

    def _requeue(self, operator: str, task_id: TaskId, why: str) -> TaskResult:
        now = self.clock.now()

        def work(tx: Transaction) -> tuple[TaskResult, str | None]:
            record = tx.records([task_id]).get(task_id)
            if record is None:
                return no_task(task_id), None
            try:
                effect = requeue(record, why, now, self.rules())
            except ConflictError as error:
                return result_of(record, error.message), None
            write_effect(tx, effect)
            tx.save(record, effect.record)
            tx.announce(
                TaskRequeued(
                    task_id=task_id,
                    attempt=record.attempt,
                    owner=record.owner,
                    operator=operator,
                    detail=why,
                )
            )
            return result_of(effect.record), record.taskmaster

        result, taskmaster = self.store.write(work)
        if taskmaster is not None:
            self.notifier.taskmasters.notify([taskmaster])
        return result
