"""Start, adoption, loss and removal of containers of a real engine."""

import gc
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from taskmasters.containers import Workplace, silent
from tesk_model.reasons import Reason
from tesk_taskmaster.adapters.container.api import ContainerApi
from tesk_taskmaster.adapters.container.discovery import open_container_engine
from tesk_taskmaster.adapters.container.engine import ContainerEngine
from tesk_taskmaster.adapters.container.removal import empty_folder_in_container
from tesk_taskmaster.ports import StepFailedError

pytestmark = pytest.mark.engine


LONG = timedelta(seconds=60)


OpenEngine = Callable[[Path], ContainerEngine]


def test_a_start_is_adopted_in_every_state(
    place: Workplace, api: ContainerApi, open_engine: OpenEngine
) -> None:
    run = place.make_run("sh", "-c", "echo once >> /work/runs; cat /work/runs")
    place.engine._create(run)  # A process that was killed leaves it so.

    successor = open_engine(place.home)
    successor.start(run, silent)
    successor.start(run, silent)
    assert successor.wait(run, LONG) is not None
    open_engine(place.home).start(run, silent)
    result = open_engine(place.home).wait(run, LONG)

    assert result is not None
    assert result.exit_code == 0
    assert (place.volume / "work/runs").read_text() == "once\n"
    assert len(api.list({"tesk.home": str(place.home)})) == 1


# Starts what the test starts, and lives on until it is killed.
KILLED_STARTER = """
import pathlib, pickle, os, sys
from datetime import timedelta
from tesk_taskmaster.adapters.container.discovery import open_container_engine
run = pickle.load(sys.stdin.buffer)
launcher, home = map(pathlib.Path, sys.argv[1:])
engine = open_container_engine(os.environ, launcher=launcher, home=home)
engine.start(run, lambda _: None)
print("waiting", flush=True)
engine.wait(run, timedelta(hours=1))
"""


def test_a_running_executor_outlives_the_killed_starter(
    place: Workplace, launcher: Path, open_engine: OpenEngine
) -> None:
    run = place.make_run("sh", "-c", "echo once >> /work/runs; : < /work/go; exit 7")
    go = place.make_fifo("go")
    starter = subprocess.Popen(
        [sys.executable, "-c", KILLED_STARTER, str(launcher), str(place.home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with starter:
        assert starter.stdin is not None
        assert starter.stdout is not None
        pickle.dump(run, starter.stdin)
        starter.stdin.close()
        assert starter.stdout.readline() == b"waiting\n"
        starter.send_signal(signal.SIGKILL)

    successor = open_engine(place.home)
    successor.start(run, silent)
    go.write_text("")
    result = successor.wait(run, LONG)

    assert result is not None
    assert result.exit_code == 7
    assert (place.volume / "work/runs").read_text() == "once\n"


# The SDK leaves a socket that could not connect to the garbage collector.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_an_engine_that_is_down_for_a_while_is_waited_for(
    tmp_path: Path, launcher: Path, place: Workplace
) -> None:
    host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    socket, real = tmp_path / "engine.sock", Path(host.removeprefix("unix://"))
    socket.symlink_to(real)
    place.engine = open_container_engine(
        {"DOCKER_HOST": f"unix://{socket}"}, launcher=launcher, home=place.home
    )
    run = place.make_run("sh", "-c", "exit 5")
    said: list[Reason] = []

    def go_down() -> None:
        socket.unlink()
        place.engine._api._client.close()

    def come_back(reason: Reason) -> None:
        said.append(reason)
        socket.symlink_to(real)

    go_down()
    place.engine.start(run, come_back)
    go_down()
    nothing = place.engine.wait(run, timedelta(seconds=1))
    socket.symlink_to(real)
    result = place.engine.wait(run, LONG)
    gc.collect()

    assert [reason.text for reason in said] == [
        "waiting for the container engine, which does not answer"
    ]
    assert nothing is None
    assert result is not None
    assert result.exit_code == 5


OUTSIDERS: dict[str, tuple[Callable[[ContainerApi, str], None], str]] = {
    "kills it": (lambda api, name: api._client.kill(name), "killed from outside"),
    "stops it": (lambda api, name: api.stop(name, 30), "stopped from outside"),
    "removes it": (lambda api, name: api.remove(name), "vanished"),
}


@pytest.mark.parametrize(("act", "cause"), OUTSIDERS.values(), ids=OUTSIDERS)
def test_an_executor_is_lost_if_another_program(
    place: Workplace,
    api: ContainerApi,
    act: Callable[[ContainerApi, str], None],
    cause: str,
) -> None:
    run = place.make_run("sleep", "600")
    place.engine.start(run, silent)

    act(api, run.name)
    result = place.engine.wait(run, LONG)

    assert result is not None
    assert result.lost
    assert cause in result.error


def test_a_start_that_waits_for_its_image_can_be_stopped(place: Workplace) -> None:
    run = place.make_run("true", image="tesk-nobody/nothing:1")

    def stop(_: Reason) -> None:
        place.engine.stop(run, LONG)

    with pytest.raises(StepFailedError, match="stopped before it started"):
        place.engine.start(run, stop)


def test_remove_leaves_nothing_of_its_attempt_and_all_else(
    place: Workplace, tmp_path_factory: pytest.TempPathFactory, open_engine: OpenEngine
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    stranger = Workplace(elsewhere, open_engine(elsewhere))
    other = stranger.make_run("true")
    stranger.finish(other)
    place.engine.start(place.make_run("sh", "-c", "trap '' TERM; sleep 600"), silent)
    place.engine.start(place.make_run("sleep", "600", index=1), silent)

    here = place.engine.attempts()
    place.engine.remove(stranger.attempt)
    place.engine.remove(place.attempt)
    place.engine.remove(place.attempt)

    assert here == [place.attempt]
    assert place.engine.attempts() == []
    assert stranger.engine.attempts() == [stranger.attempt]
    stranger.engine.remove(stranger.attempt)
    assert stranger.engine.attempts() == []


def test_a_container_deletes_files_that_this_process_may_not(
    place: Workplace, api: ContainerApi
) -> None:
    outside = place.home / "outside"
    outside.write_text("stays")
    work = place.volume / "work"
    place.finish(
        place.make_run("sh", "-c", "mkdir -p /work/a/.b; touch '/work/a/ c' /work/.d")
    )
    (work / "link").symlink_to(outside)
    (work / "dirlink").symlink_to(place.home)

    empty_folder_in_container(place.volume, api=api, home=place.home)
    left = list(place.volume.iterdir())
    place.engine.delete_folder(place.volume)
    place.engine.delete_folder(place.volume)

    assert left == []
    assert not place.volume.exists()
    assert outside.read_text() == "stays"
