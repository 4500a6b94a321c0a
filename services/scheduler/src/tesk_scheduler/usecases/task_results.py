"""Defines what becomes of each of several tasks."""

from typing import NamedTuple

from tesk_model.states import TaskState
from tesk_model.task import TaskId
from tesk_scheduler.domain.records import TaskRecord


class TaskResult(NamedTuple):
    """What became of one task; ``problem`` is "" if it was done, or would be."""

    task_id: TaskId
    state: TaskState = TaskState.UNKNOWN
    attempt: int = 0
    problem: str = ""


def result_of(record: TaskRecord, problem: str = "") -> TaskResult:
    """Return the result of a task as it was found."""
    return TaskResult(record.id, record.state, record.attempt, problem)


def no_task(task_id: TaskId) -> TaskResult:
    """Return the result of a task that does not exist."""
    return TaskResult(task_id, problem="there is no such task")
