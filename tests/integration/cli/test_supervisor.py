"""The supervisor with small services that a test can make fail."""

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from programs.ports import free_port
from programs.small_services import SUPERVISOR_PROGRAM, SmallServer, small_supervisor
from programs.waiting import eventually
from tesk_cli.domain.health import HealthPolicy
from tesk_cli.domain.restarts import RestartPolicy
from tesk_cli.serve.errors import HomeInUseError, ServeError
from tesk_cli.serve.home import RunningServer, StateHome
from tesk_cli.serve.supervisor import Supervisor


@pytest.fixture
def server(tmp_path: Path) -> SmallServer:
    return SmallServer(tmp_path)


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def after_checks(
    supervisor: Supervisor, condition: Callable[[], bool]
) -> Callable[[], bool]:
    def check() -> bool:
        supervisor.check_services()
        return condition()

    return check


def test_a_server_is_announced_while_it_runs(server: SmallServer) -> None:
    with server.running() as supervisor:
        document = json.loads((server.home / "serve.json").read_text())
        assert document == {"url": supervisor.url, "pid": os.getpid()}
        assert server.answers()

    assert not (server.home / "serve.json").exists()
    assert not server.answers()


def test_the_api_ends_before_the_scheduler(server: SmallServer) -> None:
    with server.running():
        pids = [server.pid("api"), server.pid("scheduler")]

    assert (server.home / "ended").read_text().split() == ["api", "scheduler"]
    assert all(is_gone(pid) for pid in pids)


@pytest.mark.parametrize("name", ["api", "scheduler"])
def test_a_service_that_crashed_is_started_again(
    server: SmallServer, name: str
) -> None:
    with server.running() as supervisor:
        first = server.pid(name)
        os.kill(first, signal.SIGKILL)

        eventually(
            after_checks(supervisor, lambda: server.pid(name) != first),
            what="a restart",
        )

        assert is_gone(first)


QUICK = HealthPolicy(
    interval=timedelta(seconds=0.1), timeout=timedelta(seconds=1), failures=3
)


def test_an_unresponsive_service_is_started_again(server: SmallServer) -> None:
    with server.running(QUICK) as supervisor:
        watch = supervisor.health_monitor
        assert watch is not None
        first = server.pid("api")
        eventually(lambda: watch.health("small_api").answered)
        os.kill(first, signal.SIGSTOP)

        eventually(
            after_checks(supervisor, lambda: server.pid("api") != first),
            what="a restart",
        )

        assert is_gone(first)
        eventually(after_checks(supervisor, server.answers))


def test_a_service_that_has_not_answered_yet_is_left_to_start(
    server: SmallServer,
) -> None:
    """The small scheduler speaks no gRPC: for its checks it is still starting."""
    with server.running(QUICK) as supervisor:
        watch = supervisor.health_monitor
        assert watch is not None
        first = server.pid("scheduler")

        eventually(lambda: watch.health("small_scheduler").failures > 0)
        eventually(lambda: watch.health("small_api").answered)
        supervisor.check_services()

        assert not watch.is_unresponsive("small_scheduler")
        assert server.pid("scheduler") == first


def test_a_crash_loop_ends_with_the_reason(server: SmallServer) -> None:
    with server.running() as supervisor:
        supervisor.policy = RestartPolicy(max_crashes=1)
        (server.home / "api.broken").touch()
        os.kill(server.pid("api"), signal.SIGKILL)

        with pytest.raises(ServeError, match=r"again and again.*api is broken"):
            eventually(after_checks(supervisor, lambda: False), what="giving up")


@pytest.mark.parametrize("name", ["api", "scheduler"])
def test_a_server_that_cannot_start_says_why_and_leaves_nothing(
    server: SmallServer, name: str
) -> None:
    server.home.mkdir()
    (server.home / f"{name}.broken").touch()

    with pytest.raises(ServeError, match=f"{name} is broken: a reason"):
        server.supervisor().start(threading.Event())

    assert not server.answers()
    (server.home / f"{name}.broken").unlink()
    with server.running():
        assert server.answers()


def test_a_taken_port_is_named(server: SmallServer) -> None:
    with (
        socket.create_server(("127.0.0.1", server.port)),
        pytest.raises(ServeError, match=f"PORT={server.port}.* is taken"),
    ):
        server.supervisor().start(threading.Event())


def test_a_second_server_on_a_folder_is_refused(server: SmallServer) -> None:
    with server.running() as supervisor:
        other = small_supervisor(server.folder, free_port())

        with pytest.raises(HomeInUseError, match=supervisor.url):
            other.start(threading.Event())

        assert server.answers()
        running = StateHome(server.home).running()
        assert running is not None
        assert running.url == supervisor.url


def test_services_end_with_a_supervisor_that_was_killed(server: SmallServer) -> None:
    tests = Path(__file__).parents[2]
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            SUPERVISOR_PROGRAM,
            str(server.folder),
            str(server.port),
        ],
        env=dict(os.environ) | {"PYTHONPATH": str(tests)},
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    pids = [server.pid("api"), server.pid("scheduler")]

    process.kill()
    process.wait()
    process.stdout.close()

    eventually(lambda: all(is_gone(pid) for pid in pids), what="the end")
    assert StateHome(server.home).running() is None
    with server.running():
        assert server.answers()


def test_a_server_that_starts_is_not_taken_for_one_that_was_killed(
    server: SmallServer,
) -> None:
    home = StateHome(server.home)
    home.prepare()
    home.announce(RunningServer(url="http://127.0.0.1:1", pid=1))
    (server.home / "api.broken").touch()

    with pytest.raises(ServeError):
        server.supervisor().start(threading.Event())

    assert not (server.home / "serve.json").exists()


def test_the_next_server_waits_for_services_that_still_end(server: SmallServer) -> None:
    with server.running():
        pass
    lock = (server.home / "services.lock").open("ab")
    fcntl.flock(lock, fcntl.LOCK_EX)
    threading.Timer(0.5, lock.close).start()

    with server.running():
        assert lock.closed
