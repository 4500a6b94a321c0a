"""A scheduler as a process follows its quota while it runs."""

import signal
from pathlib import Path

import pytest

from programs.scheduler import Process
from programs.waiting import eventually
from schedulers.served import SchedulerClient, connected
from tesk.v1 import task_pb2
from tesk_model.errors import InvalidRequestError

TWO_CORES = task_pb2.Resources(cpu_cores=2, ram_gb=0.1)


def is_accepted(client: SchedulerClient) -> bool:
    try:
        client.create(resources=TWO_CORES)
    except InvalidRequestError:
        return False
    return True


@pytest.fixture
def quota(tmp_path: Path) -> Path:
    """Return the file of a quota that lets a task have one core."""
    path = tmp_path / "quota.yaml"
    path.write_text("{capacity: {cpu: 8}, perTask: {cpu: 1}}")
    return path


def test_a_quota_that_changes_is_in_force_without_a_restart(
    tmp_path: Path, quota: Path
) -> None:
    process = Process(tmp_path, quota=quota)
    process.start()
    with connected(process.address) as client:
        assert not is_accepted(client)

        quota.write_text("{capacity: {cpu: 8}, perTask: {cpu: 2}}")
        eventually(lambda: is_accepted(client))
        quota.write_text("{capacity: {cpu: 8}, perTask: {cpu: none}}")
        quota.write_text("{capacity: {cpu: 8}, perTask: {cpu: 1}}")

        eventually(lambda: not is_accepted(client))
    assert process.end(signal.SIGTERM) == 0


def test_a_lowered_limit_ends_nothing_and_is_told_to_those_who_wait(
    tmp_path: Path, quota: Path
) -> None:
    quota.write_text("{capacity: {cpu: 2}}")
    process = Process(tmp_path, quota=quota)
    process.start()
    with connected(process.address) as client:
        running, waiting = client.create(2, resources=TWO_CORES, name="hang")
        started = (task_pb2.TASK_STATE_INITIALIZING, task_pb2.TASK_STATE_RUNNING)
        eventually(lambda: client.get(running).state in started)

        quota.write_text("{capacity: {cpu: 2}, users: {alice: {cpu: 1}}}")

        eventually(lambda: client.get(waiting).reason_code == "LIMIT_EXCEEDED")
        assert client.get(waiting).reason == (
            "can never run: resources.cpu_cores: 2 exceeds the 1 core that alice may use"
        )
        assert client.get(running).state in started
        client.cancel(running)
        client.cancel(waiting)
    process.end(signal.SIGTERM)


def test_a_wrong_quota_stops_the_start_with_all_that_is_wrong(
    tmp_path: Path, quota: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    quota.write_text("{order: fifo, users: {alice: {cpu: many}}}")
    process = Process(tmp_path, quota=quota)
    process.start()

    assert process.wait(100) == 1
    said = capfd.readouterr().err
    assert "- order: must be one of best-effort, strict" in said
    assert "- users.alice.cpu: must be a number" in said
