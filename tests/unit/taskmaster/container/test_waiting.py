"""Waiting for the end of containers."""

import threading
import time
from pathlib import Path

import pytest
from docker.errors import DockerException

from builders.tasks import make_executor
from tesk_model.names import Attempt
from tesk_model.task import TaskId
from tesk_taskmaster.adapters.container.api import ContainerApi
from tesk_taskmaster.adapters.container.waiting import wait_for_end
from tesk_taskmaster.domain.executor_run import ExecutorRun
from tesk_taskmaster.domain.plan import ExecutorStep

LONG = 200.0


class SlowClient:
    """The SDK of an engine that tells of an end when ``ended`` is set."""

    def __init__(self, *, is_down: bool = False) -> None:
        self.ended = threading.Event()
        self.asked = threading.Event()
        self._is_down = is_down

    def wait(self, name: str, timeout: float) -> dict[str, int]:
        del name
        self.asked.set()
        if self._is_down:
            raise DockerException("connection refused")
        self.ended.wait(timeout)
        return {"StatusCode": 0}


@pytest.fixture
def run(tmp_path: Path) -> ExecutorRun:
    (tmp_path / "report").touch()
    return ExecutorRun(
        name="tesk-t1-a1-x0",
        attempt=Attempt(TaskId("t1"), 1),
        step=ExecutorStep(index=0, executor=make_executor(), mounts=()),
        mounts=(),
        folder=tmp_path,
        volume=tmp_path,
        cpu_cores=1,
        ram=1,
    )


def seconds_of(client: SlowClient, run: ExecutorRun, seconds: float) -> float:
    began = time.monotonic()
    wait_for_end(ContainerApi(client), run, seconds)  # type: ignore[arg-type]
    return time.monotonic() - began


def test_the_launchers_report_ends_the_wait(run: ExecutorRun) -> None:
    client = SlowClient()

    def end() -> None:
        client.asked.wait(LONG)
        (run.folder / "report").write_text("exit_code=0")

    threading.Thread(target=end).start()

    assert seconds_of(client, run, LONG) < LONG / 2
    client.ended.set()


def test_the_engine_ends_the_wait_for_a_launcher_that_was_killed(
    run: ExecutorRun,
) -> None:
    client = SlowClient()
    threading.Thread(target=_end_when_asked, args=(client,)).start()

    assert seconds_of(client, run, LONG) < LONG / 2


def test_the_time_ends_the_wait(run: ExecutorRun) -> None:
    assert 0.2 <= seconds_of(SlowClient(), run, 0.2) < LONG


def test_a_report_that_a_command_wrote_long_ago_does_not_make_the_caller_spin(
    run: ExecutorRun,
) -> None:
    (run.folder / "report").write_text("?")
    client = SlowClient()

    assert seconds_of(client, run, LONG) >= 0.01
    assert not client.asked.is_set()


def test_an_engine_that_is_down_does_not_make_the_caller_spin(
    run: ExecutorRun,
) -> None:
    assert seconds_of(SlowClient(is_down=True), run, LONG) >= 0.4


def _end_when_asked(client: SlowClient) -> None:
    client.asked.wait(LONG)
    client.ended.set()
