"""Changes the state of a task, checked against the table of ``tesk_model.states``."""

from dataclasses import replace
from datetime import datetime

from tesk_model.errors import ConflictError
from tesk_model.reasons import NO_REASON, Reason, ReasonCode
from tesk_model.states import TaskState, can_follow
from tesk_scheduler.domain.records import TaskRecord


def with_state(
    record: TaskRecord,
    state: TaskState,
    now: datetime,
    *,
    cause: ReasonCode = ReasonCode.NONE,
) -> TaskRecord:
    """Return ``record`` in ``state``.

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
    if state.is_final:
        return replace(record, state=state, ended_at=now, reason=Reason(cause))
    return replace(record, state=state)


def admitted(record: TaskRecord, taskmaster: str, now: datetime) -> TaskRecord:
    """Begin the next attempt, assigned to ``taskmaster``.

    Raises:
        ConflictError: The task is not queued, or its last attempt is not released.
    """
    if not record.released:
        msg = f"task {record.id}: attempt {record.attempt} is not released"
        raise ConflictError(msg)
    return replace(
        with_state(record, TaskState.INITIALIZING, now),
        attempt=record.attempt + 1,
        taskmaster=taskmaster,
        released=False,
        last_sequence=0,
        reason=NO_REASON,
        started_at=now,
        inputs_finished=False,
        outputs_finished=False,
        takeovers=0,
        assigned_at=now,
        inputs_ended_at=None,
        held_up_since=None,
    )


def requeued(record: TaskRecord, now: datetime) -> TaskRecord:
    """Queue the task for another attempt; the lost one stays assigned."""
    return replace(
        with_state(record, TaskState.QUEUED, now), queued_at=now, reason=NO_REASON
    )


def canceled(record: TaskRecord, now: datetime) -> TaskRecord:
    """Cancel a task; one that is final or being canceled stays as it is."""
    if record.state is TaskState.CANCELING or record.state.is_final:
        return record
    if record.state is TaskState.QUEUED:
        return with_state(record, TaskState.CANCELED, now, cause=ReasonCode.CANCELED)
    reason = Reason(ReasonCode.CANCELING, "canceling")
    return replace(with_state(record, TaskState.CANCELING, now), reason=reason)
