"""Queues a task again after an attempt, and says what is left of that in its logs.

All that belongs to the earlier attempt is deleted, so that nothing of two attempts is
ever mixed; its cause, times and node stay in two lines of ``system_logs``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from tesk_model.attempt_lines import (
    EndedAttempt,
    format_attempt,
    format_time,
    node_names,
)
from tesk_model.reasons import NO_REASON, Reason, ReasonCode
from tesk_scheduler.domain.attempt_rules import AttemptRules
from tesk_scheduler.domain.deadlines import with_due
from tesk_scheduler.domain.memory_raise import format_raise
from tesk_scheduler.domain.records import TaskRecord
from tesk_scheduler.domain.retry_policy import Retry
from tesk_scheduler.domain.transitions import requeued
from tesk_scheduler.domain.waits import NO_HISTORY, WaitHistory

# Of an attempt with a node for each of many executors.
_MAX_NODES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class LostAttempt:
    """An attempt that another one follows.

    Attributes:
        record: Of the task, before.
        following: Of the task, queued again.
        reason: Why the attempt ended.
        retry: As decided.
    """

    record: TaskRecord
    following: TaskRecord
    reason: Reason
    retry: Retry


def requeue(
    record: TaskRecord, reason: Reason, retry: Retry, now: datetime, rules: AttemptRules
) -> LostAttempt:
    """Queue a task for another attempt, not before its pause is over."""
    after = requeued(record, now)
    not_before = now + retry.after if retry.after else None
    after = after.replaced(
        losses=retry.losses,
        not_before=not_before,
        demand=rules.next_demand(record, reason.code),
        reason=_pause_reason(record, reason, not_before),
        history=WaitHistory(since=now) if not_before else NO_HISTORY,
    )
    return LostAttempt(
        record=record,
        following=with_due(after, rules.times),
        reason=reason,
        retry=retry,
    )


def describe_lost(lost: LostAttempt, metadata: Mapping[str, str]) -> Sequence[str]:
    """Describe an attempt that another one follows, for ``system_logs``.

    Args:
        lost: The attempt.
        metadata: Of it; it names the nodes of its steps.
    """
    before, after = lost.record, lost.following
    pause = after.not_before
    text = format_attempt(
        EndedAttempt(
            number=before.attempt,
            began=before.started_at or before.queued_at,
            ended=after.queued_at,
            nodes=_nodes(metadata),
            code=lost.reason.code,
            counts=lost.retry.counts,
        ),
        "at once" if pause is None else f"not before {format_time(pause)}",
    )
    if after.demand == before.demand:
        return [text]
    return [text, format_raise(before.demand, after.demand)]


def _nodes(metadata: Mapping[str, str]) -> str:
    nodes = node_names(metadata)
    more = f" and {len(nodes) - _MAX_NODES} more" if len(nodes) > _MAX_NODES else ""
    return f"{' '.join(nodes[:_MAX_NODES])}{more}"


def _pause_reason(
    record: TaskRecord, reason: Reason, not_before: datetime | None
) -> Reason:
    if not_before is None:
        return NO_REASON
    cause = reason.text or reason.code or "unknown reason"
    return Reason(
        ReasonCode.RETRY_BACKOFF,
        f"attempt {record.attempt + 1} waits until {format_time(not_before)}, after"
        f" attempt {record.attempt}: {cause}",
    )
