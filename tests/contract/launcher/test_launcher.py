"""Launchers start, know and end taskmasters alike."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from fakes.scheduler_launcher import FakeLauncher
from programs.waiting import eventually
from taskmasters.launchers import PodLaunchers, real_launcher
from tesk_scheduler.adapters.local_launcher import LocalLauncher
from tesk_scheduler.ports.launcher import LaunchError, TaskmasterLauncher

# Takes its lock, says so by its pid, and stays.
STAYS = """
import fcntl, os, signal
file = open(os.environ["FOLDER"] + "/" + os.environ["TESK_TASKMASTER_ID"] + ".lock", "w")
fcntl.flock(file, fcntl.LOCK_EX)
file.write(str(os.getpid()))
file.flush()
print("ready", flush=True)
signal.pause()
"""


def local(
    folder: Path, changed: threading.Event, program: str = STAYS
) -> LocalLauncher:
    """Return a launcher of a small program instead of a taskmaster."""
    return LocalLauncher(
        folder,
        environment={"FOLDER": str(folder)},
        changed=changed.set,
        command=[sys.executable, "-c", program],
    )


@pytest.fixture(
    params=[
        *("fake", "local", "pods"),
        pytest.param("real pods", marks=pytest.mark.cluster),
    ]
)
def launcher(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[TaskmasterLauncher]:
    """Return a launcher; end what it started."""
    with ExitStack() as stack:
        launcher: TaskmasterLauncher
        match request.param:
            case "fake":
                launcher = FakeLauncher()
            case "local":
                launcher = local(tmp_path, threading.Event())
            case "pods":
                launcher = stack.enter_context(PodLaunchers(folder=tmp_path).synced())
            case _:
                launcher = stack.enter_context(real_launcher(tmp_path))
        yield launcher
        for name in launcher.alive():
            launcher.kill(name)


def test_a_launched_taskmaster_is_alive(launcher: TaskmasterLauncher) -> None:
    launcher.launch("tm-1")
    launcher.launch("tm-2")

    assert set(launcher.alive()) == {"tm-1", "tm-2"}


def test_launching_twice_is_launching_once(launcher: TaskmasterLauncher) -> None:
    launcher.launch("tm-1")
    launcher.launch("tm-1")
    launcher.kill("tm-1")

    assert set(launcher.alive()) == set()


def test_a_killed_taskmaster_is_gone(launcher: TaskmasterLauncher) -> None:
    launcher.launch("tm-1")

    launcher.kill("tm-1")

    assert set(launcher.alive()) == set()


def test_killing_what_is_gone_does_nothing(launcher: TaskmasterLauncher) -> None:
    launcher.kill("tm-1")

    assert set(launcher.alive()) == set()
    assert launcher.status_message("tm-1") == ""


def test_killing_leaves_nothing(
    launcher: TaskmasterLauncher,
) -> None:
    launcher.launch("tm-1")

    launcher.kill("tm-1")
    launcher.kill("tm-1")

    assert set(launcher.ended()) == set()


def test_a_taskmaster_that_starts_well_has_no_message(
    launcher: TaskmasterLauncher,
) -> None:
    launcher.launch("tm-1")

    assert launcher.status_message("tm-1") == ""


def test_a_death_is_noticed_at_once(tmp_path: Path) -> None:
    changed = threading.Event()
    launcher = local(tmp_path, changed, "raise SystemExit(3)")

    launcher.launch("tm-1")

    assert changed.wait(100)
    assert set(launcher.alive()) == set()
    assert launcher.status_message("tm-1") == "it ended with exit code 3"


def test_a_taskmaster_that_cannot_be_started_is_an_error(tmp_path: Path) -> None:
    launcher = LocalLauncher(
        tmp_path,
        environment={},
        changed=lambda: None,
        command=[str(tmp_path / "missing")],
    )

    with pytest.raises(LaunchError, match="No such file"):
        launcher.launch("tm-1")

    assert set(launcher.alive()) == set()


@contextmanager
def started_elsewhere(
    folder: Path, program: str = STAYS
) -> Iterator["subprocess.Popen[bytes]"]:
    """Start a taskmaster that no launcher knows, as if its scheduler was killed."""
    environment = {"FOLDER": str(folder), "TESK_TASKMASTER_ID": "tm-1"}
    with subprocess.Popen(
        [sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield process
        process.kill()


@pytest.fixture
def orphan(tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    with started_elsewhere(tmp_path) as process:
        yield process


def test_a_successor_adopts_and_can_end_what_lives(
    tmp_path: Path, orphan: "subprocess.Popen[bytes]"
) -> None:
    changed = threading.Event()
    successor = local(tmp_path, changed)
    adopted = set(successor.alive())

    successor.kill("tm-1")

    assert adopted == {"tm-1"}
    assert orphan.wait() == -9
    assert changed.wait(100)
    assert set(successor.alive()) == set()


def test_one_that_has_not_yet_written_its_pid_is_killed(tmp_path: Path) -> None:
    late = STAYS.replace(
        "file.write", 'print("ready", flush=True); time.sleep(0.5); file.write'
    ).replace("signal", "signal, time", 1)
    with started_elsewhere(tmp_path, late):
        launcher = local(tmp_path, threading.Event())
        killing = threading.Thread(target=launcher.kill, args=["tm-1"], daemon=True)
        killing.start()
        killing.join(60)
        is_killed = not killing.is_alive()

    assert is_killed


@pytest.fixture
def early(tmp_path: Path) -> LocalLauncher:
    """Return a launcher that was there first."""
    return local(tmp_path, threading.Event())


def test_a_taskmaster_that_another_scheduler_starts_later_is_seen(
    early: LocalLauncher, orphan: "subprocess.Popen[bytes]"
) -> None:
    assert set(early.alive()) == {"tm-1"}
    assert orphan.poll() is None


def test_the_death_of_an_adopted_one_is_noticed(
    tmp_path: Path, orphan: "subprocess.Popen[bytes]"
) -> None:
    changed = threading.Event()
    successor = local(tmp_path, changed)

    orphan.kill()

    assert changed.wait(100)
    assert set(successor.alive()) == set()


def test_a_free_lock_is_not_a_taskmaster(tmp_path: Path) -> None:
    (tmp_path / "tm-1.lock").write_text("1", encoding="ascii")

    assert set(local(tmp_path, threading.Event()).alive()) == set()


def test_the_file_of_one_that_ended_after_its_scheduler_is_deleted(
    tmp_path: Path, early: LocalLauncher
) -> None:
    file = tmp_path / "tm-1.lock"
    file.write_text("1", encoding="ascii")

    assert set(early.alive()) == set()
    assert not file.exists()


@pytest.fixture
def second(tmp_path: Path) -> LocalLauncher:
    """Return a launcher whose taskmasters end, as they do if one has their name."""
    return local(tmp_path, threading.Event(), "raise SystemExit(3)")


def test_one_that_two_schedulers_start_is_seen_when_the_second_has_ended(
    second: LocalLauncher, orphan: "subprocess.Popen[bytes]"
) -> None:
    second.launch("tm-1")
    eventually(lambda: second.status_message("tm-1"))

    eventually(lambda: set(second.alive()) == {"tm-1"})
    second.kill("tm-1")

    assert orphan.wait(100) == -9
