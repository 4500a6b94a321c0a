"""The one place where what taskmasters report becomes states and logs.

A pure function from (record, event) to an ``Effect``. Rules:

- An event counts once: what is not newer than the last one is a DUPLICATE.
- An event of another attempt, from another taskmaster, or of an attempt that
  is over is REFUSED, except the ``Released`` that ends the attempt.
- A final state stays. The end of a task that is being canceled is CANCELED,
  however the attempt ended.
- An executor that ended has started.
- A lost attempt is followed by another, up to a limit; its logs go and one
  line stays.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from tesk_model.names import Attempt
from tesk_model.states import TaskState
from tesk_scheduler.domain.records import ExecutorLogChange, TaskRecord
from tesk_scheduler.domain.transitions import moved, requeued


class Outcome(StrEnum):
    """How an attempt ended."""

    COMPLETE = "COMPLETE"
    EXECUTOR_ERROR = "EXECUTOR_ERROR"
    SYSTEM_ERROR = "SYSTEM_ERROR"
    CANCELED = "CANCELED"
    LOST = "LOST"


class Verdict(StrEnum):
    """What became of an event."""

    APPLIED = "APPLIED"
    DUPLICATE = "DUPLICATE"
    REFUSED = "REFUSED"


@dataclass(frozen=True, slots=True)
class ReasonGiven:
    """What the attempt waits for or does now."""

    text: str


@dataclass(frozen=True, slots=True)
class NoteAdded:
    """A line for ``system_logs``."""

    text: str


@dataclass(frozen=True, slots=True)
class ExecutorStarted:
    """The first process of an executor runs."""

    index: int


@dataclass(frozen=True, slots=True)
class ExecutorOutput:
    """What a running executor has printed last."""

    index: int
    stdout: str
    stderr: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorEnded:
    """An executor has ended."""

    index: int
    exit_code: int
    started_at: datetime | None
    ended_at: datetime | None
    stdout: str
    stderr: str


@dataclass(frozen=True, slots=True)
class MetadataAdded:
    """Entries for ``metadata``."""

    entries: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Finished:
    """The attempt has come to its end; its objects may still be there."""

    outcome: Outcome
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Released:
    """Nothing of the attempt is left."""


Happening = (
    ReasonGiven
    | NoteAdded
    | ExecutorStarted
    | ExecutorOutput
    | ExecutorEnded
    | MetadataAdded
    | Finished
    | Released
)


@dataclass(frozen=True, slots=True)
class TaskEvent:
    """One report; ``sequence`` counts from 1 within the attempt."""

    attempt: Attempt
    sequence: int
    time: datetime
    happening: Happening


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What an event changes.

    Attributes:
        record: The task afterwards.
        lines: To append to ``system_logs``.
        executor: Of one executor's log.
        metadata: To merge.
        forget: True: drop the logs, outputs and metadata of the attempt,
            before anything else.
    """

    verdict: Verdict
    record: TaskRecord
    lines: tuple[str, ...] = ()
    executor: ExecutorLogChange | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    forget: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reporter:
    """Who reports, when, and how often an attempt may be lost."""

    taskmaster: str
    now: datetime
    max_attempts: int


def apply_event(record: TaskRecord, event: TaskEvent, by: Reporter) -> Effect:
    """Decide what ``event`` means for ``record``."""
    if event.attempt.number != record.attempt or record.taskmaster != by.taskmaster:
        return Effect(verdict=Verdict.REFUSED, record=record)
    if event.sequence <= record.last_sequence:
        return Effect(verdict=Verdict.DUPLICATE, record=record)
    if record.released:
        return Effect(verdict=Verdict.REFUSED, record=record)
    seen = replace(record, last_sequence=event.sequence)
    if isinstance(event.happening, Released):
        return _release(seen, by)
    if not record.attempt_runs:
        return Effect(verdict=Verdict.REFUSED, record=record)
    return _happen(seen, event, by)


def _happen(  # noqa: PLR0911 - one for each kind of event
    record: TaskRecord, event: TaskEvent, by: Reporter
) -> Effect:
    match event.happening:
        case ReasonGiven(text):
            return _applied(replace(record, reason=text))
        case NoteAdded(text):
            return _applied(record, lines=(text,))
        case MetadataAdded(entries):
            return _applied(record, metadata=entries)
        case ExecutorStarted(index):
            change = ExecutorLogChange(index=index, started_at=event.time)
            return _applied(_started(record, by.now), executor=change)
        case ExecutorOutput(index, stdout, stderr):
            change = ExecutorLogChange(index=index, stdout=stdout, stderr=stderr)
            return _applied(_started(record, by.now), executor=change)
        case ExecutorEnded():
            went_on = replace(_started(record, by.now), takeovers=0)
            return _applied(went_on, executor=_last_word(event.happening))
        case Finished(outcome, reason):
            return _finish(record, outcome, reason, by)
        case _:  # Released, handled by the caller
            return _release(record, by)


def _applied(
    record: TaskRecord,
    *,
    lines: tuple[str, ...] = (),
    executor: ExecutorLogChange | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Effect:
    return Effect(
        verdict=Verdict.APPLIED,
        record=record,
        lines=lines,
        executor=executor,
        metadata=metadata or {},
    )


def _last_word(ended: ExecutorEnded) -> ExecutorLogChange:
    return ExecutorLogChange(
        index=ended.index,
        started_at=ended.started_at,
        ended_at=ended.ended_at,
        exit_code=ended.exit_code,
        stdout=ended.stdout,
        stderr=ended.stderr,
    )


def _started(record: TaskRecord, now: datetime) -> TaskRecord:
    if record.state is TaskState.INITIALIZING:
        return replace(moved(record, TaskState.RUNNING, now), reason="")
    return record


def _finish(record: TaskRecord, outcome: Outcome, reason: str, by: Reporter) -> Effect:
    lines = (reason,) if reason else ()
    if record.state is TaskState.CANCELING:
        return _applied(moved(record, TaskState.CANCELED, by.now), lines=lines)
    if outcome is Outcome.LOST:
        return lose(record, reason, by)
    if outcome is Outcome.CANCELED:
        # Nobody asked for it, so it is the system's doing.
        why = (reason or "the taskmaster canceled the attempt unasked",)
        return _applied(moved(record, TaskState.SYSTEM_ERROR, by.now), lines=why)
    state = TaskState(outcome.value)
    if state is not TaskState.SYSTEM_ERROR:
        record = _started(record, by.now)
    return _applied(moved(record, state, by.now), lines=lines)


def lose(record: TaskRecord, reason: str, by: Reporter) -> Effect:
    """Give the attempt up: queue another, or end the task after the last."""
    line = f"attempt {record.attempt} was lost: {reason or 'unknown reason'}"
    if record.state is TaskState.CANCELING:
        return _applied(moved(record, TaskState.CANCELED, by.now), lines=(line,))
    if record.attempt >= by.max_attempts:
        lines = (line, f"gave up after {record.attempt} attempts")
        return _applied(moved(record, TaskState.SYSTEM_ERROR, by.now), lines=lines)
    return Effect(
        verdict=Verdict.APPLIED,
        record=requeued(record, by.now),
        lines=(line,),
        forget=True,
    )


def _release(record: TaskRecord, by: Reporter) -> Effect:
    released = replace(record, released=True)
    if not record.attempt_runs:
        return _applied(released)
    if record.state is TaskState.CANCELING:
        return _applied(moved(released, TaskState.CANCELED, by.now))
    return lose(released, "its taskmaster let go of it", by)
