"""Says where the time of a task went, and which attempts it had; pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from tesk_api.domain.report import log_of
from tesk_model.attempt_lines import EndedAttempt, ended_attempts, node_names
from tesk_model.progress import format_seconds
from tesk_model.states import TaskState
from tesk_model.task import ExecutorLog, Task, TaskLog

# Of a task with more attempts or executors the earlier ones are one part.
_MOST_ATTEMPTS = 8
_MOST_EXECUTORS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A part of the timeline.

    Attributes:
        kind: ``queued``, ``attempt``, ``inputs``, ``executor``, ``gap`` or ``outputs``.
        start: Of the whole, in percent.
        width: Likewise.
        text: Its duration, in words.
    """

    kind: str
    name: str
    start: float
    width: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRow:
    """One attempt; None and "" for what is not known, or not yet."""

    number: int
    began: datetime | None
    ended: datetime | None
    nodes: str
    code: str
    cause: str


def attempt_rows(task: Task) -> list[AttemptRow]:
    """Return all attempts of a task, in order."""
    log = log_of(task)
    earlier = ended_attempts(log.system_logs)
    rows = [
        AttemptRow(
            number=each.number,
            began=each.began,
            ended=each.ended,
            nodes=each.nodes,
            code=each.code,
            cause=each.cause,
        )
        for each in earlier
    ]
    started = _start_of(task, log)
    if started is None:
        return rows
    present = AttemptRow(
        number=earlier[-1].number + 1 if earlier else 1,
        began=started,
        ended=log.end_time,
        nodes=" ".join(node_names(log.metadata)),
        code=task.reason_code if log.end_time else "",
        cause="",
    )
    return [*rows, present]


def timeline(task: Task, now: datetime) -> list[Span]:
    """Return what the time of a task went into, from its creation to its end.

    Without a start of the attempt there is the queue alone.
    """
    log = log_of(task)
    begin = task.creation_time or log.start_time
    if begin is None:
        return []
    end = max(log.end_time or now, begin)
    total = max((end - begin).total_seconds(), 0.001)
    return [
        Span(
            kind=kind,
            name=name,
            start=100 * (start - begin).total_seconds() / total,
            width=100 * (stop - start).total_seconds() / total,
            text=format_seconds((stop - start).total_seconds()),
        )
        for kind, name, start, stop in _periods(task, (begin, end))
        if stop > start
    ]


_Period = tuple[str, str, datetime, datetime]
"""Kind, name, beginning and end."""


def _periods(task: Task, whole: tuple[datetime, datetime]) -> Iterator[_Period]:
    """Yield what followed one another."""
    log = log_of(task)
    at = whole[0]
    for period in _earlier(ended_attempts(log.system_logs), whole):
        yield period
        at = period[3]
    started = _start_of(task, log)
    if started is None:
        yield "queued", "in the queue", at, whole[1]
        return
    begun = max(_within(started, whole), at)
    yield "queued", "in the queue", at, begun
    yield from _of_attempt(log, begun, whole)


def _earlier(
    attempts: Sequence[EndedAttempt], whole: tuple[datetime, datetime]
) -> Iterator[_Period]:
    at = whole[0]
    merged = attempts[:-_MOST_ATTEMPTS]
    if merged:
        ended = _within(merged[-1].ended, whole)
        yield "attempt", f"attempts 1 to {merged[-1].number}", at, ended
        at = ended
    for each in attempts[len(merged) :]:
        began = max(_within(each.began, whole), at)
        ended = max(_within(each.ended, whole), began)
        yield "queued", "in the queue", at, began
        code = f", {each.code}" if each.code else ""
        yield "attempt", f"attempt {each.number}{code}", began, ended
        at = ended


def _of_attempt(
    log: TaskLog, at: datetime, whole: tuple[datetime, datetime]
) -> Iterator[_Period]:
    before = "inputs", "image and inputs"
    for name, began, ended in _executors(log.logs):
        start = _within(began, whole)
        yield *before, at, start
        at = _within(ended, whole) if ended else whole[1]
        yield "executor", name, start, at
        before = "gap", "between"
    last = ("outputs", "outputs") if log.logs else ("inputs", "image and inputs")
    yield *last, at, whole[1]


def _executors(
    logs: Sequence[ExecutorLog],
) -> Iterator[tuple[str, datetime, datetime | None]]:
    """Yield name, beginning and end of those that have begun."""
    begun = [
        (index, each.start_time, each.end_time)
        for index, each in enumerate(logs)
        if each.start_time is not None
    ]
    earlier = begun[:-_MOST_EXECUTORS]
    if earlier:
        (first, start, _), (last, _, end) = earlier[0], earlier[-1]
        yield f"executors {first} to {last}", start, end
    for index, start, end in begun[len(earlier) :]:
        yield f"executor {index}", start, end


def _start_of(task: Task, log: TaskLog) -> datetime | None:
    """Return when the present attempt began: a queued task has none yet."""
    return None if task.state is TaskState.QUEUED else log.start_time


def _within(moment: datetime, whole: tuple[datetime, datetime]) -> datetime:
    return min(max(moment, whole[0]), whole[1])
