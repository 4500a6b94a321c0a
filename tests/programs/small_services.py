"""Small services in place of TESK's, which a test can make fail, and their supervisor."""

import contextlib
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from programs.ports import free_port
from tesk_cli.domain.health import HealthPolicy
from tesk_cli.serve.plan import ServerPlan
from tesk_cli.serve.supervisor import Supervisor

# Both write their pid at the start and their name at SIGTERM.
SERVICE = """
import os, pathlib, signal, sys, threading
home = pathlib.Path(os.environ["TESK_HOME"])
def begin(name):
    if (home / (name + ".broken")).exists():
        sys.exit(name + " is broken: a reason")
    (home / (name + ".new")).write_text(str(os.getpid()))
    os.replace(home / (name + ".new"), home / (name + ".pid"))  # whole, or not there
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
# The program of a supervisor that is to be killed.
SUPERVISOR_PROGRAM = """
import sys, threading
from pathlib import Path
from programs.small_services import small_supervisor
supervisor = small_supervisor(Path(sys.argv[1]), int(sys.argv[2]))
supervisor.start(threading.Event())
print("ready", flush=True)
supervisor.watch(threading.Event())
"""


def small_supervisor(folder: Path, port: int) -> Supervisor:
    """Return a supervisor of small services below ``folder``."""
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
class SmallServer:
    """A supervisor of small services, and the files that they write."""

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
