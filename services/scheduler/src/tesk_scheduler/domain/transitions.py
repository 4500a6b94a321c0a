"""Changes the state of a task, checked against the table of ``tesk_model.states``."""

from datetime import datetime

from tesk_model.errors import ConflictError
from tesk_model.reasons import NO_REASON, Reason, ReasonCode
from tesk_model.states import TaskState, can_follow
from tesk_scheduler.domain.records import TaskRecord
from tesk_scheduler.domain.waits import (
    NO_HISTORY,
    WaitHistory,
    admission_line,
    total_spent,
)


def with_state(
    record: TaskRecord,
    state: TaskState,
    now: datetime,
    *,
    cause: ReasonCode = ReasonCode.NONE,
) -> TaskRecord:
    """Return ``record`` in ``state``, in which nothing is due yet.

    Args:
        record: As it was.
        state: The next one.
        now: The time.
        cause: Of a final state; the text about it goes to ``system_logs``.

    Raises:
        ConflictError: The table does not allow this change.
    """
    if not can_follow(record.state, state):
        msg = f"task {record.id}: {state} cannot follow {record.state}"
        raise ConflictError(msg)
    record = record.replaced(
        state=state, state_changed_at=now, not_before=None, due_at=None
    )
    if state.is_final:
        ended = record.replaced(ended_at=now, reason=Reason(cause))
        return ended.replaced(history=NO_HISTORY)
    return record


def with_reason(record: TaskRecord, reason: Reason, now: datetime) -> TaskRecord:
    """Return an admitted task with ``reason``; the same cause goes on since it began."""
    if not reason.text:
        return record.replaced(reason=reason, history=NO_HISTORY)
    if reason.cause == record.reason.cause and record.history.since is not None:
        return record.replaced(reason=reason)
    return record.replaced(reason=reason, history=WaitHistory(since=now))


def admitted(record: TaskRecord, taskmaster: str, now: datetime) -> TaskRecord:
    """Begin the next attempt, assigned to ``taskmaster``.

    Raises:
        ConflictError: The task is not queued, or its last attempt is not released.
    """
    if not record.released:
        msg = f"task {record.id}: attempt {record.attempt} is not released"
        raise ConflictError(msg)
    return with_state(record, TaskState.INITIALIZING, now).replaced(
        attempt=record.attempt + 1,
        taskmaster=taskmaster,
        released=False,
        last_sequence=0,
        reason=NO_REASON,
        history=NO_HISTORY,
        started_at=now,
        inputs_finished=False,
        outputs_finished=False,
        takeovers=0,
        assigned_at=now,
        inputs_ended_at=None,
        held_up_since=None,
        last_exit_code=None,
        running_since=None,
        stop=NO_REASON,
    )


def queue_line(record: TaskRecord, now: datetime) -> str:
    """Return the line where the time of a queued task went; "" if it was not long."""
    queued = now - record.queued_at
    return admission_line(
        total_spent(record.history.spent, record.reason, queued=queued)
    )


def requeued(record: TaskRecord, now: datetime) -> TaskRecord:
    """Queue the task for another attempt; the lost one stays assigned."""
    return with_state(record, TaskState.QUEUED, now).replaced(
        queued_at=now,
        reason=NO_REASON,
        history=NO_HISTORY,
    )


def canceled(record: TaskRecord, now: datetime) -> TaskRecord:
    """Cancel a task; one that is final or being canceled stays as it is."""
    if record.state is TaskState.CANCELING or record.state.is_final:
        return record
    if record.state is TaskState.QUEUED:
        return with_state(record, TaskState.CANCELED, now, cause=ReasonCode.CANCELED)
    reason = Reason(ReasonCode.CANCELING, "canceling")
    return with_reason(with_state(record, TaskState.CANCELING, now), reason, now)
