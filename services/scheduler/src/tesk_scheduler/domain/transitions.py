"""Moves of a task from state to state, each checked against the one table."""

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
        state: That follows.
        now: The time.
        cause: Of a final state. Its sentence goes to ``system_logs``.

    Raises:
        ConflictError: The table does not let ``state`` follow.
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
        ConflictError: The task does not wait, or something is left of its last
            attempt.
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
    """Let the task wait for another attempt; the lost one is still assigned."""
    return replace(
        with_state(record, TaskState.QUEUED, now), queued_at=now, reason=NO_REASON
    )


def canceled(record: TaskRecord, now: datetime) -> TaskRecord:
    """Ask for the end of a task; what is final or being canceled stays."""
    if record.state is TaskState.CANCELING or record.state.is_final:
        return record
    if record.state is TaskState.QUEUED:
        return with_state(record, TaskState.CANCELED, now, cause=ReasonCode.CANCELED)
    reason = Reason(ReasonCode.CANCELING, "canceling")
    return replace(with_state(record, TaskState.CANCELING, now), reason=reason)
