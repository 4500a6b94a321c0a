"""The supervisor with small services that a test can make fail."""

import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from programs.stack import free_port
from programs.waiting import eventually
from tesk_cli.domain.health import HealthPolicy
from tesk_cli.domain.restarts import RestartPolicy
from tesk_cli.serve.errors import HomeInUseError, ServeError
from tesk_cli.serve.home import RunningServer, StateHome
from tesk_cli.serve.plan import ServerPlan
from tesk_cli.serve.supervisor import Supervisor

# Both write their pid when they start and their name when they are asked to end.
SERVICE = """
import os, pathlib, signal, sys, threading
home = pathlib.Path(os.environ["TESK_HOME"])
def begin(name):
    if (home / (name + ".broken")).exists():
        sys.exit(name + " is broken: a reason")
    (home / (name + ".pid")).write_text(str(os.getpid()))
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    return stop
def end(name):
    with (home / "ended").open("a") as file:
        file.write(name + "\\n")
"""
SCHEDULER = """
import small_service
stop = small_service.begin("scheduler")
stop.wait()
small_service.end("scheduler")
"""
API = """
import http.server, os, threading, small_service
stop = small_service.begin("api")
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        ready = (small_service.home / "scheduler.pid").exists()
        known = self.path in ("/readyz", "/healthz")
        self.send_response(200 if ready and known else 503)
        self.end_headers()
server = http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
stop.wait()
small_service.end("api")
"""
# A supervisor in a process of its own, to be killed.
MAIN = """
import sys, threading
from pathlib import Path
from test_supervisor import small_supervisor
supervisor = small_supervisor(Path(sys.argv[1]), int(sys.argv[2]))
supervisor.start(threading.Event())
print("ready", flush=True)
supervisor.watch(threading.Event())
"""


def small_supervisor(folder: Path, port: int) -> Supervisor:
    modules = {"small_service": SERVICE, "small_scheduler": SCHEDULER, "small_api": API}
    for name, text in modules.items():
        (folder / f"{name}.py").write_text(text)
    plan = ServerPlan(
        host="127.0.0.1",
        port=port,
        home=folder / "home",
        engine="sandbox",
        file_roots=(folder,),
        environ=dict(os.environ) | {"PYTHONPATH": str(folder)},
    )
    return Supervisor(
        plan=plan,
        probe_containers=lambda: "",
        report=lambda _line: None,
        modules=("small_scheduler", "small_api"),
    )


@dataclass
class Server:
    """A supervisor of small services, and what they leave behind."""

    folder: Path
    port: int = field(default_factory=free_port)

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def supervisor(self) -> Supervisor:
        return small_supervisor(self.folder, self.port)

    def pid(self, name: str) -> int:
        return int((self.home / f"{name}.pid").read_text())

    def answers(self) -> bool:
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"http://127.0.0.1:{self.port}/readyz").is_success
        return False

    @contextlib.contextmanager
    def running(self, health: HealthPolicy | None = None) -> Iterator[Supervisor]:
        supervisor = self.supervisor()
        supervisor.health = health or supervisor.health
        supervisor.start(threading.Event())
        try:
            yield supervisor
        finally:
            supervisor.stop()


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(tmp_path)


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


def test_a_server_is_announced_while_it_runs(server: Server) -> None:
    with server.running() as supervisor:
        document = json.loads((server.home / "serve.json").read_text())
        assert document == {"url": supervisor.url, "pid": os.getpid()}
        assert server.answers()

    assert not (server.home / "serve.json").exists()
    assert not server.answers()


def test_the_api_ends_before_the_scheduler(server: Server) -> None:
    with server.running():
        pids = [server.pid("api"), server.pid("scheduler")]

    assert (server.home / "ended").read_text().split() == ["api", "scheduler"]
    assert all(is_gone(pid) for pid in pids)


@pytest.mark.parametrize("name", ["api", "scheduler"])
def test_a_service_that_crashed_is_started_again(server: Server, name: str) -> None:
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


def test_an_unresponsive_service_is_started_again(server: Server) -> None:
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


def test_a_service_that_has_not_answered_yet_is_left_to_start(server: Server) -> None:
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


def test_a_crash_loop_ends_with_the_reason(server: Server) -> None:
    with server.running() as supervisor:
        supervisor.policy = RestartPolicy(max_crashes=1)
        (server.home / "api.broken").touch()
        os.kill(server.pid("api"), signal.SIGKILL)

        with pytest.raises(ServeError, match=r"again and again.*api is broken"):
            eventually(after_checks(supervisor, lambda: False), what="giving up")


@pytest.mark.parametrize("name", ["api", "scheduler"])
def test_a_server_that_cannot_start_says_why_and_leaves_nothing(
    server: Server, name: str
) -> None:
    server.home.mkdir()
    (server.home / f"{name}.broken").touch()

    with pytest.raises(ServeError, match=f"{name} is broken: a reason"):
        server.supervisor().start(threading.Event())

    assert not server.answers()
    (server.home / f"{name}.broken").unlink()
    with server.running():
        assert server.answers()


def test_a_taken_port_is_named(server: Server) -> None:
    with (
        socket.create_server(("127.0.0.1", server.port)),
        pytest.raises(ServeError, match=f"PORT={server.port}.* is taken"),
    ):
        server.supervisor().start(threading.Event())


def test_a_second_server_on_a_folder_is_refused(server: Server) -> None:
    with server.running() as supervisor:
        other = small_supervisor(server.folder, free_port())

        with pytest.raises(HomeInUseError, match=supervisor.url):
            other.start(threading.Event())

        assert server.answers()
        running = StateHome(server.home).running()
        assert running is not None
        assert running.url == supervisor.url


def test_services_end_with_a_supervisor_that_was_killed(server: Server) -> None:
    tests = Path(__file__).parent
    process = subprocess.Popen(
        [sys.executable, "-c", MAIN, str(server.folder), str(server.port)],
        env=dict(os.environ) | {"PYTHONPATH": f"{tests}:{tests.parents[1]}"},
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
    server: Server,
) -> None:
    home = StateHome(server.home)
    home.prepare()
    home.announce(RunningServer(url="http://127.0.0.1:1", pid=1))
    (server.home / "api.broken").touch()

    with pytest.raises(ServeError):
        server.supervisor().start(threading.Event())

    assert not (server.home / "serve.json").exists()


def test_the_next_server_waits_for_services_that_still_end(server: Server) -> None:
    with server.running():
        pass
    lock = (server.home / "services.lock").open("ab")
    fcntl.flock(lock, fcntl.LOCK_EX)
    threading.Timer(0.5, lock.close).start()

    with server.running():
        assert lock.closed
