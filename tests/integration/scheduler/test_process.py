"""The scheduler as a process: killed, starved of disk, stopped and started."""

import os
import resource
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from programs.scheduler import Process, answers
from schedulers.served import ALICE, SECONDS, SchedulerClient, connected
from tesk.v1 import task_pb2, task_service_pb2
from tesk_model.errors import UnavailableError
from tesk_runtime.rpc.status import invoke

SIZES = [1, 9] * 50 + [100] * 5
INITIALIZING = task_pb2.TASK_STATE_INITIALIZING
COMPLETE = task_pb2.TASK_STATE_COMPLETE
CANCELED = task_pb2.TASK_STATE_CANCELED


@pytest.fixture
def idle() -> str:
    """Let taskmasters go at once; a test may override it. Seconds."""
    return "0"


@pytest.fixture
def process(tmp_path: Path, idle: str) -> Iterator[Process]:
    """Run a scheduler process."""
    process = Process(tmp_path, idle=idle)
    process.start()
    yield process
    if process.running:
        process.end(signal.SIGKILL)
    for pid in process.taskmasters():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def client(process: Process) -> Iterator[SchedulerClient]:
    with connected(process.address) as client:
        yield client


def restart(process: Process, client: SchedulerClient) -> None:
    """Kill the scheduler, start it again and wait until it answers."""
    process.end(signal.SIGKILL)
    process.start()
    client.eventually(lambda: answers(client))


def test_acknowledged_tasks_survive_a_kill(
    process: Process, client: SchedulerClient
) -> None:
    ids: list[str] = []
    with ThreadPoolExecutor(8) as pool:
        for batch in pool.map(lambda count: client.create(count, name="hang"), SIZES):
            ids += batch
    assert len(ids) == 1000

    restart(process, client)

    assert sorted(client.get(task_id).id for task_id in ids) == sorted(ids)


def test_creating_goes_on_while_it_is_killed(
    process: Process, client: SchedulerClient
) -> None:
    acknowledged: list[str] = []

    def create(number: int) -> None:
        with suppress(UnavailableError):
            acknowledged.extend(client.create(3, name="hang", key=""))
        if number == 60:
            restart(process, client)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(create, range(120)))

    assert len(acknowledged) >= 100
    assert all(client.get(task_id).id == task_id for task_id in acknowledged)


def test_taskmasters_outlive_their_scheduler(
    process: Process, client: SchedulerClient
) -> None:
    (task_id,) = client.create(name="hang")
    client.eventually(lambda: client.get(task_id).state == INITIALIZING)
    client.eventually(lambda: process.taskmasters() != [])
    before = process.taskmasters()

    restart(process, client)
    client.cancel(task_id)
    client.eventually(lambda: client.get(task_id).state == CANCELED)

    assert len(before) == 1
    assert len(client.get(task_id).logs) == 1
    client.eventually(lambda: process.taskmasters() == [])


def test_a_stop_is_clean(process: Process, client: SchedulerClient) -> None:
    (task_id,) = client.create(name="hang")

    assert process.end(signal.SIGTERM) == 0

    process.start()
    client.eventually(lambda: answers(client))
    assert client.get(task_id).id == task_id


@pytest.mark.parametrize("idle", ["600"])
def test_a_stop_leaves_no_idle_taskmaster(
    process: Process, client: SchedulerClient
) -> None:
    (task_id,) = client.create()
    client.eventually(lambda: client.get(task_id).state == COMPLETE)

    process.end(signal.SIGTERM)

    assert process.taskmasters() == []


@pytest.mark.parametrize("idle", ["600"])
def test_a_stop_leaves_busy_taskmasters(
    process: Process, client: SchedulerClient
) -> None:
    (task_id,) = client.create(name="hang")
    client.eventually(lambda: process.taskmasters() != [])
    (before,) = process.taskmasters()

    process.end(signal.SIGTERM)
    left = process.taskmasters()
    process.start()
    client.eventually(lambda: answers(client))
    client.cancel(task_id)
    client.eventually(lambda: client.get(task_id).state == CANCELED)

    assert left == [before] == process.taskmasters()


def test_a_second_scheduler_does_not_start(
    process: Process, client: SchedulerClient
) -> None:
    client.create(name="hang")
    first = process.pid

    second = process.again()

    assert second.wait() != 0
    assert process.pid == first
    assert client.create(name="hang")


def test_a_full_disk_creates_nothing_and_passes(
    process: Process, client: SchedulerClient
) -> None:
    (kept,) = client.create(name="hang")
    unlimited = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)

    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (0, unlimited[1]))
    with pytest.raises(UnavailableError, match="task store"):
        client.create(name="lost")
    readable = client.get(kept).id
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, unlimited)

    assert readable == kept
    client.eventually(lambda: creates(client))
    request = task_service_pb2.ListTasksRequest(caller=ALICE, name_prefix="lost")
    listed = invoke(client.tasks.ListTasks, request, timeout=SECONDS)
    assert list(listed.tasks) == []


def creates(client: SchedulerClient) -> bool:
    """Tell whether a task can be created."""
    try:
        return bool(client.create(name="hang"))
    except UnavailableError:
        return False
