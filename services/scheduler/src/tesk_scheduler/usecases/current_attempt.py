"""Finds the task of an attempt that calls, if the attempt is not over."""

from tesk_model.errors import ConflictError
from tesk_model.names import Attempt
from tesk_scheduler.domain.records import TaskRecord
from tesk_scheduler.ports.store import Transaction


def current_record(tx: Transaction, attempt: Attempt) -> TaskRecord:
    """Lock and return the record of the task of an attempt that runs.

    Raises:
        ConflictError: The attempt is over.
    """
    record = tx.records([attempt.task_id]).get(attempt.task_id)
    if record is None or not record.is_current(attempt):
        raise attempt_is_over(attempt)
    return record


def attempt_is_over(attempt: Attempt) -> ConflictError:
    """Return the error that the attempt is over, or of no task."""
    return ConflictError(f"attempt {attempt.number} of {attempt.task_id} is over")
