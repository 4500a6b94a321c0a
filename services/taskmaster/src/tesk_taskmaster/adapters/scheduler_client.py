"""The scheduler over gRPC."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import grpc

from tesk.v1 import assignment_service_pb2 as pb
from tesk.v1 import assignment_service_pb2_grpc as pb_grpc
from tesk_model.names import Attempt
from tesk_model.task import TaskId
from tesk_runtime.rpc.status import invoke
from tesk_runtime.rpc.wire import task_from_wire, timestamp_to_wire
from tesk_taskmaster.domain.assignment import Assignment, Orders, Stop, StopReason
from tesk_taskmaster.domain.events import (
    ExecutorEnded,
    ExecutorOutput,
    ExecutorStarted,
    Finished,
    Metadata,
    Note,
    Outcome,
    Reason,
    Released,
    TaskEvent,
    Verdict,
)

_REPORT_DEADLINE = timedelta(seconds=30)

_OUTCOMES = {
    Outcome.COMPLETE: pb.OUTCOME_COMPLETE,
    Outcome.EXECUTOR_ERROR: pb.OUTCOME_EXECUTOR_ERROR,
    Outcome.SYSTEM_ERROR: pb.OUTCOME_SYSTEM_ERROR,
    Outcome.CANCELED: pb.OUTCOME_CANCELED,
    Outcome.LOST: pb.OUTCOME_LOST,
}
_VERDICTS = {
    pb.EVENT_VERDICT_APPLIED: Verdict.APPLIED,
    pb.EVENT_VERDICT_DUPLICATE: Verdict.DUPLICATE,
}
_STOP_REASONS = {pb.STOP_REASON_CANCELED: StopReason.CANCELED}


@dataclass(slots=True)
class GrpcScheduler:
    """The scheduler behind a channel, for one taskmaster.

    Every call is idempotent; the callers repeat them.
    """

    _stub: "pb_grpc.AssignmentServiceStub"
    _taskmaster_id: str

    @classmethod
    def over(cls, channel: grpc.Channel, taskmaster_id: str) -> "GrpcScheduler":
        """Speak over ``channel`` in the name of ``taskmaster_id``."""
        return cls(pb_grpc.AssignmentServiceStub(channel), taskmaster_id)

    def sync(
        self, held: Sequence[Attempt], *, slots: int, wait: timedelta, within: timedelta
    ) -> Orders:
        """See ``Scheduler.sync``."""
        request = pb.SyncRequest(
            taskmaster_id=self._taskmaster_id,
            held=[_attempt_to_wire(attempt) for attempt in held],
            slots=slots,
        )
        request.wait.FromTimedelta(wait)
        response = invoke(self._stub.Sync, request, timeout=within)
        return Orders(
            run=tuple(_assignment_from_wire(entry) for entry in response.run),
            stop=tuple(
                Stop(
                    _attempt_from_wire(entry.attempt),
                    _STOP_REASONS.get(entry.reason, StopReason.REASSIGNED),
                )
                for entry in response.stop
            ),
            lease=response.lease.ToTimedelta(),
            leave=response.exit,
        )

    def report(self, events: Sequence[TaskEvent]) -> Sequence[Verdict]:
        """See ``Scheduler.report``."""
        request = pb.ReportRequest(
            taskmaster_id=self._taskmaster_id,
            events=[_event_to_wire(event) for event in events],
        )
        response = invoke(self._stub.Report, request, timeout=_REPORT_DEADLINE)
        return [
            _VERDICTS.get(verdict, Verdict.REFUSED) for verdict in response.verdicts
        ]


def _attempt_to_wire(attempt: Attempt) -> pb.Attempt:
    return pb.Attempt(task_id=attempt.task_id, number=attempt.number)


def _attempt_from_wire(message: pb.Attempt) -> Attempt:
    return Attempt(TaskId(message.task_id), message.number)


def _assignment_from_wire(message: pb.Assignment) -> Assignment:
    return Assignment(
        attempt=_attempt_from_wire(message.attempt),
        task=task_from_wire(message.task),
        transfer_token=message.transfer_token,
        last_sequence=message.last_sequence,
        release_only=message.release_only,
        finished_executors={
            entry.index: entry.exit_code for entry in message.finished_executors
        },
        inputs_finished=message.inputs_finished,
        outputs_finished=message.outputs_finished,
    )


def _event_to_wire(event: TaskEvent) -> pb.TaskEvent:
    message = pb.TaskEvent(
        attempt=_attempt_to_wire(event.attempt),
        sequence=event.sequence,
        time=timestamp_to_wire(event.time),
    )
    match event.what:
        case Reason(text):
            message.reason = text
        case Note(text):
            message.note = text
        case Metadata(entries):
            message.metadata.entries.update(entries)
        case ExecutorStarted(index):
            message.executor_started.index = index
        case ExecutorOutput(index, stdout, stderr):
            message.executor_output.index = index
            message.executor_output.stdout = stdout
            message.executor_output.stderr = stderr
        case ExecutorEnded():
            message.executor_ended.CopyFrom(_ended_to_wire(event.what))
        case Finished(outcome, reason):
            message.finished.outcome = _OUTCOMES[outcome]
            message.finished.reason = reason
        case Released():
            message.released.SetInParent()
    return message


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
