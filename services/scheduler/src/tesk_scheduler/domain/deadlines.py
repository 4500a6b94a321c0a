"""Limits how long a task waits and how long an attempt runs.

Each time has up to three limits: a setting, the quota for one task, and a backend
parameter of the task. The smallest holds, and the reason names it.

Queue time counts from when the task was queued, pauses before another attempt included;
it begins anew with each attempt. Run time counts from the start of the first executor
(state RUNNING) to the end of the attempt: what comes before that depends on the cluster
and not on the task, and waits in queues of the cluster have no limit of time
(docs/adr/0064). A limit that was lowered holds for what is queued or started from then
on; one that was raised holds at once.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from tesk_model.attempt_parameters import AttemptParameters
from tesk_model.progress import format_seconds
from tesk_model.reasons import NO_REASON, Reason, ReasonCode
from tesk_model.states import TaskState
from tesk_scheduler.domain.records import TaskRecord
from tesk_scheduler.domain.transitions import with_reason, with_state
from tesk_scheduler.domain.waits import continued


class TimeKind(StrEnum):
    """Which time is limited; the name of its settings and parameter."""

    QUEUE = "max_queue_time"
    RUN = "max_run_time"


_QUOTA_NAMES = {TimeKind.QUEUE: "max_queue_time", TimeKind.RUN: "max_runtime"}


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeLimit:
    """The limit that holds, and where it is given, for people."""

    most: timedelta
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeLimits:
    """The limits of the installation; None: there is none.

    Attributes:
        queue: By the settings.
        run: By the settings.
        quota_queue: Of one task, by the quota.
        quota_run: Of one task, by the quota.
    """

    queue: timedelta | None = None
    run: timedelta | None = None
    quota_queue: timedelta | None = None
    quota_run: timedelta | None = None

    def limit(self, asked: AttemptParameters, kind: TimeKind) -> TimeLimit | None:
        """Return the smallest limit of a time; None if there is none."""
        if kind is TimeKind.QUEUE:
            own, quota, setting = asked.max_queue_time, self.quota_queue, self.queue
        else:
            own, quota, setting = asked.max_run_time, self.quota_run, self.run
        given = (
            (own, f"the backend parameter {kind} of the task"),
            (quota, f"quota.per_task.{_QUOTA_NAMES[kind]}"),
            (setting, f"the setting scheduler.{kind}"),
        )
        limits = [
            TimeLimit(most=most, source=source)
            for most, source in given
            if most is not None
        ]
        return min(limits, key=lambda each: each.most, default=None)


NO_TIME_LIMITS = TimeLimits()


def first_due(
    queued_at: datetime, asked: AttemptParameters, limits: TimeLimits
) -> datetime | None:
    """Return when a new task has waited for too long; None: it may wait for ever."""
    limit = limits.limit(asked, TimeKind.QUEUE)
    return None if limit is None else queued_at + limit.most


def with_due(record: TaskRecord, limits: TimeLimits) -> TaskRecord:
    """Return the record with the time at which ``settle`` has something to do."""
    times = [record.not_before, _deadline(record, limits)]
    known = [time for time in times if time is not None]
    return record.replaced(due_at=min(known, default=None))


def settle(record: TaskRecord, limits: TimeLimits, now: datetime) -> TaskRecord:
    """Do what is due for a task: end its pause, end it, or have its attempt stopped.

    Returns:
        A record that is due later, or not at all. It is final if the task has waited
        for too long, and has a reason to be stopped if it has run for too long.
    """
    deadline = _deadline(record, limits)
    if deadline is not None and deadline <= now:
        if record.state is TaskState.QUEUED:
            return _expired(record, now)
        why = _run_too_long(record, limits)
        return with_reason(record.replaced(due_at=None, stop=why), why, now)
    if record.not_before is not None and record.not_before <= now:
        record = _after_pause(record, now)
    return with_due(record, limits)


def queue_limit_line(record: TaskRecord, limits: TimeLimits) -> str:
    """Format why a task ended that had waited for too long."""
    limit = limits.limit(record.parameters, TimeKind.QUEUE)
    return _too_long("waited in the queue", limit) if limit else ""


def _deadline(record: TaskRecord, limits: TimeLimits) -> datetime | None:
    asked = record.parameters
    if record.state is TaskState.QUEUED:
        limit, since = limits.limit(asked, TimeKind.QUEUE), record.queued_at
    elif record.state is TaskState.RUNNING and not record.stop.code:
        if record.running_since is None:
            return None
        limit, since = limits.limit(asked, TimeKind.RUN), record.running_since
    else:
        return None
    return None if limit is None else since + limit.most


def _expired(record: TaskRecord, now: datetime) -> TaskRecord:
    code = ReasonCode.QUEUE_TIME_EXCEEDED
    return with_state(record, TaskState.SYSTEM_ERROR, now, cause=code)


def _after_pause(record: TaskRecord, now: datetime) -> TaskRecord:
    goes_on = record.replaced(not_before=None)
    if record.reason.code is not ReasonCode.RETRY_BACKOFF:
        return goes_on
    history = continued(
        record.history, record.reason, NO_REASON, began=record.queued_at, now=now
    )
    return goes_on.replaced(reason=NO_REASON, history=history)


def _run_too_long(record: TaskRecord, limits: TimeLimits) -> Reason:
    limit = limits.limit(record.parameters, TimeKind.RUN)
    return Reason(ReasonCode.RUN_TIME_EXCEEDED, _too_long("ran", limit))


def _too_long(what: str, limit: TimeLimit | None) -> str:
    if limit is None:
        return f"{what} for too long"
    most = format_seconds(limit.most.total_seconds())
    return f"{what} for longer than {most}, as {limit.source} allows"
