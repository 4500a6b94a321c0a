"""What filers may ask and say."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from math import nan

import pytest

from schedulers.served import SECONDS, TOKEN, RunningScheduler, create_request
from schedulers.transfers import (
    IN,
    INPUT,
    OUT,
    OUTPUT,
    Transfer,
    assigned_attempt,
    started_transfer,
)
from tesk.v1 import assignment_service_pb2, task_pb2, task_service_pb2
from tesk.v1 import transfer_service_pb2 as pb
from tesk.v1 import transfer_service_pb2_grpc as pb_grpc
from tesk_model.errors import (
    ConflictError,
    InvalidRequestError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from tesk_runtime.rpc.channel import open_channel
from tesk_runtime.rpc.status import invoke
from tesk_scheduler.config import SchedulerSettings


def stub(running: RunningScheduler, token: str) -> pb_grpc.TransferServiceStub:
    """Return a stub that shows ``token``."""
    return pb_grpc.TransferServiceStub(open_channel(running.address, token=token))


@pytest.fixture
def scheduler_settings() -> SchedulerSettings:
    """Two taskmasters of two tasks."""
    return SchedulerSettings(
        tasks_per_taskmaster=2, max_taskmasters=2, lease=timedelta(seconds=30)
    )


@pytest.fixture
def transfer(running: RunningScheduler) -> Iterator[Transfer]:
    """Begin a task with an input and an output."""
    with started_transfer(running) as transfer:
        yield transfer


def test_a_filer_sees_one_direction(transfer: Transfer) -> None:
    inputs, outputs = (
        invoke(
            transfer.stub.GetTransfer,
            pb.GetTransferRequest(attempt=transfer.attempt, direction=direction),
            timeout=SECONDS,
        )
        for direction in (IN, OUT)
    )

    assert inputs == pb.GetTransferResponse(inputs=[INPUT], owner="alice")
    assert outputs == pb.GetTransferResponse(outputs=[OUTPUT], owner="alice")


def test_filers_and_taskmasters_hear_whose_task_it_is(
    running: RunningScheduler,
) -> None:
    caller = task_service_pb2.Caller(user="ada", groups=["lab", "all"])
    running.create_all([create_request(caller=caller, inputs=[INPUT])])

    with assigned_attempt(running) as transfer:
        heard = invoke(
            transfer.stub.GetTransfer,
            pb.GetTransferRequest(attempt=transfer.attempt, direction=IN),
            timeout=SECONDS,
        )
        shown = running.get(transfer.attempt.task_id, caller)

    assert (heard.owner, list(heard.groups)) == ("ada", ["lab", "all"])
    assert list(transfer.assignment.groups) == ["lab", "all"]
    assert "lab" not in str(shown)


def test_the_sizes_of_inputs_are_kept_if_the_task_has_such_inputs(
    transfer: Transfer,
) -> None:
    sizes = [
        task_pb2.InputSize(index=index, files=1, size_bytes=2**40) for index in (0, 1)
    ]
    transfer.finish(IN, error="one did not arrive", input_sizes=sizes)
    assert not transfer.running.get(transfer.attempt.task_id).input_sizes

    transfer.finish(IN, input_sizes=sizes)

    assert list(transfer.running.get(transfer.attempt.task_id).input_sizes) == sizes[:1]


WRONG_SIZES = {
    "an index twice": [{"index": 0}, {"index": 0}],
    "an index that no task has": [{"index": 10_000}],
    "a negative index": [{"index": -1}],
    "a negative size": [{"index": 0, "size_bytes": -1}],
    "a negative number": [{"index": 0, "files": -1}],
}


@pytest.mark.parametrize("sizes", WRONG_SIZES.values(), ids=WRONG_SIZES)
def test_impossible_sizes_are_refused(
    transfer: Transfer, sizes: list[dict[str, int]]
) -> None:
    with pytest.raises(InvalidRequestError, match="input_sizes"):
        transfer.finish(IN, input_sizes=[task_pb2.InputSize(**each) for each in sizes])


WRONG_TOKENS = {
    "none": ("", UnauthenticatedError),
    "the internal token": (TOKEN, PermissionDeniedError),
    "a made up one": ("0" * 64, PermissionDeniedError),
}


@pytest.mark.parametrize(("token", "error"), WRONG_TOKENS.values(), ids=WRONG_TOKENS)
def test_only_the_token_of_the_attempt_will_do(
    transfer: Transfer, token: str, error: type[Exception]
) -> None:
    request = pb.GetTransferRequest(attempt=transfer.attempt, direction=IN)

    with pytest.raises(error):
        invoke(stub(transfer.running, token).GetTransfer, request, timeout=SECONDS)


def test_a_transfer_token_opens_nothing_else(transfer: Transfer) -> None:
    token = transfer.assignment.transfer_token
    other = assignment_service_pb2.Attempt(task_id=transfer.attempt.task_id, number=2)

    with pytest.raises(PermissionDeniedError):
        invoke(
            transfer.stub.GetTransfer,
            pb.GetTransferRequest(attempt=other, direction=IN),
            timeout=SECONDS,
        )
    with open_channel(transfer.running.address, token=token) as channel:
        stranger = transfer.running.with_channel(channel)
        with pytest.raises(UnauthenticatedError):
            stranger.create()


def test_a_filer_names_its_direction(transfer: Transfer) -> None:
    with pytest.raises(InvalidRequestError, match="direction"):
        transfer.finish(pb.DIRECTION_UNSPECIFIED)


def test_progress_is_shown_until_the_end(transfer: Transfer) -> None:
    def report(done: int) -> None:
        request = pb.ReportProgressRequest(
            attempt=transfer.attempt,
            direction=IN,
            files_done=done,
            files_total=10,
            bytes_done=done * 1024,
            bytes_total=10240,
            bytes_per_second=1024,
            path="/in",
            url="s3://b/in",
        )
        invoke(transfer.stub.ReportProgress, request, timeout=SECONDS)

    report(2)
    report(3)
    half, status = dict(transfer.log().metadata), transfer.statuses()
    transfer.finish(IN, files=10, bytes=10240, seconds=2)
    report(4)

    assert half == {"inputs": "3 of 10 files, 3 KiB of 10 KiB, 1 KiB/s"}
    assert status == [
        task_pb2.TransferStatus(
            direction="inputs",
            files_done=3,
            files_total=10,
            bytes_done=3072,
            bytes_total=10240,
            bytes_per_second=1024,
            path="/in",
            url="s3://b/in",
        )
    ]
    assert dict(transfer.log().metadata) == {"inputs": "10 files, 10 KiB"}
    assert transfer.statuses() == []


def test_digests_of_files_are_metadata_of_the_task(transfer: Transfer) -> None:
    transfer.finish(IN, files=1, sha256="00ff  /in\n")

    metadata = dict(transfer.log().metadata)
    assert metadata == {"inputs": "1 file, 0 B", "inputs.sha256": "00ff  /in\n"}


def test_each_transfer_has_one_line_that_tells_what_it_moved(
    transfer: Transfer,
) -> None:
    transfer.finish(IN, files=1, bytes=1024, seconds=1, error="/in: gone")
    failed = list(transfer.log().system_logs)
    transfer.finish(
        IN, files=3, bytes=3072, seconds=2, resumed_files=1, resumed_bytes=1024
    )
    transfer.finish(IN, files=3, bytes=3072, seconds=9)
    transfer.run_executors()
    transfer.finish(OUT, files=1, bytes=2048, seconds=2)

    assert failed == [
        "inputs: failed after 1 file, 1 KiB in 1 s (1 KiB/s)",
        "/in: gone",
    ]
    assert list(transfer.log().system_logs) == [
        "inputs: 3 files, 3 KiB; after a restart 2 files, 2 KiB in 2 s (1 KiB/s)",
        "outputs: 1 file, 2 KiB in 2 s (1 KiB/s)",
    ]


def test_metrics_count_what_moved_once(transfer: Transfer) -> None:
    def count(name: str, **labels: str) -> float | None:
        registry = transfer.running.registry
        return registry.get_sample_value(f"tesk_scheduler_{name}", labels)

    half = pb.MovedByScheme(scheme="s3", files=1, bytes=10, seconds=1, failed=2)
    rest = pb.MovedByScheme(scheme="s3", files=2, bytes=30, seconds=3)
    transfer.finish(IN, seconds=1, moved=[half], error="/in: gone")
    transfer.finish(IN, seconds=2, moved=[rest])
    transfer.finish(IN, seconds=2, moved=[rest])  # the answer was lost on the way

    moved = {"scheme": "s3", "direction": "inputs"}
    assert count("transfer_files_total", **moved) == 3
    assert count("transfer_bytes_total", **moved) == 40
    assert count("transfer_file_seconds_total", **moved) == 4
    assert count("transfer_file_failures_total", **moved) == 2
    for result in ("ok", "failed"):
        ended = {"direction": "inputs", "result": result}
        assert count("transfers_ended_total", **ended) == 1
        assert count("transfer_seconds_count", **ended) == 1
    assert count("transfer_seconds_sum", direction="inputs", result="ok") == 2


def test_a_result_that_cannot_be_is_refused(transfer: Transfer) -> None:
    for wrong in ({"seconds": -1}, {"seconds": nan}, {"resumed_files": 2}):
        with pytest.raises(InvalidRequestError):
            transfer.finish(IN, files=1, **wrong)


def test_uploaded_files_are_listed_once(transfer: Transfer) -> None:
    file = task_pb2.OutputFileLog(url="s3://b/out", path="/out", size_bytes=2**33)
    transfer.run_executors()

    transfer.add(file)
    transfer.add(file)
    transfer.finish(OUT, warnings=["/b: does not exist"])

    assert list(transfer.log().outputs) == [file]
    assert list(transfer.log().system_logs) == [
        "/b: does not exist",
        "outputs: 0 files, 0 B",
    ]


def test_a_later_verdict_replaces_a_failure_and_no_success(transfer: Transfer) -> None:
    transfer.finish(IN, error="/in: no route to host")
    failed = list(transfer.log().system_logs)
    transfer.finish(IN, warnings=["slow"])
    transfer.finish(IN, error="too late")

    assert failed == ["inputs: failed after 0 files, 0 B", "/in: no route to host"]
    assert list(transfer.log().system_logs) == ["slow", "inputs: 0 files, 0 B"]
    assert list(transfer.log().metadata) == ["inputs"]


def test_a_successor_learns_what_arrived(transfer: Transfer) -> None:
    transfer.finish(IN)
    transfer.taskmaster.held.clear()

    answer = transfer.taskmaster.sync()
    while not answer.run:
        answer = transfer.taskmaster.sync()

    assert answer.run[0].inputs_finished
    assert not answer.run[0].outputs_finished


def test_a_taskmaster_that_waits_hears_at_once_what_has_arrived(
    transfer: Transfer,
) -> None:
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(transfer.taskmaster.sync, wait=30)
        transfer.finish(IN, error="/in: no route to host")
        transfer.finish(IN)
        arrived = waiting.result(10)
    transfer.run_executors()
    transfer.finish(OUT)
    uploaded = transfer.taskmaster.sync()

    assert list(arrived.inputs_finished) == [transfer.attempt]
    assert not arrived.outputs_finished
    assert list(uploaded.outputs_finished) == [transfer.attempt]
    assert not uploaded.inputs_finished


def test_a_filer_of_an_attempt_that_is_over_stops(transfer: Transfer) -> None:
    ended = transfer.taskmaster.ended(
        transfer.assignment, assignment_service_pb2.OUTCOME_SYSTEM_ERROR
    )
    transfer.taskmaster.report(ended)

    with pytest.raises(ConflictError, match="over"):
        transfer.finish(IN)
