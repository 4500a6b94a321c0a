"""Impossible reports are refused from clients that have the token of an attempt."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from schedulers.running import running_scheduler
from schedulers.served import SECONDS, RunningScheduler
from schedulers.transfers import IN, OUT, Transfer, started_transfer
from tesk.v1 import assignment_service_pb2, task_pb2
from tesk.v1 import transfer_service_pb2 as pb
from tesk_model.errors import ConflictError, InvalidRequestError, UnavailableError
from tesk_runtime.rpc.status import invoke
from tesk_scheduler.config import SchedulerSettings

HUGE = 2**63 - 1


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RunningScheduler]:
    """Run a scheduler with one taskmaster."""
    settings = SchedulerSettings(
        tasks_per_taskmaster=2, max_taskmasters=1, lease=timedelta(seconds=30)
    )
    with running_scheduler(tmp_path, settings) as running:
        yield running


@pytest.fixture
def transfer(running: RunningScheduler) -> Iterator[Transfer]:
    """Begin a task with one output, /out to s3://b/out."""
    with started_transfer(running) as transfer:
        yield transfer


def file(**fields: Any) -> task_pb2.OutputFileLog:
    """Return the declared output as uploaded."""
    values: dict[str, Any] = {
        "url": "s3://b/out",
        "path": "/out",
        "size_bytes": 1,
    } | fields
    return task_pb2.OutputFileLog(**values)


def test_outputs_are_not_finished_before_the_executors(transfer: Transfer) -> None:
    with pytest.raises(UnavailableError, match="have not ended yet"):
        transfer.finish(OUT)
    with pytest.raises(UnavailableError, match="have not ended yet"):
        transfer.add(file())

    transfer.run_executors()
    transfer.add(file())
    transfer.finish(OUT, files=1, bytes=1)

    assert list(transfer.log().outputs) == [file()]


def test_inputs_do_not_arrive_once_a_command_runs(transfer: Transfer) -> None:
    transfer.run_executors()

    with pytest.raises(ConflictError, match="before the first executor"):
        transfer.finish(IN)


@pytest.mark.parametrize("size", [-1, -(2**63)])
def test_a_file_is_not_smaller_than_nothing(transfer: Transfer, size: int) -> None:
    transfer.run_executors()

    with pytest.raises(InvalidRequestError, match="must not be negative"):
        transfer.add(file(), file(size_bytes=size))

    assert list(transfer.log().outputs) == []


def test_sums_of_the_largest_sizes_can_be_shown(transfer: Transfer) -> None:
    transfer.run_executors()
    transfer.add(file(size_bytes=HUGE), file(url="s3://b/out/2", size_bytes=HUGE))
    transfer.finish(OUT, files=HUGE, bytes=HUGE)

    assert [each.size_bytes for each in transfer.log().outputs] == [HUGE, HUGE]


COUNTS: dict[str, dict[str, Any]] = {
    "files": {"files": -1},
    "bytes": {"bytes": -(2**63)},
}


@pytest.mark.parametrize("counts", COUNTS.values(), ids=COUNTS)
def test_a_verdict_does_not_count_below_nothing(
    transfer: Transfer, counts: dict[str, Any]
) -> None:
    with pytest.raises(InvalidRequestError, match="must not be negative"):
        transfer.finish(IN, **counts)

    assert dict(transfer.log().metadata) == {}


def test_progress_does_not_count_below_nothing(transfer: Transfer) -> None:
    request = pb.ReportProgressRequest(
        attempt=transfer.attempt, direction=IN, files_done=-5, bytes_total=-1
    )

    with pytest.raises(InvalidRequestError, match="files_done"):
        invoke(transfer.stub.ReportProgress, request, timeout=SECONDS)


def test_files_that_no_output_declares_are_not_listed(transfer: Transfer) -> None:
    transfer.run_executors()

    transfer.add(
        file(path="/etc/passwd"), file(url="https://evil.example/x"), file(), file()
    )

    log = transfer.log()
    assert list(log.outputs) == [file()]
    assert list(log.system_logs) == [
        "2 uploaded files that no output declares are not listed"
    ]


def test_too_many_files_at_once_are_refused(transfer: Transfer) -> None:
    transfer.run_executors()

    with pytest.raises(InvalidRequestError, match="at most"):
        transfer.add(*[file()] * 10_001)


def test_an_attempt_that_never_was_has_no_filer(transfer: Transfer) -> None:
    never = assignment_service_pb2.Attempt(
        task_id=transfer.attempt.task_id, number=2**31 - 1
    )
    request = pb.FinishTransferRequest(attempt=never, direction=OUT)

    with pytest.raises(Exception, match="not of this attempt"):
        invoke(transfer.stub.FinishTransfer, request, timeout=SECONDS)
