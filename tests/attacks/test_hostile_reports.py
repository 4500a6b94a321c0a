"""Reports of a hostile taskmaster or internal client are bounded and cause no bug."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from schedulers.running import running_scheduler
from schedulers.served import ALICE, SECONDS, RunningScheduler
from schedulers.transfers import Transfer, started_transfer
from tesk.v1 import assignment_service_pb2 as pb
from tesk.v1 import assignment_service_pb2_grpc as pb_grpc
from tesk.v1 import task_pb2, task_service_pb2
from tesk_model.errors import InvalidRequestError
from tesk_runtime.rpc.status import invoke
from tesk_scheduler.config import SchedulerSettings

NEVER = Timestamp(seconds=2**62)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RunningScheduler]:
    """Run a scheduler with one taskmaster."""
    settings = SchedulerSettings(tasks_per_taskmaster=2, max_taskmasters=1)
    with running_scheduler(tmp_path, settings) as running:
        yield running


@pytest.fixture
def begun(running: RunningScheduler) -> Iterator[Transfer]:
    """Begin a task."""
    with started_transfer(running) as transfer:
        yield transfer


def ended(**fields: Any) -> dict[str, Any]:
    """Return the end of an executor."""
    return {"executor_ended": pb.ExecutorEnded(**fields)}


EVENTS: dict[str, tuple[dict[str, Any], str]] = {
    "an exit code beyond 255": (ended(exit_code=2**31 - 1), "exit_code"),
    "a negative exit code": (ended(exit_code=-1), "exit_code"),
    "an executor that no task has": (ended(index=2**31 - 1), "index"),
    "a time that no calendar has": ({"time": NEVER, **ended()}, "time"),
    "a start before all time": (ended(start_time=Timestamp(seconds=-(2**62))), "time"),
    "a part of a second that is none": (ended(end_time=Timestamp(nanos=-5)), "time"),
    "nothing": ({}, "event"),
    "an outcome that nobody knows": (
        {"finished": pb.Finished.FromString(b"\x08\x63")},
        "outcome",
    ),
    "a negative sequence": ({"sequence": -1, **ended()}, "sequence"),
}


@pytest.mark.parametrize(("fields", "named"), EVENTS.values(), ids=EVENTS)
def test_an_event_that_cannot_be_is_refused_by_name(
    begun: Transfer, fields: dict[str, Any], named: str
) -> None:
    event = pb.TaskEvent(**{"attempt": begun.attempt, "sequence": 1, **fields})

    with pytest.raises(InvalidRequestError, match=named):
        begun.taskmaster.report([event])


def test_a_report_of_a_million_events_is_refused(begun: Transfer) -> None:
    event = pb.TaskEvent(attempt=begun.attempt, sequence=1, note="n")

    with pytest.raises(InvalidRequestError, match="events: must be at most"):
        begun.taskmaster.report([event] * 500_000)


def test_numbers_as_large_as_they_get_can_be_kept(begun: Transfer) -> None:
    event = pb.TaskEvent(
        attempt=begun.attempt, sequence=2**63 - 1, reason="x" * 1_000_000
    )

    assert begun.taskmaster.report([event]) == [pb.EVENT_VERDICT_APPLIED]
    assert len(begun.running.get(begun.attempt.task_id).reason) < 5_000


LONG = Duration(seconds=2**62)
SYNCS: dict[str, tuple[dict[str, Any], str]] = {
    "a wait without end": ({"wait": LONG}, "duration"),
    "more slots than there are": ({"slots": 2**31 - 1}, "slots"),
    "fewer slots than none": ({"slots": -1}, "slots"),
    "more than anybody holds": (
        {"held": [pb.Attempt(task_id="t-1", number=1)] * 10_001},
        "held",
    ),
    "a name that is none": ({"taskmaster_id": "x" * 64}, "taskmaster_id"),
}


@pytest.mark.parametrize(("fields", "named"), SYNCS.values(), ids=SYNCS)
def test_a_call_for_orders_that_cannot_be_is_refused_by_name(
    running: RunningScheduler, fields: dict[str, Any], named: str
) -> None:
    request = pb.SyncRequest(**{"taskmaster_id": "tm-x", "slots": 1, **fields})
    stub = pb_grpc.AssignmentServiceStub(running.channel)

    with pytest.raises(InvalidRequestError, match=named):
        invoke(stub.Sync, request, timeout=SECONDS)


AMOUNTS = {
    "no number of cores": task_pb2.Resources(cpu_cores=float("nan")),
    "endless memory": task_pb2.Resources(ram_gb=float("inf")),
    "more disk than there is": task_pb2.Resources(disk_gb=1e300),
    "more cores than there are": task_pb2.Resources(cpu_cores=1e307),
    "less than no memory": task_pb2.Resources(ram_gb=-1),
}


@pytest.mark.parametrize("resources", AMOUNTS.values(), ids=AMOUNTS)
def test_amounts_that_cannot_be_are_refused(
    running: RunningScheduler, resources: task_pb2.Resources
) -> None:
    with pytest.raises(InvalidRequestError):
        running.create(resources=resources)


def test_a_list_with_very_many_conditions_is_refused(running: RunningScheduler) -> None:
    tags = [task_service_pb2.TagFilter(key=str(number)) for number in range(101)]
    request = task_service_pb2.ListTasksRequest(caller=ALICE, tags=tags)

    with pytest.raises(InvalidRequestError, match="must be at most 100"):
        invoke(running.tasks.ListTasks, request, timeout=SECONDS)
