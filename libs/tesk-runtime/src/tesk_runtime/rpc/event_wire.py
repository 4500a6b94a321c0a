"""Converts events of an attempt between the wire (``tesk.v1``) and the domain.

``event_from_wire(event_to_wire(event)) == event``.
"""

from datetime import datetime
from typing import Any, TypeVar

from tesk.v1 import assignment_service_pb2 as pb
from tesk.v1.task_pb2 import Wait
from tesk_model.errors import InvalidRequestError, Violation
from tesk_model.events import (
    CandidateRejected,
    EventPayload,
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
from tesk_model.names import Attempt, is_task_id
from tesk_model.reasons import Reason, reason_code
from tesk_model.task import TaskId
from tesk_model.waits import NodeCause, WaitDetails, wait_scope
from tesk_runtime.rpc.documents import (
    EnumMembers,
    enum_to_wire,
    reader,
    timestamp_from_wire,
    timestamp_to_wire,
    writer,
)

EventT = TypeVar("EventT", ExecutorStarted, ExecutorOutput, ExecutorEnded)

_DETAIL_TEXTS: list[Any] = ["scope", "subject", "dimension", "remedy"]
_DETAIL_NUMBERS: list[Any] = ["used", "limit", "needed"]

_MAX_EXECUTORS = 100_000
_MAX_EXIT_CODE = 255

_OUTCOMES = enum_to_wire(Outcome, pb.Outcome.DESCRIPTOR)
_OUTCOME_OF = EnumMembers("events.finished.outcome", Outcome, pb.Outcome.DESCRIPTOR)
_VERDICTS = enum_to_wire(EventVerdict, pb.EventVerdict.DESCRIPTOR)
_VERDICT_OF = {number: verdict for verdict, number in _VERDICTS.items()}

_output_to_wire = writer(ExecutorOutput, pb.ExecutorOutput)
_output_from_wire = reader(ExecutorOutput, pb.ExecutorOutput)
_ended_to_wire = writer(ExecutorEnded, pb.ExecutorEnded)
_ended_from_wire = reader(ExecutorEnded, pb.ExecutorEnded)


def attempt_to_wire(attempt: Attempt) -> pb.Attempt:
    """Convert the name of an attempt."""
    return pb.Attempt(task_id=attempt.task_id, number=attempt.number)


def attempt_from_wire(message: pb.Attempt) -> Attempt:
    """Convert the name of an attempt.

    Raises:
        InvalidRequestError: It is not a valid name.
    """
    if not is_task_id(message.task_id):
        raise _refuse("attempt.task_id", "is not the id of a task")
    if message.number < 1:
        raise _refuse("attempt.number", "counts from 1")
    return Attempt(TaskId(message.task_id), message.number)


def verdict_to_wire(verdict: EventVerdict) -> "pb.EventVerdict.ValueType":
    """Convert a verdict."""
    number: pb.EventVerdict.ValueType = _VERDICTS[verdict]
    return number


def verdict_from_wire(verdict: "pb.EventVerdict.ValueType") -> EventVerdict:
    """Convert a verdict; one that is not known here is a refusal."""
    return _VERDICT_OF.get(verdict, EventVerdict.REFUSED)


def event_to_wire(event: TaskEvent) -> pb.TaskEvent:
    """Convert one event."""
    message = pb.TaskEvent(
        attempt=attempt_to_wire(event.attempt),
        sequence=event.sequence,
        time=timestamp_to_wire(event.time),
    )
    match event.payload:
        case ReasonChanged(reason, since):
            _set_reason(message, reason, since)
        case Notice(text):
            message.note = text
        case Metadata(entries):
            message.metadata.SetInParent()
            message.metadata.entries.update(entries)
        case ExecutorStarted(index):
            message.executor_started.SetInParent()
            message.executor_started.index = index
        case ExecutorOutput():
            message.executor_output.CopyFrom(_output_to_wire(event.payload))
        case ExecutorEnded():
            message.executor_ended.CopyFrom(_ended_to_wire(event.payload))
        case CandidateRejected(difference):
            message.candidate_rejected.SetInParent()
            message.candidate_rejected.difference = difference
        case Finished(outcome, reason, candidate):
            message.finished.candidate = candidate or ""
            message.finished.outcome = _OUTCOMES[outcome]
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
        payload=_payload(message),
    )


def _payload(  # noqa: PLR0911 - one for each kind of event
    message: pb.TaskEvent,
) -> EventPayload:
    match message.WhichOneof("event"):
        case "reason":
            details = (
                _details_from_wire(message.wait) if message.HasField("wait") else None
            )
            reason = Reason(reason_code(message.reason_code), message.reason, details)
            since = message.held_up_since
            return ReasonChanged(
                reason,
                timestamp_from_wire(since)
                if message.HasField("held_up_since")
                else None,
            )
        case "note":
            return Notice(message.note)
        case "executor_started":
            return _checked(ExecutorStarted(message.executor_started.index))
        case "executor_output":
            return _checked(_output_from_wire(message.executor_output))
        case "executor_ended":
            ended = _checked(_ended_from_wire(message.executor_ended))
            return ended.with_plausible_usage()
        case "candidate_rejected":
            return CandidateRejected(message.candidate_rejected.difference)
        case "finished":
            return _finished_from_wire(message.finished)
        case "released":
            return Released(message.released.left)
        case "metadata":
            return Metadata(dict(message.metadata.entries))
        case _:
            raise _refuse("event", "is missing or unknown")


def _finished_from_wire(message: pb.Finished) -> Finished:
    if message.candidate and not is_task_id(message.candidate):
        raise _refuse("finished.candidate", "is not the id of a task")
    return Finished(
        _OUTCOME_OF[message.outcome],
        Reason(reason_code(message.reason_code), message.reason),
        TaskId(message.candidate) if message.candidate else None,
    )


def _set_reason(message: pb.TaskEvent, reason: Reason, since: datetime | None) -> None:
    message.reason, message.reason_code = reason.text, reason.code
    if since:
        message.held_up_since.FromDatetime(since)
    if reason.details:
        message.wait.CopyFrom(_details_to_wire(reason.details.bounded()))


def _details_to_wire(details: WaitDetails) -> Wait:
    message = Wait(
        **{name: getattr(details, name) or None for name in _DETAIL_TEXTS},
        **{name: getattr(details, name) for name in _DETAIL_NUMBERS},
    )
    for each in details.nodes:
        message.nodes.add(cause=each.cause, nodes=each.nodes)
    return message


def _details_from_wire(message: Wait) -> WaitDetails:
    return WaitDetails(
        scope=wait_scope(message.scope),
        subject=message.subject,
        dimension=message.dimension,
        remedy=message.remedy,
        nodes=tuple(NodeCause(each.cause, each.nodes) for each in message.nodes),
        **{
            name: getattr(message, name)
            for name in _DETAIL_NUMBERS
            if message.HasField(name)
        },
    ).bounded()


def _checked(event: EventT) -> EventT:
    if not 0 <= event.index < _MAX_EXECUTORS:
        raise _refuse("index", f"must be from 0 to {_MAX_EXECUTORS - 1}")
    if isinstance(event, ExecutorEnded) and not 0 <= event.exit_code <= _MAX_EXIT_CODE:
        raise _refuse("exit_code", f"must be from 0 to {_MAX_EXIT_CODE}")
    return event


def _refuse(field: str, problem: str) -> InvalidRequestError:
    return InvalidRequestError([Violation(f"events.{field}", problem)])
