"""Counts how often an attempt is reassigned because its taskmasters die.

An attempt may itself be what kills its taskmasters (it fills their memory, it
hits a bug). Reassigned without a limit it would kill all taskmasters in turn,
each with the other attempts it has. So consecutive takeovers are counted: a
step that ends resets the count, and so does a taskmaster that had the attempt
for ``STABLE_AFTER``, since the attempt has hardly killed it. A computation of
weeks survives any number of updates and restarts. What a successor reports
first (reasons, a start, output so far) only repeats what is known, and does not
reset the count.
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
    """Return an attempt as unassigned because its taskmaster died; counts a takeover."""
    since = record.assigned_at
    is_first = since is not None and now - since >= STABLE_AFTER
    return replace(
        record,
        taskmaster=None,
        assigned_at=None,
        takeovers=1 if is_first else record.takeovers + 1,
    )


def reassigned(record: TaskRecord, taskmaster: str, now: datetime) -> TaskRecord:
    """Return an unassigned attempt as assigned to ``taskmaster``."""
    is_over = is_about_taskmasters(record.reason)
    reason = NO_REASON if is_over else record.reason
    return replace(record, taskmaster=taskmaster, assigned_at=now, reason=reason)


def with_absence_reason(record: TaskRecord, message: str) -> TaskRecord:
    """Set the reason that the taskmaster of an attempt does not come up; "" clears it.

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
    record: TaskRecord, *, max_takeovers: int, cause: str, by: Reporter
) -> Effect | None:
    """Lose an unassigned attempt if too many taskmasters in a row died with it.

    Args:
        record: As ``without_taskmaster`` returns it.
        max_takeovers: How many takeovers there may be.
        cause: How the last taskmaster ended, or "".
        by: When, and how often an attempt may be lost.
    """
    if not record.attempt_runs or record.takeovers <= max_takeovers:
        return None
    text = f"{record.takeovers} taskmasters in a row ended while they had it"
    if cause:
        text += f"; of the last one: {cause}"
    return lose(record, Reason(ReasonCode.TASKMASTER_LOST, text), by)
