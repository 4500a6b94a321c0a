"""Calls the scheduler over gRPC."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import grpc

from tesk.v1 import assignment_service_pb2 as pb
from tesk.v1 import assignment_service_pb2_grpc as pb_grpc
from tesk_model.attempt_parameters import NO_EXIT_CODES, parse_exit_codes
from tesk_model.events import EventVerdict, TaskEvent
from tesk_model.names import Attempt
from tesk_model.task import TaskId
from tesk_runtime.rpc.documents import timestamp_from_wire
from tesk_runtime.rpc.event_wire import (
    attempt_from_wire,
    attempt_to_wire,
    event_to_wire,
    verdict_from_wire,
)
from tesk_runtime.rpc.status import invoke
from tesk_runtime.rpc.wire import task_from_wire
from tesk_taskmaster.domain.assignment import (
    Assignment,
    Candidate,
    Orders,
    RepeatedFailures,
    Stop,
    StopReason,
)

_REPORT_DEADLINE = timedelta(seconds=30)

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
        """Call the scheduler over ``channel`` as ``taskmaster_id``."""
        return cls(pb_grpc.AssignmentServiceStub(channel), taskmaster_id)

    def sync(
        self, held: Sequence[Attempt], *, slots: int, wait: timedelta, within: timedelta
    ) -> Orders:
        """See ``Scheduler.sync``."""
        request = pb.SyncRequest(
            taskmaster_id=self._taskmaster_id,
            held=[attempt_to_wire(attempt) for attempt in held],
            slots=slots,
        )
        request.wait.FromTimedelta(wait)
        response = invoke(self._stub.Sync, request, timeout=within)
        return Orders(
            run=tuple(_assignment_from_wire(entry) for entry in response.run),
            stop=tuple(
                Stop(
                    attempt_from_wire(entry.attempt),
                    _STOP_REASONS.get(entry.reason, StopReason.REASSIGNED),
                )
                for entry in response.stop
            ),
            lease=response.lease.ToTimedelta(),
            exit=response.exit,
            inputs_finished=tuple(map(attempt_from_wire, response.inputs_finished)),
            outputs_finished=tuple(map(attempt_from_wire, response.outputs_finished)),
        )

    def report(self, events: Sequence[TaskEvent]) -> Sequence[EventVerdict]:
        """See ``Scheduler.report``."""
        request = pb.ReportRequest(
            taskmaster_id=self._taskmaster_id,
            events=[event_to_wire(event) for event in events],
        )
        response = invoke(self._stub.Report, request, timeout=_REPORT_DEADLINE)
        return [verdict_from_wire(verdict) for verdict in response.verdicts]


def _assignment_from_wire(message: pb.Assignment) -> Assignment:
    return Assignment(
        attempt=attempt_from_wire(message.attempt),
        task=task_from_wire(message.task),
        transfer_token=message.transfer_token,
        last_sequence=message.last_sequence,
        release_only=message.release_only,
        finished_executors={
            entry.index: entry.exit_code for entry in message.finished_executors
        },
        inputs_finished=message.inputs_finished,
        outputs_finished=message.outputs_finished,
        started_executors=frozenset(message.started_executors),
        began=(
            timestamp_from_wire(message.began) if message.HasField("began") else None
        ),
        held_up_since=(
            timestamp_from_wire(message.held_up_since)
            if message.HasField("held_up_since")
            else None
        ),
        groups=tuple(message.groups),
        repeated=_repeated_from_wire(message.repeated_failures),
        candidate=(
            _candidate_from_wire(message.candidate)
            if message.HasField("candidate")
            else None
        ),
    )


def _candidate_from_wire(message: pb.Candidate) -> Candidate:
    return Candidate(
        task_id=TaskId(message.task_id),
        image_digests=tuple(message.image_digests),
        files_equal=message.files_equal,
    )


def _repeated_from_wire(message: pb.RepeatedFailures) -> RepeatedFailures:
    try:
        codes = parse_exit_codes(message.exit_codes)
    except ValueError:
        codes = NO_EXIT_CODES  # of a later release: outputs are uploaded as ever
    return RepeatedFailures(exit_codes=codes, out_of_memory=message.out_of_memory)
