"""A task that writes far more than fits a response can still be read and listed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from schedulers.running import running_scheduler
from schedulers.served import ALICE, SECONDS, RunningScheduler
from schedulers.transfers import Transfer, started_transfer
from tesk.v1 import assignment_service_pb2, task_pb2, task_service_pb2
from tesk.v1 import transfer_service_pb2 as pb
from tesk_model.errors import InvalidRequestError, ResourceExhaustedError
from tesk_runtime.rpc.channel import MESSAGE_LIMIT
from tesk_runtime.rpc.status import invoke
from tesk_scheduler.config import SchedulerSettings

FILES, NAME = 9_500, 3_800
BASIC, FULL = task_pb2.TASK_VIEW_BASIC, task_pb2.TASK_VIEW_FULL
ADMIN = task_service_pb2.Caller(user="root", admin=True)
OUTPUT = task_pb2.Output(path="/o", url="s3://b/o", type=task_pb2.FILE_TYPE_DIRECTORY)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RunningScheduler]:
    """Run a scheduler with one taskmaster."""
    settings = SchedulerSettings(tasks_per_taskmaster=2, max_taskmasters=1)
    with running_scheduler(tmp_path, settings) as running:
        yield running


@pytest.fixture
def transfer(running: RunningScheduler) -> Iterator[Transfer]:
    """Begin a task with one DIRECTORY output, whose command has run."""
    with started_transfer(running, outputs=[OUTPUT]) as transfer:
        transfer.run_executors()
        yield transfer


def upload(transfer: Transfer, count: int) -> None:
    """Report ``count`` files with long names, as a filer does, and the end."""
    for first in range(0, count, 500):
        transfer.add(
            *(
                task_pb2.OutputFileLog(
                    url=f"s3://b/o/{number:06}/".ljust(NAME, "x"),
                    path=f"/o/{number:06}/".ljust(NAME, "x"),
                    size_bytes=1,
                )
                for number in range(first, min(count, first + 500))
            )
        )
    transfer.finish(pb.DIRECTION_OUTPUTS, files=count, bytes=count)


def read(
    running: RunningScheduler,
    task_id: str,
    view: "task_pb2.TaskView.ValueType",
    *,
    times: int = 1,
) -> task_pb2.Task:
    """Read a task, ``times`` in one batch."""
    request = task_service_pb2.GetTaskRequest(caller=ALICE, task_id=task_id, view=view)
    batch = task_service_pb2.BatchGetTasksRequest(requests=[request] * times)
    answer = invoke(running.tasks.BatchGetTasks, batch, timeout=SECONDS * 3)
    return answer.results[0].task


@pytest.mark.parametrize("view", [BASIC, FULL], ids=["BASIC", "FULL"])
def test_a_task_with_too_many_long_names_is_shown_with_those_that_fit(
    transfer: Transfer, view: "task_pb2.TaskView.ValueType"
) -> None:
    upload(transfer, FILES)

    task = read(transfer.running, transfer.attempt.task_id, view)

    listed = len(task.logs[0].outputs)
    assert listed > 2_500
    assert task.logs[0].metadata["outputs_unlisted"] == str(FILES - listed)
    said = [line for line in task.logs[0].system_logs if "more files were" in line]
    assert len(said) == (view == FULL)
    assert task.ByteSize() < MESSAGE_LIMIT


@pytest.mark.parametrize("caller", [ALICE, ADMIN], ids=["owner", "administrator"])
def test_its_page_is_shown_and_leads_on(
    transfer: Transfer, caller: task_service_pb2.Caller
) -> None:
    running = transfer.running
    upload(transfer, 3_000)
    running.create(3)

    for view in (BASIC, FULL):
        seen: list[str] = []
        token = ""
        while True:
            request = task_service_pb2.ListTasksRequest(
                caller=caller, view=view, page_token=token
            )
            answer = invoke(running.tasks.ListTasks, request, timeout=SECONDS)
            seen += [task.id for task in answer.tasks]
            token = answer.next_page_token
            if not token:
                break
        assert transfer.attempt.task_id in seen
        assert len(seen) == 4


def test_many_large_tasks_in_one_batch_are_refused_before_they_are_read(
    transfer: Transfer,
) -> None:
    upload(transfer, 3_000)

    with pytest.raises(ResourceExhaustedError, match="ask for fewer"):
        read(transfer.running, transfer.attempt.task_id, FULL, times=200)


@pytest.mark.parametrize("count", [600, pytest.param(2_000, marks=pytest.mark.long)])
def test_a_task_of_many_executors_that_print_a_lot_is_shown(
    running: RunningScheduler, count: int
) -> None:
    executor = task_pb2.Executor(image="busybox", command=["true"])
    with started_transfer(running, executors=[executor] * count) as transfer:
        for first in range(0, count, 100):
            transfer.taskmaster.sync()  # its lease goes on, however long this takes
            transfer.taskmaster.report(
                [
                    assignment_service_pb2.TaskEvent(
                        attempt=transfer.attempt,
                        sequence=index + 1,
                        executor_ended=assignment_service_pb2.ExecutorEnded(
                            index=index, stdout="x" * 65_536, stderr="y" * 65_536
                        ),
                    )
                    for index in range(first, first + 100)
                ]
            )

        task = read(running, transfer.attempt.task_id, FULL)

    logs = task.logs[0]
    assert len(logs.logs) == count
    assert logs.logs[0].stdout == "x" * 65_536
    assert logs.logs[500].stdout == "x" * 2048
    assert "executors[500]: only the last 2 KiB of each stream are kept" in (
        logs.system_logs
    )
    assert task.ByteSize() < MESSAGE_LIMIT


def test_a_taskmaster_that_says_too_much_leaves_a_task_that_can_be_read(
    transfer: Transfer,
) -> None:
    first = transfer.assignment.last_sequence
    for batch in range(20):
        transfer.taskmaster.report(
            [
                assignment_service_pb2.TaskEvent(
                    attempt=transfer.attempt,
                    sequence=first + batch * 100 + number + 1,
                    **(
                        {"note": "n" * 100_000}
                        if number % 2
                        else {
                            "metadata": assignment_service_pb2.Metadata(
                                entries={f"{batch}-{number}": "m" * 10_000}
                            )
                        }
                    ),
                )
                for number in range(100)
            ]
        )

    task = read(transfer.running, transfer.attempt.task_id, FULL)

    assert task.ByteSize() < 2 * 2**20
    assert any("lines were left out" in line for line in task.logs[0].system_logs)


TOO_LARGE = {
    "a document": ({"description": "x" * 20_000_000}, "bytes"),
    "executors": (
        {"executors": [task_pb2.Executor(image="i", command=["c"])] * 10_001},
        "executors",
    ),
    "tags": ({"tags": {str(number): "" for number in range(10_001)}}, "tags"),
}


@pytest.mark.parametrize(("fields", "named"), TOO_LARGE.values(), ids=TOO_LARGE)
def test_a_task_that_could_not_be_shown_is_not_taken(
    running: RunningScheduler, fields: dict[str, Any], named: str
) -> None:
    with pytest.raises(InvalidRequestError, match=named):
        running.create(**fields)
