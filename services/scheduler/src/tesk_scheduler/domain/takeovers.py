"""Attempts whose taskmasters die: how often another one takes them over.

An attempt may itself be what kills its taskmasters (it fills their memory, it
hits a bug). Handed on without an end it would take all taskmasters along, and
with them the attempts that they have. So takeovers are counted, those in a
row: a step that came to its end starts the count anew, and so does a
taskmaster that had the attempt for a good while, since it was hardly the
attempt that killed it. A computation of weeks survives any number of updates
and restarts. What a successor says first (reasons, a start, output so far)
only repeats what is known, and counts for nothing.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from tesk_model.reasons import NO_REASON, Reason, ReasonCode
from tesk_scheduler.domain.events import Effect, Reporter, lose
from tesk_scheduler.domain.records import TaskRecord
from tesk_scheduler.domain.taskmaster_reasons import (
    is_about_taskmasters,
    starting_reason,
)

STABLE_AFTER = timedelta(minutes=10)


def without_taskmaster(record: TaskRecord, *, now: datetime) -> TaskRecord:
    """Take an attempt away from a taskmaster that died with it."""
    since = record.assigned_at
    is_first = since is not None and now - since >= STABLE_AFTER
    return replace(
        record,
        taskmaster=None,
        assigned_at=None,
        takeovers=1 if is_first else record.takeovers + 1,
    )


def reassigned(record: TaskRecord, taskmaster: str, now: datetime) -> TaskRecord:
    """Give an attempt that nobody has to ``taskmaster``."""
    is_over = is_about_taskmasters(record.reason)
    reason = NO_REASON if is_over else record.reason
    return replace(record, taskmaster=taskmaster, assigned_at=now, reason=reason)


def with_absence_reason(record: TaskRecord, message: str) -> TaskRecord:
    """Say why the taskmaster of an attempt does not come up; "" if it does.

    Returns:
        ``record`` itself if that is its reason already.
    """
    reason = starting_reason(message) if message else record.reason
    if not message and is_about_taskmasters(reason):
        reason = NO_REASON
    if not record.attempt_runs or record.reason == reason:
        return record
    return replace(record, reason=reason)


def lose_after_takeovers(
    record: TaskRecord, *, most: int, cause: str, by: Reporter
) -> Effect | None:
    """Give up an attempt that was taken away, if too many died with it in a row.

    Args:
        record: As ``without_taskmaster`` returns it.
        most: So many takeovers there may be.
        cause: How the last taskmaster ended, or "".
        by: When, and how often an attempt may be lost.
    """
    if not record.attempt_runs or record.takeovers <= most:
        return None
    text = f"{record.takeovers} taskmasters in a row ended while they had it"
    if cause:
        text += f"; of the last one: {cause}"
    return lose(record, Reason(ReasonCode.TASKMASTER_LOST, text), by)
