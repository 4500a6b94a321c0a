"""Gives queued tasks another priority."""

from collections.abc import Sequence
from dataclasses import dataclass

from tesk_model.errors import InvalidRequestError, Violation
from tesk_model.states import TaskState
from tesk_model.task import TaskId
from tesk_scheduler.domain.occurrences import PriorityChanged
from tesk_scheduler.domain.records import TaskRecord
from tesk_scheduler.ports.store import TaskStore, Transaction
from tesk_scheduler.usecases.admin.checks import check_number_of_tasks, check_operator
from tesk_scheduler.usecases.notifier import LeaderWakeup
from tesk_scheduler.usecases.task_results import TaskResult, no_task, result_of

# Far beyond the numbers of a quota, and within what the database holds.
_MOST = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Priorities:
    """Sets priorities, one transaction for all tasks of a call."""

    store: TaskStore
    leader: LeaderWakeup

    def set(
        self, operator: str, ids: Sequence[TaskId], priority: int, *, dry_run: bool
    ) -> list[TaskResult]:
        """Set the priority of tasks; return for each what became of it.

        No limit of the owner's priorities holds for operators.

        Raises:
            InvalidRequestError: There are too many, or the number is too large.
        """
        check_operator(operator)
        check_number_of_tasks(ids)
        if abs(priority) > _MOST:
            problem = f"must be from -{_MOST:,} to {_MOST:,}"
            raise InvalidRequestError([Violation("priority", problem)])
        if dry_run:
            found = {each: self.store.record(each) for each in ids}
            return [_result(each, found[each]) for each in ids]

        def work(tx: Transaction) -> list[TaskResult]:
            records = tx.records(set(ids))
            for record in records.values():
                if record.state is TaskState.QUEUED:
                    tx.save(record, record.replaced(priority=priority))
                    tx.announce(_changed(record, priority, operator))
            return [_result(each, records.get(each)) for each in ids]

        results = self.store.write(work)
        self.leader.notify(urgent=True)
        return results


def _result(task_id: TaskId, record: TaskRecord | None) -> TaskResult:
    if record is None:
        return no_task(task_id)
    queued = record.state is TaskState.QUEUED
    return result_of(record, "" if queued else f"it is {record.state.value}")


def _changed(record: TaskRecord, priority: int, operator: str) -> PriorityChanged:
    return PriorityChanged(
        task_id=record.id,
        owner=record.owner,
        operator=operator,
        before=record.priority,
        priority=priority,
    )
