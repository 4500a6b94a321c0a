"""Commands in the sandbox that try to reach this machine's services."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, cast

import pytest

from builders.tasks import make_task_json
from fakes.taskmaster_engine_harness import GRACE, EngineHarness
from programs.stack import Stack, running_stack
from programs.waiting import eventually
from tesk_taskmaster.adapters.detached_process import DetachedProcess
from tesk_taskmaster.adapters.sandbox.bubblewrap import SandboxUnavailableError
from tesk_taskmaster.adapters.sandbox.engine import SandboxEngine
from tesk_taskmaster.adapters.sandbox.factory import open_sandbox_engine
from tesk_taskmaster.adapters.sandbox.network import UserNetwork
from tesk_taskmaster.adapters.task_folders import TaskFolders
from tesk_taskmaster.ports import Engine, StepFailedError

# What bash alone can ask: whether somebody takes a connection.
ASK = "timeout 3 bash -c 'echo > /dev/tcp/{host}/{port}' 2>/dev/null && echo reached"
METADATA = ("169.254.169.254", 80)


@pytest.fixture
def service() -> Iterator[int]:
    """Give the port of a service on all addresses of this machine."""
    with socket.create_server(("", 0)) as server:

        def answer() -> None:
            with contextlib.suppress(OSError):
                while True:
                    server.accept()[0].close()

        threading.Thread(target=answer, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def kit_of(home: Path, network: Literal["none", "host"] = "none") -> EngineHarness:
    """Give the sandbox with a network of this kind."""

    def open_engine() -> Engine:
        try:
            return open_sandbox_engine(TaskFolders(home), os.environ, network=network)
        except SandboxUnavailableError as error:
            pytest.skip(str(error))

    return EngineHarness(open_engine=open_engine, home=home, image="busybox")


def own_addresses() -> set[str]:
    """Return addresses by which this machine reaches itself."""
    found = socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)
    return {"127.0.0.1", *(str(entry[4][0]) for entry in found)}


def test_a_command_reaches_no_service_of_this_machine(
    tmp_path: Path, service: int
) -> None:
    harness = kit_of(tmp_path.resolve() / "home")
    places = [(host, service) for host in own_addresses()]
    asked = "; ".join(
        ASK.format(host=host, port=port) for host, port in [*places, METADATA]
    )

    done = harness.complete("sh", "-c", f"{asked}; cat /proc/net/route | wc -l")

    assert done.stdout.split() == [b"1"]  # the head of the table
    assert any("network" in notice for notice in harness.engine.notices())
    harness.engine.remove(harness.attempt)


def test_a_command_has_a_loopback_of_its_own(tmp_path: Path) -> None:
    harness = kit_of(tmp_path.resolve() / "home")
    program = (
        "import socket; s = socket.create_server(('127.0.0.1', 0)); "
        "socket.create_connection(s.getsockname()); print('reached')"
    )
    python = str(Path(sys.base_prefix) / "bin/python3")
    if not python.startswith(("/usr", "/opt")):
        pytest.skip("no Python that the sandbox shows")

    assert harness.complete(python, "-c", program).stdout == b"reached\n"


def test_an_abstract_socket_of_this_machine_is_not_reached(tmp_path: Path) -> None:
    """Files do not guard those, the network namespace does."""
    harness = kit_of(tmp_path.resolve() / "home")
    name = f"tesk-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"\0{name}")
        server.listen()

        done = harness.complete("cat", "/proc/net/unix")

    assert name.encode() not in done.stdout
    harness.engine.remove(harness.attempt)


def test_a_machines_network_is_given_where_it_is_asked_for(
    tmp_path: Path, service: int
) -> None:
    harness = kit_of(tmp_path.resolve() / "home", network="host")

    done = harness.complete("bash", "-c", ASK.format(host="127.0.0.1", port=service))

    assert done.stdout == b"reached\n"
    harness.engine.remove(harness.attempt)


PROGRAMS = ("slirp4netns", "pasta")


@pytest.fixture(params=PROGRAMS)
def carried(request: pytest.FixtureRequest, tmp_path: Path) -> EngineHarness:
    """Give sandboxes with a network that one program carries."""
    program = shutil.which(request.param)
    if program is None:
        pytest.skip(f"{request.param} is not installed")
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / request.param).symlink_to(program)
    home = tmp_path.resolve() / "home"

    def open_engine() -> SandboxEngine:
        try:
            engine = open_sandbox_engine(
                TaskFolders(home), {"PATH": str(tools)}, network="loopback-free"
            )
        except SandboxUnavailableError as error:
            pytest.skip(str(error))
        if engine.network is None:
            pytest.skip(f"{request.param} carries no network here: see the log")
        return engine

    return EngineHarness(open_engine=open_engine, home=home, image="busybox")


def carriers(folder: Path) -> list[int]:
    """Return the processes that belong to the network of a run."""
    log = str(folder / "network")
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdecimal() and os.readlink(entry / "fd/2") == log:  # noqa: PTH115 - of a descriptor
                found.append(int(entry.name))
    return found


def test_a_carried_network_leads_out_but_not_to_loopback(
    carried: EngineHarness, service: int
) -> None:
    routes = "cat /proc/net/route"
    reads = (
        "ls -l /proc/self/fd | grep -cE 'gate|life'; cat /etc/resolv.conf; "
        + "; ".join(
            ASK.format(host=host, port=service)
            for host in ("127.0.0.1", "169.254.0.2", "169.254.0.3")
        )
    )

    done = carried.complete("sh", "-c", f"{routes}; {reads}")

    lines = done.stdout.decode().splitlines()
    assert any(line.split()[1] == "00000000" for line in lines[1:3])  # a default
    assert "0" in lines  # and no descriptor of ours
    assert any(line.startswith("nameserver 169.254.") for line in lines)
    assert "reached" not in lines
    assert not any("network" in notice for notice in carried.engine.notices())


def test_a_command_does_not_reach_the_metadata_of_a_cloud(
    carried: EngineHarness,
) -> None:
    network = cast("SandboxEngine", carried.engine).network
    if network is None or network.name != "slirp4netns":
        pytest.skip("pasta has no way to keep it out")

    done = carried.complete("cat", "/proc/net/route")

    directly = [
        line.split() for line in done.stdout.decode().splitlines() if "FEA9" in line
    ]
    # Its addresses are neighbours, of which the program makes none but its own.
    assert ["0000FEA9", "00000000", "0000FFFF"] in [
        [one[1], one[2], one[7]] for one in directly
    ]


@pytest.fixture
def shared_mount(tmp_path: Path) -> Iterator[Path]:
    """Give a mount within a mount that this machine shares, as those of pods are."""
    outer, inner = tmp_path / "outer", tmp_path / "outer" / "inner"
    inner.mkdir(parents=True)
    if (
        os.geteuid() != 0
        or subprocess.run(
            ["mount", "--bind", outer, outer], capture_output=True, check=False
        ).returncode
    ):
        pytest.skip("this user may not mount")
    subprocess.run(["mount", "--make-shared", outer], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "tesk-test", inner], check=True)
    yield inner
    subprocess.run(["umount", "--recursive", outer], check=True)


def test_mounts_of_this_machine_stay(
    carried: EngineHarness, shared_mount: Path
) -> None:
    run = carried.start("true")
    carried.finish(run)

    eventually(lambda: not carriers(run.folder))
    assert shared_mount.is_mount()


def test_a_network_program_ends_with_its_command(carried: EngineHarness) -> None:
    ready = carried.make_fifo("/v/ready")
    carried.volume.joinpath("v").chmod(0o777)
    run = carried.start("sh", "-c", "echo x > /v/ready; sleep 60", mounts=("/v",))
    carried.wait_for_line(ready)
    assert carriers(run.folder)

    carried.engine.stop(run, GRACE)

    eventually(lambda: not carriers(run.folder))
    assert carried.finish(run).exit_code == 128 + signal.SIGTERM


def test_a_network_outlives_the_taskmaster(carried: EngineHarness) -> None:
    ready, go = carried.make_fifo("/v/ready"), carried.make_fifo("/v/go")
    script = "echo x > /v/ready; cat /v/go /proc/net/route"
    run = carried.start("sh", "-c", script, mounts=("/v",))
    carried.wait_for_line(ready)

    carried.engine = carried.open_engine()
    carried.engine.start(run, lambda _reason: None, has_started=True)
    go.write_text("went on\n")
    carried.finish(run)

    stdout = carried.engine.tails(run).stdout.decode().splitlines()
    assert stdout[0] == "went on"
    assert len(stdout) > 2
    eventually(lambda: not carriers(run.folder))


def test_a_command_that_waited_for_its_network_is_started_anew(
    carried: EngineHarness,
) -> None:
    """Its taskmaster was killed before there was one."""
    run = carried.make_run("sh", "-c", "echo once; cat /proc/net/route")
    engine = cast("SandboxEngine", carried.engine)
    network, engine.network = engine.network, _Killed()
    with pytest.raises(KeyboardInterrupt):
        engine.start(run, lambda _reason: None)
    assert network is not None

    carried.engine = carried.open_engine()
    carried.engine.start(run, lambda _reason: None, has_started=True)
    carried.finish(run)

    stdout = carried.engine.tails(run).stdout.decode().splitlines()
    assert stdout[0] == "once"
    assert stdout.count("once") == 1
    assert len(stdout) > 2


NEVER = """
import os, sys
from pathlib import Path
from fakes.taskmaster_engine_harness import EngineHarness
from tesk_taskmaster.adapters.task_folders import TaskFolders
from tesk_taskmaster.adapters.sandbox.network import UserNetwork
from tesk_taskmaster.adapters.sandbox.factory import open_sandbox_engine

home = Path(sys.argv[1])
engine = open_sandbox_engine(TaskFolders(home), os.environ)
engine.network = UserNetwork("never", "169.254.0.3", ("sleep", "600"))
EngineHarness(open_engine=lambda: engine, home=home, image="busybox").start("true")
"""


def test_a_taskmaster_killed_meanwhile_leaves_nothing(tmp_path: Path) -> None:
    harness = kit_of(tmp_path.resolve() / "home")
    folder = harness.attempt_folder / "steps" / "x0"
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", NEVER, str(harness.home)]
    with subprocess.Popen(command, env=environ) as taskmaster:
        eventually(lambda: carriers(folder))
        assert DetachedProcess(folder).is_alive()

        taskmaster.kill()

    eventually(lambda: not DetachedProcess(folder).is_alive())
    eventually(lambda: not carriers(folder))


class _Killed(UserNetwork):
    """Ends the taskmaster instead of connecting anything."""

    def __init__(self) -> None:
        super().__init__("killed", "169.254.0.3", ("false",))

    def connect(self, process: DetachedProcess) -> None:
        del process
        raise KeyboardInterrupt


def test_a_command_without_its_network_does_not_begin(
    carried: EngineHarness,
) -> None:
    broken = UserNetwork("broken", "169.254.0.3", ("sh", "-c", "echo tun is missing"))
    cast("SandboxEngine", carried.engine).network = broken

    with pytest.raises(StepFailedError, match="no network: broken: tun is missing"):
        carried.complete("touch", "/v/begun", mounts=("/v",))

    assert not (carried.volume / "v/begun").exists()


def test_without_a_program_there_is_no_network(tmp_path: Path) -> None:
    try:
        engine = open_sandbox_engine(
            TaskFolders(tmp_path), {"PATH": str(tmp_path)}, network="loopback-free"
        )
    except SandboxUnavailableError as error:
        pytest.skip(str(error))

    assert any("slirp4netns or pasta" in notice for notice in engine.notices())


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    environ = {"TESK_NETWORK": "none"}
    with running_stack(tmp_path_factory.mktemp("network"), environ=environ) as made:
        yield made


def test_a_task_does_not_reach_the_api_that_runs_it(stack: Stack) -> None:
    body = json.dumps(make_task_json())
    script = (
        f"exec 3<>/dev/tcp/127.0.0.1/{stack.port} || exit 7; "
        f"printf 'POST /ga4gh/tes/v1/tasks HTTP/1.0\\r\\nHost: localhost\\r\\n"
        "Content-Type: application/json\\r\\n"
        f"Content-Length: {len(body)}\\r\\n\\r\\n%s' '{body}' >&3; cat <&3"
    )

    task = stack.run(
        make_task_json(
            executors=[{"image": "busybox", "command": ["bash", "-c", script]}]
        )
    )

    assert task["logs"][0]["logs"][0]["exit_code"] == 7
    tasks = stack.client.get("/tasks").json()["tasks"]
    assert [one["id"] for one in tasks] == [task["id"]]
    assert "gives no network" in "\n".join(task["logs"][0]["system_logs"])
