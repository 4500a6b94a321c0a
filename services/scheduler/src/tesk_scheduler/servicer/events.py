"""Events of taskmasters, from the wire."""

from tesk.v1 import assignment_service_pb2 as pb
from tesk_model.errors import InvalidRequestError, Violation
from tesk_runtime.rpc.wire import timestamp_from_wire
from tesk_scheduler.domain.events import (
    ExecutorEnded,
    ExecutorOutput,
    ExecutorStarted,
    Finished,
    Happening,
    MetadataAdded,
    NoteAdded,
    Outcome,
    ReasonGiven,
    Released,
    TaskEvent,
)
from tesk_scheduler.servicer.wire import attempt_from_wire

_OUTCOMES = {
    pb.OUTCOME_COMPLETE: Outcome.COMPLETE,
    pb.OUTCOME_EXECUTOR_ERROR: Outcome.EXECUTOR_ERROR,
    pb.OUTCOME_SYSTEM_ERROR: Outcome.SYSTEM_ERROR,
    pb.OUTCOME_CANCELED: Outcome.CANCELED,
    pb.OUTCOME_LOST: Outcome.LOST,
}


def event_from_wire(message: pb.TaskEvent) -> TaskEvent:
    """Convert one event.

    Raises:
        InvalidRequestError: Part of it is missing or unknown here.
    """
    if message.sequence < 1:
        raise _refuse("sequence", "counts from 1")
    return TaskEvent(
        attempt_from_wire(message.attempt.task_id, message.attempt.number),
        message.sequence,
        timestamp_from_wire(message.time),
        _happening(message),
    )


def _happening(  # noqa: PLR0911 - one for each kind of event
    message: pb.TaskEvent,
) -> Happening:
    match message.WhichOneof("event"):
        case "reason":
            return ReasonGiven(message.reason)
        case "note":
            return NoteAdded(message.note)
        case "executor_started":
            return ExecutorStarted(_index(message.executor_started.index))
        case "executor_output":
            output = message.executor_output
            return ExecutorOutput(_index(output.index), output.stdout, output.stderr)
        case "executor_ended":
            return _ended(message.executor_ended)
        case "finished":
            return _finished(message.finished)
        case "released":
            return Released()
        case "metadata":
            return MetadataAdded(dict(message.metadata.entries))
        case _:
            raise _refuse("event", "is missing or not known here")


def _ended(message: pb.ExecutorEnded) -> ExecutorEnded:
    return ExecutorEnded(
        index=_index(message.index),
        exit_code=message.exit_code,
        started_at=timestamp_from_wire(message.start_time)
        if message.HasField("start_time")
        else None,
        ended_at=timestamp_from_wire(message.end_time)
        if message.HasField("end_time")
        else None,
        stdout=message.stdout,
        stderr=message.stderr,
    )


def _finished(message: pb.Finished) -> Finished:
    outcome = _OUTCOMES.get(message.outcome)
    if outcome is None:
        raise _refuse("finished.outcome", "is missing or not known here")
    return Finished(outcome, message.reason)


def _index(index: int) -> int:
    if index < 0:
        raise _refuse("index", "must not be negative")
    return index


def _refuse(field: str, problem: str) -> InvalidRequestError:
    return InvalidRequestError([Violation(f"events.{field}", problem)])
