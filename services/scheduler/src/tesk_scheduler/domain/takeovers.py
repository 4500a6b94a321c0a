"""Counts how often an attempt is reassigned because its taskmasters die.

An attempt may itself be what kills its taskmasters (it fills their memory, it
hits a bug). Reassigned without a limit it would kill all taskmasters in turn,
each with the other attempts it has. So consecutive takeovers are counted: a
step that ends resets the count, and so does a taskmaster that had the attempt
for ``STABLE_AFTER``, since the attempt has hardly killed it. A computation of
weeks survives any number of updates and restarts. What a successor reports
first (reasons, a start, output so far) only repeats what is known, and does not
reset the count.

Which of its attempts killed a taskmaster is not known, so that all of them are counted;
none is if the cluster took the taskmaster away (a drained node, an eviction).
One with ``SUSPECT_AFTER`` takeovers gets a taskmaster of its own: whatever it does then
hits no other, and what its neighbours were counted for the same deaths costs them
nothing, because alone they live. If its own taskmaster dies as well, the task is given
up for good: another attempt would begin with those of others again.
"""

from datetime import datetime, timedelta

from tesk_model.reasons import NO_REASON, Reason, ReasonCode
from tesk_scheduler.domain.events import Effect, Reporter, lose
from tesk_scheduler.domain.records import TaskRecord, UnassignedAttempt
from tesk_scheduler.domain.taskmaster_reasons import (
    is_about_taskmasters,
    starting_reason,
)
from tesk_scheduler.domain.transitions import with_reason

STABLE_AFTER = timedelta(minutes=10)
SUSPECT_AFTER = 2


def without_taskmaster(
    record: TaskRecord, *, now: datetime, counts: bool = True
) -> TaskRecord:
    """Return an attempt as unassigned because its taskmaster died.

    Args:
        record: Of the attempt.
        now: When.
        counts: The attempt may be the cause, so that it is a takeover.
    """
    since = record.assigned_at
    is_stable = since is not None and now - since >= STABLE_AFTER
    before = 0 if is_stable else record.takeovers
    return record.replaced(taskmaster=None, assigned_at=None, takeovers=before + counts)


def needs_own_taskmaster(record: TaskRecord | UnassignedAttempt) -> bool:
    """Tell whether an attempt may be what kills its taskmasters."""
    return record.attempt_runs and record.takeovers >= SUSPECT_AFTER


def reassigned(record: TaskRecord, taskmaster: str, now: datetime) -> TaskRecord:
    """Return an unassigned attempt as assigned to ``taskmaster``."""
    is_over = is_about_taskmasters(record.reason)
    kept = with_reason(record, NO_REASON, now) if is_over else record
    return kept.replaced(taskmaster=taskmaster, assigned_at=now)


def with_absence_reason(record: TaskRecord, message: str, now: datetime) -> TaskRecord:
    """Set the reason that the taskmaster of an attempt does not come up; "" clears it.

    Returns:
        ``record`` itself if that is its reason already.
    """
    reason = starting_reason(message) if message else record.reason
    if not message and is_about_taskmasters(reason):
        reason = NO_REASON
    if not record.attempt_runs or record.reason == reason:
        return record
    return with_reason(record, reason, now)


def lose_after_takeovers(
    record: TaskRecord, *, max_takeovers: int, cause: str, by: Reporter
) -> Effect | None:
    """Lose an unassigned attempt if too many taskmasters in a row died with it.

    Args:
        record: As ``without_taskmaster`` returns it.
        max_takeovers: How many takeovers there may be.
        cause: How the last taskmaster ended, or "".
        by: When, and the rules for attempts.
    """
    if not record.attempt_runs or record.takeovers <= max_takeovers:
        return None
    text = f"{record.takeovers} taskmasters in a row ended while they had it"
    if cause:
        text += f"; of the last one: {cause}"
    alone = record.takeovers - SUSPECT_AFTER
    for_good = ""
    if alone > 0:
        last = "last" if alone == 1 else f"last {alone}"
        for_good = f"gave up: it had the {last} of them for itself"
    reason = Reason(ReasonCode.TASKMASTER_LOST, text)
    return lose(record, reason, by, for_good=for_good)
