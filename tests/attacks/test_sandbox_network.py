"""Commands in the sandbox that try to reach this machine's services."""

import contextlib
import json
import os
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from builders import make_task_json
from fakes.taskmaster_engine_kit import EngineKit
from stack import Stack, running_stack
from tesk_taskmaster.adapters.folders import TaskFolders
from tesk_taskmaster.adapters.sandbox.bubblewrap import SandboxUnavailableError
from tesk_taskmaster.adapters.sandbox.engine import open_sandbox_engine
from tesk_taskmaster.ports import Engine

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


def kit_of(home: Path, *, has_network: bool = False) -> EngineKit:
    """Give the sandbox with this machine's network, or without."""

    def open_engine() -> Engine:
        try:
            return open_sandbox_engine(
                TaskFolders(home), os.environ, has_network=has_network
            )
        except SandboxUnavailableError as error:
            pytest.skip(str(error))

    return EngineKit(open_engine=open_engine, home=home, image="busybox")


def own_addresses() -> set[str]:
    """Return addresses by which this machine reaches itself."""
    found = socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)
    return {"127.0.0.1", *(str(entry[4][0]) for entry in found)}


def test_a_command_reaches_no_service_of_this_machine(
    tmp_path: Path, service: int
) -> None:
    kit = kit_of(tmp_path.resolve() / "home")
    places = [(host, service) for host in own_addresses()]
    asked = "; ".join(
        ASK.format(host=host, port=port) for host, port in [*places, METADATA]
    )

    done = kit.complete("sh", "-c", f"{asked}; cat /proc/net/route | wc -l")

    assert done.stdout.split() == [b"1"]  # the head of the table
    assert any("network" in note for note in kit.engine.notes())
    kit.engine.remove(kit.attempt)


def test_a_command_has_a_loopback_of_its_own(tmp_path: Path) -> None:
    kit = kit_of(tmp_path.resolve() / "home")
    program = (
        "import socket; s = socket.create_server(('127.0.0.1', 0)); "
        "socket.create_connection(s.getsockname()); print('reached')"
    )
    python = str(Path(sys.base_prefix) / "bin/python3")
    if not python.startswith(("/usr", "/opt")):
        pytest.skip("no Python that the sandbox shows")

    assert kit.complete(python, "-c", program).stdout == b"reached\n"


def test_an_abstract_socket_of_this_machine_is_not_reached(tmp_path: Path) -> None:
    """Files do not guard those, the network namespace does."""
    kit = kit_of(tmp_path.resolve() / "home")
    name = f"tesk-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"\0{name}")
        server.listen()

        done = kit.complete("cat", "/proc/net/unix")

    assert name.encode() not in done.stdout
    kit.engine.remove(kit.attempt)


def test_a_machines_network_is_given_where_it_is_asked_for(
    tmp_path: Path, service: int
) -> None:
    kit = kit_of(tmp_path.resolve() / "home", has_network=True)

    done = kit.complete("bash", "-c", ASK.format(host="127.0.0.1", port=service))

    assert done.stdout == b"reached\n"
    kit.engine.remove(kit.attempt)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("network")) as made:
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
