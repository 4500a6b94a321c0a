"""Events of an attempt on the wire (``tesk.v1``) and in the domain.

``event_from_wire(event_to_wire(event)) == event``.
"""

from datetime import datetime

from tesk.v1 import assignment_service_pb2 as pb
from tesk_model.errors import InvalidRequestError, Violation
from tesk_model.events import (
    ExecutorEnded,
    ExecutorOutput,
    ExecutorStarted,
    Finished,
    Happening,
    Metadata,
    Note,
    Outcome,
    ReasonChanged,
    Released,
    TaskEvent,
    Verdict,
)
from tesk_model.names import Attempt, is_task_id
from tesk_model.reasons import Reason, reason_code
from tesk_model.task import TaskId
from tesk_runtime.rpc.wire import timestamp_from_wire, timestamp_to_wire

_OUTCOME_PREFIX = "OUTCOME_"
_VERDICT_PREFIX = "EVENT_VERDICT_"
_MOST_EXECUTORS = 100_000
_HIGHEST_CODE = 255


def attempt_to_wire(attempt: Attempt) -> pb.Attempt:
    """Convert the name of an attempt."""
    return pb.Attempt(task_id=attempt.task_id, number=attempt.number)


def attempt_from_wire(message: pb.Attempt) -> Attempt:
    """Convert the name of an attempt.

    Raises:
        InvalidRequestError: It cannot be the name of one.
    """
    if not is_task_id(message.task_id):
        raise _refuse("attempt.task_id", "is not the id of a task")
    if message.number < 1:
        raise _refuse("attempt.number", "counts from 1")
    return Attempt(TaskId(message.task_id), message.number)


def verdict_to_wire(verdict: Verdict) -> "pb.EventVerdict.ValueType":
    """Convert a verdict."""
    return pb.EventVerdict.Value(_VERDICT_PREFIX + verdict.value)


def verdict_from_wire(verdict: "pb.EventVerdict.ValueType") -> Verdict:
    """Convert a verdict; one that is not known here is a refusal."""
    try:
        return Verdict(pb.EventVerdict.Name(verdict).removeprefix(_VERDICT_PREFIX))
    except ValueError:
        return Verdict.REFUSED


def event_to_wire(event: TaskEvent) -> pb.TaskEvent:
    """Convert one event."""
    message = pb.TaskEvent(
        attempt=attempt_to_wire(event.attempt),
        sequence=event.sequence,
        time=timestamp_to_wire(event.time),
    )
    match event.what:
        case ReasonChanged(reason, since):
            message.reason, message.reason_code = reason.text, reason.code
            if since:
                message.held_up_since.FromDatetime(since)
        case Note(text):
            message.note = text
        case Metadata(entries):
            message.metadata.SetInParent()
            message.metadata.entries.update(entries)
        case ExecutorStarted(index):
            message.executor_started.SetInParent()
            message.executor_started.index = index
        case ExecutorOutput(index, stdout, stderr):
            message.executor_output.CopyFrom(
                pb.ExecutorOutput(index=index, stdout=stdout, stderr=stderr)
            )
        case ExecutorEnded():
            message.executor_ended.CopyFrom(_ended_to_wire(event.what))
        case Finished(outcome, reason):
            message.finished.outcome = pb.Outcome.Value(_OUTCOME_PREFIX + outcome.value)
            message.finished.reason = reason.text
            message.finished.reason_code = reason.code
        case Released(left):
            message.released.SetInParent()
            message.released.left = left
    return message


def event_from_wire(message: pb.TaskEvent) -> TaskEvent:
    """Convert one event.

    Raises:
        InvalidRequestError: Part of it is missing or unknown here.
    """
    if message.sequence < 1:
        raise _refuse("sequence", "counts from 1")
    return TaskEvent(
        attempt=attempt_from_wire(message.attempt),
        sequence=message.sequence,
        time=timestamp_from_wire(message.time),
        what=_happening(message),
    )


def _happening(  # noqa: PLR0911 - one for each kind of event
    message: pb.TaskEvent,
) -> Happening:
    match message.WhichOneof("event"):
        case "reason":
            reason = Reason(reason_code(message.reason_code), message.reason)
            return ReasonChanged(reason, _time(message, "held_up_since"))
        case "note":
            return Note(message.note)
        case "executor_started":
            return ExecutorStarted(_index(message.executor_started.index))
        case "executor_output":
            output = message.executor_output
            return ExecutorOutput(_index(output.index), output.stdout, output.stderr)
        case "executor_ended":
            return _ended_from_wire(message.executor_ended)
        case "finished":
            return _finished_from_wire(message.finished)
        case "released":
            return Released(message.released.left)
        case "metadata":
            return Metadata(dict(message.metadata.entries))
        case _:
            raise _refuse("event", "is missing or not known here")


def _ended_to_wire(ended: ExecutorEnded) -> pb.ExecutorEnded:
    message = pb.ExecutorEnded(
        index=ended.index,
        exit_code=ended.exit_code,
        stdout=ended.stdout,
        stderr=ended.stderr,
    )
    if ended.start_time:
        message.start_time.FromDatetime(ended.start_time)
    if ended.end_time:
        message.end_time.FromDatetime(ended.end_time)
    return message


def _ended_from_wire(message: pb.ExecutorEnded) -> ExecutorEnded:
    return ExecutorEnded(
        index=_index(message.index),
        exit_code=_exit_code(message.exit_code),
        stdout=message.stdout,
        stderr=message.stderr,
        start_time=_time(message, "start_time"),
        end_time=_time(message, "end_time"),
    )


def _time(message: pb.TaskEvent | pb.ExecutorEnded, field: str) -> datetime | None:
    if not message.HasField(field):  # type: ignore[arg-type]  # each has its own names
        return None
    return timestamp_from_wire(getattr(message, field))


def _finished_from_wire(message: pb.Finished) -> Finished:
    try:
        name = pb.Outcome.Name(message.outcome).removeprefix(_OUTCOME_PREFIX)
        reason = Reason(reason_code(message.reason_code), message.reason)
        return Finished(Outcome(name), reason)
    except ValueError as error:
        raise _refuse("finished.outcome", "is missing or not known here") from error


def _index(index: int) -> int:
    if not 0 <= index < _MOST_EXECUTORS:
        raise _refuse("index", f"must be from 0 to {_MOST_EXECUTORS - 1}")
    return index


def _exit_code(code: int) -> int:
    if not 0 <= code <= _HIGHEST_CODE:
        raise _refuse("exit_code", f"must be from 0 to {_HIGHEST_CODE}")
    return code


def _refuse(field: str, problem: str) -> InvalidRequestError:
    return InvalidRequestError([Violation(f"events.{field}", problem)])
