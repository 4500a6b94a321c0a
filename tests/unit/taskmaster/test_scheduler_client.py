"""The client of the scheduler over real gRPC."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest

from builders.tasks import make_task
from tesk.v1 import assignment_service_pb2 as pb
from tesk.v1 import assignment_service_pb2_grpc as pb_grpc
from tesk.v1.task_pb2 import Wait, WaitNodes
from tesk_model.errors import UnavailableError
from tesk_model.events import (
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
from tesk_model.names import Attempt
from tesk_model.reasons import Reason, ReasonCode
from tesk_model.task import TaskId
from tesk_model.waits import NodeCause, WaitDetails, WaitScope
from tesk_runtime.rpc.channel import open_channel
from tesk_runtime.rpc.documents import timestamp_to_wire
from tesk_runtime.rpc.wire import task_to_wire
from tesk_taskmaster.adapters.scheduler_client import GrpcScheduler
from tesk_taskmaster.domain.assignment import (
    Assignment,
    Candidate,
    Orders,
    Stop,
    StopReason,
)

ATTEMPT = Attempt(TaskId("t1"), 2)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
WAIT = timedelta(seconds=5)


class Recorder(pb_grpc.AssignmentServiceServicer):
    """Answers what a test puts in and keeps what it was asked."""

    def __init__(self) -> None:
        self.sync_request = pb.SyncRequest()
        self.sync_response = pb.SyncResponse()
        self.report_request = pb.ReportRequest()
        self.verdicts: list[Any] = []
        self.hang = threading.Event()
        self.hang.set()

    def Sync(self, request: pb.SyncRequest, context: Any) -> pb.SyncResponse:  # noqa: N802 - gRPC names it
        del context
        self.sync_request = request
        self.hang.wait(30)
        return self.sync_response

    def Report(self, request: pb.ReportRequest, context: Any) -> pb.ReportResponse:  # noqa: N802 - gRPC names it
        del context
        self.report_request = request
        return pb.ReportResponse(verdicts=self.verdicts)


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def scheduler(recorder: Recorder) -> Iterator[GrpcScheduler]:
    server = grpc.server(ThreadPoolExecutor(2))
    pb_grpc.add_AssignmentServiceServicer_to_server(recorder, server)
    port = server.add_insecure_port("localhost:0")
    server.start()
    with open_channel(f"localhost:{port}", token="t") as channel:
        yield GrpcScheduler.over(channel, "tm-1")
    recorder.hang.set()
    server.stop(0).wait()


def test_sync_tells_what_is_held(scheduler: GrpcScheduler, recorder: Recorder) -> None:
    scheduler.sync([ATTEMPT], slots=3, wait=WAIT, within=WAIT)

    asked = recorder.sync_request
    assert (asked.taskmaster_id, asked.slots, asked.wait.seconds) == ("tm-1", 3, 5)
    assert asked.held == [pb.Attempt(task_id="t1", number=2)]


def test_sync_understands_orders(scheduler: GrpcScheduler, recorder: Recorder) -> None:
    task = make_task(id=TaskId("t1"))
    wire = pb.Attempt(task_id="t1", number=2)
    recorder.sync_response = pb.SyncResponse(
        run=[
            pb.Assignment(
                attempt=wire,
                task=task_to_wire(task),
                transfer_token="secret",
                last_sequence=4,
                release_only=True,
                finished_executors=[pb.FinishedExecutor(index=1, exit_code=3)],
                inputs_finished=True,
                outputs_finished=True,
                started_executors=[1, 2],
                began=timestamp_to_wire(NOW),
                held_up_since=timestamp_to_wire(NOW),
                groups=["lab", "all"],
                candidate=pb.Candidate(
                    task_id="t0", image_digests=["sha256:1", "x"], files_equal=True
                ),
            )
        ],
        stop=[
            pb.Stop(attempt=wire, reason=pb.STOP_REASON_CANCELED),
            pb.Stop(attempt=wire, reason=pb.STOP_REASON_REASSIGNED),
        ],
        exit=True,
        inputs_finished=[wire],
        outputs_finished=[wire, wire],
    )
    recorder.sync_response.lease.FromSeconds(15)

    orders = scheduler.sync([], slots=1, wait=WAIT, within=WAIT)

    assert orders == Orders(
        run=(
            Assignment(
                attempt=ATTEMPT,
                task=task,
                transfer_token="secret",
                last_sequence=4,
                release_only=True,
                finished_executors={1: 3},
                inputs_finished=True,
                outputs_finished=True,
                started_executors=frozenset({1, 2}),
                began=NOW,
                held_up_since=NOW,
                groups=("lab", "all"),
                candidate=Candidate(
                    task_id=TaskId("t0"),
                    image_digests=("sha256:1", "x"),
                    files_equal=True,
                ),
            ),
        ),
        stop=(
            Stop(ATTEMPT, StopReason.CANCELED),
            Stop(ATTEMPT, StopReason.REASSIGNED),
        ),
        lease=timedelta(seconds=15),
        exit=True,
        inputs_finished=(ATTEMPT,),
        outputs_finished=(ATTEMPT, ATTEMPT),
    )


NO_NODE = WaitDetails(
    scope=WaitScope.NODE,
    dimension="cpu",
    needed=0,
    remedy="goes on",
    nodes=(NodeCause("Insufficient cpu", 3),),
)
HAPPENINGS: dict[str, tuple[EventPayload, pb.TaskEvent]] = {
    "reason": (
        ReasonChanged(Reason(ReasonCode.IMAGE_PULLING, "pulling")),
        pb.TaskEvent(reason="pulling", reason_code="IMAGE_PULLING"),
    ),
    "reason with details": (
        ReasonChanged(Reason(ReasonCode.UNSCHEDULABLE, "no node", NO_NODE)),
        pb.TaskEvent(
            reason="no node",
            reason_code="UNSCHEDULABLE",
            wait=Wait(
                scope="node",
                dimension="cpu",
                needed=0,
                remedy="goes on",
                nodes=[WaitNodes(cause="Insufficient cpu", nodes=3)],
            ),
        ),
    ),
    "note": (Notice("line"), pb.TaskEvent(note="line")),
    "metadata": (
        Metadata({"k": "v"}),
        pb.TaskEvent(metadata=pb.Metadata(entries={"k": "v"})),
    ),
    "started, the first": (
        ExecutorStarted(0),
        pb.TaskEvent(executor_started=pb.ExecutorStarted(index=0)),
    ),
    "output": (
        ExecutorOutput(1, "o", "e"),
        pb.TaskEvent(
            executor_output=pb.ExecutorOutput(index=1, stdout="o", stderr="e")
        ),
    ),
    "ended": (
        ExecutorEnded(
            index=1,
            exit_code=7,
            stdout="o",
            stderr="e",
            start_time=None,
            end_time=None,
            cpu_seconds=0.0,
            max_memory_bytes=5,
        ),
        pb.TaskEvent(
            executor_ended=pb.ExecutorEnded(
                index=1,
                exit_code=7,
                stdout="o",
                stderr="e",
                cpu_seconds=0.0,
                max_memory_bytes=5,
            )
        ),
    ),
    "finished": (
        Finished(Outcome.LOST, Reason(ReasonCode.NODE_LOST, "gone")),
        pb.TaskEvent(
            finished=pb.Finished(
                outcome=pb.OUTCOME_LOST, reason="gone", reason_code="NODE_LOST"
            )
        ),
    ),
    "released": (Released(), pb.TaskEvent(released=pb.Released())),
}


@pytest.mark.parametrize(("what", "want"), HAPPENINGS.values(), ids=HAPPENINGS)
def test_report_tells_what_happened(
    scheduler: GrpcScheduler, recorder: Recorder, what: EventPayload, want: pb.TaskEvent
) -> None:
    recorder.verdicts = [pb.EVENT_VERDICT_APPLIED]
    want.attempt.CopyFrom(pb.Attempt(task_id="t1", number=2))
    want.sequence = 9
    want.time.FromDatetime(NOW)

    scheduler.report([TaskEvent(attempt=ATTEMPT, sequence=9, time=NOW, payload=what)])

    assert recorder.report_request.taskmaster_id == "tm-1"
    assert list(recorder.report_request.events) == [want]


def test_report_returns_the_verdicts(
    scheduler: GrpcScheduler, recorder: Recorder
) -> None:
    recorder.verdicts = [
        pb.EVENT_VERDICT_APPLIED,
        pb.EVENT_VERDICT_DUPLICATE,
        pb.EVENT_VERDICT_REFUSED,
    ]
    event = TaskEvent(attempt=ATTEMPT, sequence=1, time=NOW, payload=Released())

    assert scheduler.report([event] * 3) == [
        EventVerdict.APPLIED,
        EventVerdict.DUPLICATE,
        EventVerdict.REFUSED,
    ]


def test_a_silent_scheduler_is_given_up_in_time(
    scheduler: GrpcScheduler, recorder: Recorder
) -> None:
    recorder.hang.clear()

    with pytest.raises(UnavailableError):
        scheduler.sync([], slots=1, wait=WAIT, within=timedelta(milliseconds=100))
