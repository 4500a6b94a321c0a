"""Turns the events of taskmasters into states and logs.

A pure function from (record, event) to an ``Effect``. Rules:

- An event counts once: what is not newer than the last one is a DUPLICATE.
- An event of another attempt, from another taskmaster, or of an attempt that
  is over is REFUSED, except the ``Released`` that ends the attempt.
- A final state stays. The end of a task that is being canceled is CANCELED,
  however the attempt ended.
- An executor that ended has started.
- A lost attempt is followed by another, up to a limit; its logs are deleted and
  one line stays.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from tesk_model.events import (
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
from tesk_scheduler.domain.bounds import KIB, size_of, stream_bytes, stream_tail
from tesk_scheduler.domain.occurrences import (
    AttemptLost,
    ExecutorExited,
    Occurrence,
    StepStarted,
    seconds_of,
    step_of_executor,
)
from tesk_scheduler.domain.records import ExecutorLogChange, TaskRecord
from tesk_scheduler.domain.transitions import requeued, with_state

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
        clears_attempt: First delete the logs, outputs and metadata of the attempt.
    """

    verdict: EventVerdict
    record: TaskRecord
    lines: tuple[str, ...] = ()
    end: Reason | None = None
    executor: ExecutorLogChange | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    clears_attempt: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reporter:
    """Which taskmaster reports, when, and how often an attempt may be lost."""

    taskmaster: str
    now: datetime
    max_attempts: int


def apply_event(record: TaskRecord, event: TaskEvent, by: Reporter) -> Effect:
    """Decide what ``event`` means for ``record``."""
    if event.attempt.number != record.attempt or record.taskmaster != by.taskmaster:
        return Effect(verdict=EventVerdict.REFUSED, record=record)
    if event.sequence <= record.last_sequence:
        return Effect(verdict=EventVerdict.DUPLICATE, record=record)
    if record.released:
        return Effect(verdict=EventVerdict.REFUSED, record=record)
    seen = replace(record, last_sequence=event.sequence)
    if isinstance(event.payload, Released):
        effect = _release(seen, by)
        return replace(effect, lines=effect.lines + _leftover_note(event.payload.left))
    if not record.attempt_runs:
        return Effect(verdict=EventVerdict.REFUSED, record=record)
    return _apply_current(seen, event, by)


def occurrences_of_effect(effect: Effect) -> Iterator[Occurrence]:
    """Return what an event means beyond the change of its record."""
    task_id, attempt = effect.record.id, effect.record.attempt
    if effect.clears_attempt:
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
            return _applied(replace(record, reason=reason, held_up_since=since))
        case Notice(text):
            return _applied(record, lines=(text,))
        case Metadata(entries):
            return _applied(record, metadata=entries)
        case ExecutorStarted(index):
            change = ExecutorLogChange(index=index, started_at=event.time)
            return _applied(_started(record, by.now), executor=change)
        case ExecutorOutput(index, stdout, stderr):
            change = ExecutorLogChange(
                index=index,
                stdout=stream_tail(stdout, index) or None,
                stderr=stream_tail(stderr, index) or None,
            )
            return _applied(_started(record, by.now), executor=change)
        case ExecutorEnded():
            went_on = replace(_started(record, by.now), takeovers=0)
            last = _executor_end(event.payload)
            return _applied(
                went_on, executor=last, lines=_truncation_note(event.payload)
            )
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


def _executor_end(ended: ExecutorEnded) -> ExecutorLogChange:
    return ExecutorLogChange(
        index=ended.index,
        started_at=ended.start_time,
        ended_at=ended.end_time,
        exit_code=ended.exit_code,
        # A successor that cannot read a stream does not erase what was reported.
        stdout=stream_tail(ended.stdout, ended.index) or None,
        stderr=stream_tail(ended.stderr, ended.index) or None,
    )


def _truncation_note(ended: ExecutorEnded) -> tuple[str, ...]:
    """Return the line that streams were truncated, if they were."""
    name, most = f"executors[{ended.index}]", stream_bytes(ended.index)
    if max(size_of(ended.stdout), size_of(ended.stderr)) <= most:
        return ()
    if not most:
        return (f"{name}: stdout and stderr are not kept of so many executors",)
    return (f"{name}: only the last {most // KIB} KiB of each stream are kept",)


def _started(record: TaskRecord, now: datetime) -> TaskRecord:
    record = replace(record, held_up_since=None)
    if record.state is TaskState.INITIALIZING:
        return replace(with_state(record, TaskState.RUNNING, now), reason=NO_REASON)
    return record


def _finish(
    record: TaskRecord, outcome: Outcome, reason: Reason, by: Reporter
) -> Effect:
    lines = (reason.text,) if reason.text else ()
    if record.state is TaskState.CANCELING:
        return _ended(record, TaskState.CANCELED, _ON_REQUEST, by, lines)
    if outcome is Outcome.LOST:
        return lose(record, reason, by)
    if outcome is Outcome.CANCELED:
        # The user did not ask for it, so it is a fault of the system.
        code = reason.code or ReasonCode.TASKMASTER_FAILED
        why = (reason.text or "the taskmaster canceled the attempt unasked",)
        return _ended(record, TaskState.SYSTEM_ERROR, Reason(code, why[0]), by, why)
    state = TaskState(outcome.value)
    if state is not TaskState.SYSTEM_ERROR:
        record = _started(record, by.now)
    if state is TaskState.EXECUTOR_ERROR and not reason.code:
        reason = replace(reason, code=ReasonCode.EXECUTOR_FAILED)
    return _ended(record, state, reason, by, lines)


def lose(record: TaskRecord, reason: Reason, by: Reporter) -> Effect:
    """Lose the attempt: queue another, or end the task after the last."""
    line = f"attempt {record.attempt} was lost: {reason.text or 'unknown reason'}"
    if record.state is TaskState.CANCELING:
        return _ended(record, TaskState.CANCELED, _ON_REQUEST, by, (line,))
    if record.attempt >= by.max_attempts:
        lines = (line, f"gave up after {record.attempt} attempts")
        return _ended(record, TaskState.SYSTEM_ERROR, reason, by, lines)
    return Effect(
        verdict=EventVerdict.APPLIED,
        record=requeued(record, by.now),
        lines=(line,),
        end=reason,
        clears_attempt=True,
    )


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
    released = replace(record, released=True)
    if not record.attempt_runs:
        return _applied(released)
    if record.state is TaskState.CANCELING:
        return _ended(released, TaskState.CANCELED, _ON_REQUEST, by, ())
    reason = Reason(
        ReasonCode.TASKMASTER_FAILED, "its taskmaster released it without an outcome"
    )
    return lose(released, reason, by)
