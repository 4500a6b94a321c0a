"""Implements AssignmentService, which taskmasters call."""

import re

import grpc
from google.protobuf.duration_pb2 import Duration

from tesk.v1 import assignment_service_pb2 as pb
from tesk.v1 import assignment_service_pb2_grpc as pb_grpc
from tesk.v1 import task_pb2
from tesk_model.errors import InvalidRequestError, Violation
from tesk_runtime.rpc.documents import timestamp_to_wire
from tesk_runtime.rpc.event_wire import (
    attempt_from_wire,
    attempt_to_wire,
    event_from_wire,
    verdict_to_wire,
)
from tesk_runtime.rpc.wire import duration_from_wire
from tesk_scheduler.domain.calls import CallCandidate
from tesk_scheduler.domain.orders import Assignment, Orders, StopReason
from tesk_scheduler.domain.progress import Direction
from tesk_scheduler.servicer.wire import (
    fill_in_resources,
    without_contents,
)
from tesk_scheduler.usecases.reporting import Reporting
from tesk_scheduler.usecases.syncing import SyncCall, Syncing

_ID = re.compile(r"[a-z0-9-]{1,63}")
_MAX_HELD = 10_000
_MAX_EVENTS = 1_000  # a taskmaster sends 200
_STOP_REASONS = {
    StopReason.CANCELED: pb.STOP_REASON_CANCELED,
    StopReason.REASSIGNED: pb.STOP_REASON_REASSIGNED,
}


class AssignmentServicer(pb_grpc.AssignmentServiceServicer):
    """See ``assignment_service.proto``."""

    def __init__(self, *, syncing: Syncing, reporting: Reporting) -> None:
        self._syncing = syncing
        self._reporting = reporting

    def Sync(
        self, request: pb.SyncRequest, context: grpc.ServicerContext
    ) -> pb.SyncResponse:
        """Renew the lease and return orders."""
        if not 0 <= request.slots <= _MAX_HELD:
            raise _refuse("slots", f"must be from 0 to {_MAX_HELD}")
        if len(request.held) > _MAX_HELD:
            raise _refuse("held", f"must be at most {_MAX_HELD}")
        call = SyncCall(
            taskmaster=_checked(request.taskmaster_id),
            held=frozenset(attempt_from_wire(each) for each in request.held),
            slots=request.slots,
            wait=duration_from_wire(request.wait),
        )
        return _response(self._syncing.sync(call))

    def Report(
        self, request: pb.ReportRequest, context: grpc.ServicerContext
    ) -> pb.ReportResponse:
        """Apply events."""
        taskmaster = _checked(request.taskmaster_id)
        if len(request.events) > _MAX_EVENTS:
            raise _refuse("events", f"must be at most {_MAX_EVENTS}")
        events = [event_from_wire(event) for event in request.events]
        verdicts = self._reporting.report(taskmaster, events)
        return pb.ReportResponse(verdicts=[verdict_to_wire(each) for each in verdicts])


def _checked(taskmaster_id: str) -> str:
    if _ID.fullmatch(taskmaster_id) is None:
        raise _refuse("taskmaster_id", "must be 1 to 63 of a-z, 0-9 and -")
    return taskmaster_id


def _refuse(field: str, problem: str) -> InvalidRequestError:
    return InvalidRequestError([Violation(field, problem)])


def _response(orders: Orders) -> pb.SyncResponse:
    lease = Duration()
    lease.FromTimedelta(orders.lease)
    return pb.SyncResponse(
        run=[_assignment(each) for each in orders.run],
        stop=[
            pb.Stop(
                attempt=attempt_to_wire(attempt),
                reason=_STOP_REASONS[reason],
            )
            for attempt, reason in orders.stop
        ],
        lease=lease,
        exit=orders.exit,
        inputs_finished=_finished(orders, Direction.INPUTS),
        outputs_finished=_finished(orders, Direction.OUTPUTS),
    )


def _finished(orders: Orders, direction: Direction) -> list[pb.Attempt]:
    return [
        attempt_to_wire(attempt)
        for attempt, finished in orders.finished
        if finished is direction
    ]


def _assignment(assignment: Assignment) -> pb.Assignment:
    task = without_contents(task_pb2.Task.FromString(assignment.document))
    task.id = assignment.attempt.task_id
    fill_in_resources(task, assignment.demand)
    return pb.Assignment(
        attempt=attempt_to_wire(assignment.attempt),
        task=task,
        groups=assignment.groups,
        transfer_token=assignment.transfer_token,
        last_sequence=assignment.last_sequence,
        release_only=assignment.release_only,
        finished_executors=[
            pb.FinishedExecutor(index=index, exit_code=code)
            for index, code in assignment.finished_executors
        ],
        inputs_finished=assignment.inputs_finished,
        outputs_finished=assignment.outputs_finished,
        started_executors=assignment.started_executors,
        began=None if assignment.began is None else timestamp_to_wire(assignment.began),
        held_up_since=(
            None
            if assignment.held_up_since is None
            else timestamp_to_wire(assignment.held_up_since)
        ),
        repeated_failures=pb.RepeatedFailures(
            exit_codes=assignment.repeated.exit_codes,
            out_of_memory=assignment.repeated.out_of_memory,
        ),
        candidate=_candidate(assignment.candidate),
    )


def _candidate(candidate: CallCandidate | None) -> pb.Candidate | None:
    if candidate is None:
        return None
    return pb.Candidate(
        task_id=candidate.task_id,
        image_digests=candidate.image_digests,
        files_equal=candidate.files_equal,
    )
