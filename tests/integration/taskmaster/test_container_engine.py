"""What is particular to containers; the rest is in tests/contract/engine."""

import gc
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from builders.tasks import make_executor
from tesk_model.errors import UnavailableError
from tesk_model.names import Attempt
from tesk_model.reasons import Reason
from tesk_model.task import TaskId
from tesk_taskmaster.adapters.container.api import ContainerApi
from tesk_taskmaster.adapters.container.discovery import open_container_engine
from tesk_taskmaster.adapters.container.engine import ContainerEngine
from tesk_taskmaster.adapters.container.removal import empty_folder_in_container
from tesk_taskmaster.domain.executor_run import ExecutorRun, HostMount
from tesk_taskmaster.domain.plan import ExecutorStep, Mount
from tesk_taskmaster.domain.termination import StepResult
from tesk_taskmaster.ports import StepFailedError, Tails

pytestmark = pytest.mark.engine

REPOSITORY = Path(__file__).parents[3]
LONG = timedelta(seconds=60)
MIB = 1024**2
ALL_BYTES = bytes(range(256)) * 4
PYTHON = "gcr.io/distroless/python3-debian12:nonroot"  # uid 65532


def silent(_: Reason) -> None:
    """Nobody listens."""


class Workplace:
    """A home of one TESK with one task, whose executors are run one by one."""

    def __init__(self, home: Path, engine: ContainerEngine) -> None:
        self.home = home
        self.engine = engine
        self.attempt = Attempt(TaskId(f"t{uuid4().hex[:12]}"), 1)
        self.volume = home / "volume"
        self.volume.mkdir()
        self.volume.chmod(0o777)

    def make_run(self, *command: str, index: int = 0, **fields: object) -> ExecutorRun:
        """Return a run of busybox that sees /work, unless ``fields`` say else."""
        collect = fields.pop("collect", ())
        outputs = fields.pop("outputs", ())
        ram = fields.pop("ram", 256 * MIB)
        assert isinstance(collect, tuple)
        assert isinstance(outputs, tuple)
        assert isinstance(ram, int)
        work, folder = self.volume / "work", self.home / f"x{index}"
        work.mkdir(exist_ok=True)
        work.chmod(0o777)
        folder.mkdir(exist_ok=True)
        return ExecutorRun(
            name=f"{self.attempt.name}-x{index}",
            attempt=self.attempt,
            step=ExecutorStep(
                index=index,
                executor=make_executor(command=command, **fields),
                mounts=(Mount(path="/work"),),
                collect=collect,
            ),
            mounts=(HostMount(source=work, target="/work", is_file=False),),
            folder=folder,
            volume=self.volume,
            cpu_cores=1,
            ram=ram,
            outputs=outputs,
        )

    def make_fifo(self, name: str) -> Path:
        """Make a pipe in /work; reading and writing wait for the other end."""
        fifo = self.volume / "work" / name
        os.mkfifo(fifo)
        fifo.chmod(0o666)
        return fifo

    def finish(self, run: ExecutorRun) -> tuple[StepResult, Tails]:
        """Run to the end."""
        self.engine.start(run, silent)
        result = self.engine.wait(run, LONG)
        assert result is not None
        return result, self.engine.tails(run)


OpenEngine = Callable[[Path], ContainerEngine]


@pytest.fixture(scope="session")
def launcher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("launcher") / "launcher"
    source = REPOSITORY / "services/taskmaster/launcher"
    subprocess.run(["make", "-s", "-C", str(source), f"OUT={target}"], check=True)
    return target


@pytest.fixture
def open_engine(launcher: Path) -> OpenEngine:
    def open_one(home: Path) -> ContainerEngine:
        try:
            return open_container_engine(os.environ, launcher=launcher, home=home)
        except UnavailableError as error:
            pytest.skip(error.message)

    return open_one


@pytest.fixture
def place(tmp_path: Path, open_engine: OpenEngine) -> Iterator[Workplace]:
    place = Workplace(tmp_path, open_engine(tmp_path))
    yield place
    place.engine.remove(place.attempt)


@pytest.fixture
def api(place: Workplace) -> ContainerApi:
    return place.engine._api


def test_tails_hold_the_last_64_kib_of_each_stream(place: Workplace) -> None:
    run = place.make_run(
        "sh",
        "-c",
        "echo first >&2; yes | head -n 400000; head -c 100000 /dev/zero | tr '\\0' x; "
        "printf end; echo last >&2",
    )

    _, tails = place.finish(run)

    assert tails == Tails(b"x" * (65536 - 3) + b"end", b"first\nlast\n")


def test_tails_can_be_read_while_the_executor_runs(place: Workplace) -> None:
    run = place.make_run(
        "sh",
        "-c",
        "echo told >&2; echo written; : > /work/ready; : < /work/go",
        stdout="/work/stdout",
    )
    ready, go = place.make_fifo("ready"), place.make_fifo("go")
    place.engine.start(run, silent)
    ready.read_text()

    tails = place.engine.tails(run)
    nothing_yet = place.engine.wait(run, timedelta(0))
    go.write_text("")

    assert tails == Tails(b"written\n", b"told\n")
    assert nothing_yet is None
    assert place.engine.wait(run, LONG) is not None


NOT_STARTED = {
    "there is no such program": ("no-such-program", "not found"),
    "it is a file but no program": ("/etc/passwd", "not executable"),
}


@pytest.mark.parametrize(
    ("program", "note"), NOT_STARTED.values(), ids=NOT_STARTED.keys()
)
def test_why_a_command_did_not_start_is_noted(
    place: Workplace, program: str, notice: str
) -> None:
    result, _ = place.finish(place.make_run(program))

    assert notice in result.notice


def test_running_out_of_memory_is_told(place: Workplace) -> None:
    hungry = "x=$(head -c 200000000 /dev/zero | tr '\\0' x); echo $x"
    run = place.make_run("sh", "-c", hungry, ram=64 * MIB)

    result, _ = place.finish(run)

    assert result.exit_code == 137
    assert result.notice == "executors[0]: ran out of memory: limit 64 MiB"


def test_the_image_has_no_say_but_its_user_and_environment(place: Workplace) -> None:
    run = place.make_run(
        "/usr/bin/python3",
        "-c",
        "import os; open('/work/mine', 'w').write(str(os.getuid()))",
        image=PYTHON,
        stdout="/work/stdout",
    )

    result, tails = place.finish(run)

    assert result.exit_code == 0, tails.stderr
    assert (place.volume / "work/mine").read_text() == "65532"


SHELL_KEEPS_ALL = """
umask 077; echo r > /r.txt; mkdir -p /work/a/b; echo o > /work/a/b/o
echo k > /work/kept; exit 3
"""
PYTHON_KEEPS_ALL = """
import os
os.umask(0o077)
os.makedirs("/work/a/b")
open("/work/a/b/o", "w").close()
open("/work/kept", "w").close()
os.chmod("/work/a", 0)
exit(3)
"""
# An image, its command line, and the modes of what it leaves.
PRIVATE: dict[str, tuple[str, tuple[str, ...], dict[str, str]]] = {
    "root": (
        "busybox",
        ("sh", "-c", SHELL_KEEPS_ALL),
        {"r.txt": "644", "work/a": "711", "work/a/b": "755", "work/a/b/o": "644"},
    ),
    "another uid": (
        PYTHON,
        ("/usr/bin/python3", "-c", PYTHON_KEEPS_ALL),
        {"work/a": "111", "work/a/b": "755", "work/a/b/o": "644"},
    ),
}


@pytest.mark.parametrize(
    ("image", "command", "want"), PRIVATE.values(), ids=list(PRIVATE)
)
def test_everybody_may_read_the_outputs_and_only_them(
    place: Workplace, image: str, command: tuple[str, ...], want: dict[str, str]
) -> None:
    outputs = ("/r.txt", "/work/a/b")
    run = place.make_run(*command, image=image, outputs=outputs, collect=("/r.txt",))

    result, tails = place.finish(run)

    assert (result.exit_code, tails.stderr) == (3, b"")
    modes = {
        str(path.relative_to(place.volume)): f"{path.stat().st_mode & 0o777:o}"
        for path in (
            *place.volume.glob("*"),
            *place.volume.glob("work/*"),
            *(place.volume / "work/a" / name for name in ("b", "b/o")),
        )
    }
    assert modes == {"work": "777", "work/kept": "600", **want}


def test_an_image_that_cannot_be_had_fails_the_step_for_good(place: Workplace) -> None:
    said: list[Reason] = []
    run = place.make_run("true", image="tesk-nobody/nothing:1")

    with pytest.raises(StepFailedError, match=r"tesk-nobody/nothing:1") as failure:
        place.engine.start(run, said.append)

    assert not failure.value.lost
    assert said[0].text == "pulling image tesk-nobody/nothing:1"


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
def test_an_executor_is_lost_if_somebody_else(
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


def test_a_container_deletes_what_this_process_may_not(
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
