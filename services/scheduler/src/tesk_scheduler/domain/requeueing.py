"""Ends an attempt because an operator wants another one; pure.

The attempt stays assigned, so that its taskmaster is told to stop and release it. Its
reports are refused from now on, and the next attempt begins when it is released.
"""

from datetime import datetime

from tesk_model.errors import ConflictError
from tesk_model.events import EventVerdict
from tesk_model.reasons import Reason, ReasonCode
from tesk_model.states import TaskState
from tesk_scheduler.domain import lost_attempts
from tesk_scheduler.domain.attempt_rules import AttemptRules
from tesk_scheduler.domain.events import Effect
from tesk_scheduler.domain.records import TaskRecord


def requeue(record: TaskRecord, why: str, now: datetime, rules: AttemptRules) -> Effect:
    """End the attempt of a task that is INITIALIZING or RUNNING, and queue another.

    It does not count as lost: nothing gives the task up for it.

    Raises:
        ConflictError: The task has no attempt that could be ended.
    """
    if record.state is TaskState.QUEUED:
        raise ConflictError("it is queued already")
    if record.state is TaskState.CANCELING or not record.attempt_runs:
        raise ConflictError(f"it is {record.state.value}")
    if record.stop.code:
        raise ConflictError(f"it is being stopped: {record.stop.text}")
    text = f"attempt {record.attempt} was ended by an operator: {why}"
    reason = Reason(ReasonCode.REQUEUED, text)
    retry = rules.retries.requeued(record)
    lost = lost_attempts.requeue(record, reason, retry, now, rules)
    return Effect(
        verdict=EventVerdict.APPLIED,
        record=lost.following,
        lines=(text,),
        end=reason,
        lost=lost,
    )
