"""Turns the events of taskmasters into states and logs.

A pure function from (record, event) to an ``Effect``. Rules:

- An event counts once: what is not newer than the last one is a DUPLICATE.
- An event of another attempt, from another taskmaster, or of an attempt that
  is over is REFUSED, except the ``Released`` that ends the attempt.
- A final state stays. The end of a task that is being canceled is CANCELED,
  however the attempt ended.
- An executor that ended has started.
- What an executor waited for is forgotten when it starts.
- A lost attempt is followed by another, as the rules of retries say; its logs are
  deleted and two lines stay. So is one whose executor failed, if the task asks for it.
- An attempt that the leader stops ends the task with the reason for that, unless it
  ended by itself before.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from tesk_model.events import (
    CandidateRejected,
    EventVerdict,
    ExecutorEnded,
    ExecutorOutput,
    ExecutorStarted,
    Finished,
    Metadata,
    Notice,
    Outcome,
    ReasonChanged,
    Released,
    TaskEvent,
)
from tesk_model.reasons import NO_REASON, Reason, ReasonCode
from tesk_model.states import TaskState
from tesk_scheduler.domain.attempt_rules import AttemptRules
from tesk_scheduler.domain.bounds import stream_tail
from tesk_scheduler.domain.deadlines import with_due
from tesk_scheduler.domain.executor_logs import log_of_end, truncation_note
from tesk_scheduler.domain.lost_attempts import LostAttempt, requeue
from tesk_scheduler.domain.occurrences import (
    AttemptLost,
    ExecutorExited,
    Occurrence,
    StepStarted,
    seconds_of,
    step_of_executor,
)
from tesk_scheduler.domain.records import ExecutorLogChange, TaskRecord
from tesk_scheduler.domain.retry_policy import GiveUp
from tesk_scheduler.domain.transitions import with_reason, with_state

_ON_REQUEST = Reason(ReasonCode.CANCELED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What an event changes in the store.

    Attributes:
        record: The task afterwards.
        lines: To append to ``system_logs``.
        end: How the attempt ended; ``lines`` say so to people.
        executor: Of one executor's log.
        metadata: To merge.
        lost: The attempt, if another one follows: its logs, outputs and metadata are
            deleted first.
    """

    verdict: EventVerdict
    record: TaskRecord
    lines: tuple[str, ...] = ()
    end: Reason | None = None
    executor: ExecutorLogChange | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    lost: LostAttempt | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reporter:
    """Which taskmaster reports, when, and the rules for attempts."""

    taskmaster: str
    now: datetime
    rules: AttemptRules = field(default_factory=AttemptRules)


def apply_event(record: TaskRecord, event: TaskEvent, by: Reporter) -> Effect:
    """Decide what ``event`` means for ``record``."""
    if event.attempt.number != record.attempt or record.taskmaster != by.taskmaster:
        return Effect(verdict=EventVerdict.REFUSED, record=record)
    if event.sequence <= record.last_sequence:
        return Effect(verdict=EventVerdict.DUPLICATE, record=record)
    if record.released:
        return Effect(verdict=EventVerdict.REFUSED, record=record)
    seen = record.replaced(last_sequence=event.sequence)
    if isinstance(event.payload, Released):
        effect = _release(seen, by)
        return replace(effect, lines=effect.lines + _leftover_note(event.payload.left))
    if not record.attempt_runs:
        return Effect(verdict=EventVerdict.REFUSED, record=record)
    return _apply_current(seen, event, by)


def occurrences_of_effect(effect: Effect) -> Iterator[Occurrence]:
    """Return what an event means beyond the change of its record."""
    task_id, attempt = effect.record.id, effect.record.attempt
    if effect.lost:
        reason = effect.end.code if effect.end else ReasonCode.NONE
        began = effect.record.started_at or effect.record.queued_at
        yield AttemptLost(
            task_id=task_id,
            attempt=attempt,
            reason=reason,
            run_seconds=seconds_of(effect.record.queued_at - began),
        )
    change = effect.executor
    if change is None:
        return
    step = step_of_executor(change.index)
    if change.exit_code is not None:
        yield ExecutorExited(
            task_id=task_id, attempt=attempt, step=step, exit_code=change.exit_code
        )
    elif change.started_at is not None:
        yield StepStarted(task_id=task_id, attempt=attempt, step=step)


def _apply_current(  # noqa: PLR0911 - one for each kind of event
    record: TaskRecord, event: TaskEvent, by: Reporter
) -> Effect:
    match event.payload:
        case ReasonChanged(reason, since):
            explained = with_reason(record, reason, by.now)
            return _applied(explained.replaced(held_up_since=since))
        case Notice(text):
            return _applied(record, lines=(text,))
        case Metadata(entries):
            return _applied(record, metadata=entries)
        case ExecutorStarted(index):
            change = ExecutorLogChange(index=index, started_at=event.time)
            return _applied(_executor_started(record, by), executor=change)
        case ExecutorOutput(index, stdout, stderr):
            change = ExecutorLogChange(
                index=index,
                stdout=stream_tail(stdout, index) or None,
                stderr=stream_tail(stderr, index) or None,
            )
            return _applied(_started(record, by), executor=change)
        case ExecutorEnded(exit_code=code):
            went_on = _started(record, by).replaced(takeovers=0, last_exit_code=code)
            last = log_of_end(event.payload)
            return _applied(
                went_on, executor=last, lines=truncation_note(event.payload)
            )
        case CandidateRejected():
            return _applied(record)  # the call cache notes it
        case Finished(outcome, reason):
            return _finish(record, outcome, reason, by)
        case _:  # Released, handled by the caller
            return _release(record, by)


def _applied(
    record: TaskRecord,
    *,
    lines: tuple[str, ...] = (),
    end: Reason | None = None,
    executor: ExecutorLogChange | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Effect:
    return Effect(
        verdict=EventVerdict.APPLIED,
        record=record,
        lines=lines,
        end=end,
        executor=executor,
        metadata=metadata or {},
    )


def _started(record: TaskRecord, by: Reporter) -> TaskRecord:
    record = record.replaced(held_up_since=None)
    if record.state is not TaskState.INITIALIZING:
        return record
    runs = with_state(record, TaskState.RUNNING, by.now)
    runs = with_reason(runs, NO_REASON, by.now)
    return with_due(runs.replaced(running_since=by.now), by.rules.times)


def _executor_started(record: TaskRecord, by: Reporter) -> TaskRecord:
    record = _started(record, by)
    if record.state is not TaskState.RUNNING or record.stop.code:
        return record  # its reason is that it is to end
    return with_reason(record, NO_REASON, by.now)


def _finish(
    record: TaskRecord, outcome: Outcome, reason: Reason, by: Reporter
) -> Effect:
    lines = (reason.text,) if reason.text else ()
    if record.state is TaskState.CANCELING:
        return _ended(record, TaskState.CANCELED, _ON_REQUEST, by, lines)
    if outcome is Outcome.LOST:
        return lose(record, reason, by)
    if outcome is Outcome.CANCELED and record.stop.code:
        return _stopped(record, by)
    if outcome is Outcome.CANCELED:
        # Nobody asked for it, so it is a fault of the system.
        code = reason.code or ReasonCode.TASKMASTER_FAILED
        why = (reason.text or "the taskmaster canceled the attempt unasked",)
        return _ended(record, TaskState.SYSTEM_ERROR, Reason(code, why[0]), by, why)
    state = TaskState(outcome.value)
    if state is not TaskState.SYSTEM_ERROR:
        record = _started(record, by)
    if state is TaskState.EXECUTOR_ERROR:
        return _fail(record, reason, by)
    return _ended(record, state, reason, by, lines)


def _fail(record: TaskRecord, reason: Reason, by: Reporter) -> Effect:
    """End the task, or queue another attempt if the task asks for it."""
    reason = replace(reason, code=reason.code or ReasonCode.EXECUTOR_FAILED)
    lines = (reason.text,) if reason.text else ()
    if by.rules.wants_retry(record, reason.code):
        decision = by.rules.retries.decide(record, reason)
        if not isinstance(decision, GiveUp):
            failed = f"attempt {record.attempt} failed: {reason.text or reason.code}"
            return _requeued(
                requeue(record, reason, decision, by.now, by.rules), failed
            )
        lines = (*lines, decision.text)
    return _ended(record, TaskState.EXECUTOR_ERROR, reason, by, lines)


def lose(
    record: TaskRecord, reason: Reason, by: Reporter, *, for_good: str = ""
) -> Effect:
    """Lose the attempt: queue another, or end the task after the last.

    Args:
        record: Of the task.
        reason: Of the loss.
        by: When, and the rules.
        for_good: Why no attempt follows in any case; "": the rules decide.
    """
    line = f"attempt {record.attempt} was lost: {reason.text or 'unknown reason'}"
    if record.state is TaskState.CANCELING:
        return _ended(record, TaskState.CANCELED, _ON_REQUEST, by, (line,))
    if record.stop.code:
        return _stopped(record, by)
    decision = GiveUp(for_good) if for_good else by.rules.retries.decide(record, reason)
    if isinstance(decision, GiveUp):
        lines = (line, decision.text)
        return _ended(record, TaskState.SYSTEM_ERROR, reason, by, lines)
    return _requeued(requeue(record, reason, decision, by.now, by.rules), line)


def _requeued(lost: LostAttempt, line: str) -> Effect:
    return Effect(
        verdict=EventVerdict.APPLIED,
        record=lost.following,
        lines=(line,),
        end=lost.reason,
        lost=lost,
    )


def _stopped(record: TaskRecord, by: Reporter) -> Effect:
    """End a task whose attempt the leader stopped."""
    lines = (record.stop.text,)
    return _ended(record, TaskState.SYSTEM_ERROR, record.stop, by, lines)


def _ended(
    record: TaskRecord,
    state: TaskState,
    end: Reason,
    by: Reporter,
    lines: tuple[str, ...],
) -> Effect:
    after = with_state(record, state, by.now, cause=end.code)
    return _applied(after, lines=lines, end=end)


def _leftover_note(left: str) -> tuple[str, ...]:
    return (f"not all of its files could be removed: {left}",) if left else ()


def _release(record: TaskRecord, by: Reporter) -> Effect:
    released = record.replaced(released=True)
    if not record.attempt_runs:
        return _applied(released)
    if record.state is TaskState.CANCELING:
        return _ended(released, TaskState.CANCELED, _ON_REQUEST, by, ())
    if record.stop.code:
        return _stopped(released, by)
    reason = Reason(
        ReasonCode.TASKMASTER_FAILED, "its taskmaster released it without an outcome"
    )
    return lose(released, reason, by)
