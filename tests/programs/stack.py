"""A whole TESK of real processes on this machine, for tests that use or kill it.

The scheduler and the api are started here one by one, as ``tesk serve`` starts
them, so that a test can kill each. Taskmasters and filers are found by the
folder they work in.
"""

import contextlib
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import httpx

from clients.tes import TesClient
from programs.containers import remove_containers
from programs.ports import free_port
from programs.waiting import eventually


class Stack(TesClient):
    """The services of one ``TESK_HOME``."""

    def __init__(
        self,
        folder: Path,
        *,
        engine: str = "sandbox",
        environ: Mapping[str, str] | None = None,
    ) -> None:
        """Prepare, but do not start, a TESK below ``folder``."""
        self.home = folder / "home"
        self.files = folder / "files"
        self.home.mkdir(mode=0o700)
        self.files.mkdir()
        self.engine = engine
        self.port = free_port()
        super().__init__(f"http://127.0.0.1:{self.port}")
        token = self.home / "token"
        token.write_text(secrets.token_hex(16))
        token.chmod(0o600)
        # A unix socket's path is limited to 107 bytes; pytest's folders are long.
        self._run = Path(f"/tmp/tesk-{secrets.token_hex(4)}")
        self._run.mkdir(mode=0o700)
        address = f"unix:{self._run}/s"
        self.environ = {
            **{key: value for key, value in os.environ.items() if "TESK" not in key},
            "TESK_HOME": str(self.home),
            "TESK_ENGINE": engine,
            "TESK_FILE_ROOTS": str(self.files),
            "TESK_GRPC_TOKEN_FILE": str(token),
            "TESK_GRPC_SCHEDULER": address,
            "TESK_SCHEDULER_LISTEN": address,
            "TESK_GRPC_STORAGE": f"unix:{self._run}/f",
            "TESK_FILER_LISTEN": f"unix:{self._run}/f",
            "TESK_SCHEDULER_LEASE": "3",
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            **(environ or {}),
        }
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._log = (folder / "log.txt").open("ab")
        self.log_file = folder / "log.txt"

    def start(self, *services: str) -> None:
        """Start the named services (all by default); return when ready."""
        for service in services or ("scheduler", "api"):
            self._processes[service] = subprocess.Popen(
                [sys.executable, *self.program(service)],
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                start_new_session=True,
            )
        eventually(self._ready, what="readiness")

    def program(self, service: str) -> Sequence[str]:
        """Return what Python runs for a service; the benchmarks change it."""
        if service == "storage checks":
            return ("-m", "tesk_filer", "serve")
        return ("-m", f"tesk_{service}")

    def _ready(self) -> bool:
        for service, process in self._processes.items():
            if process.poll() is not None:
                message = f"{service} ended: {self.log_file.read_text()[-3000:]}"
                raise AssertionError(message)
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"{self.url}/readyz").status_code == 200
        return False

    def pids(self, service: str) -> list[int]:
        """Return the living processes of a service of this stack."""
        own = self._processes.get(service)
        if own is not None:
            return [own.pid] if own.poll() is None else []
        return find_processes(f"tesk_{service}", self.home)

    def kill(self, *services: str) -> None:
        """End services without warning (SIGKILL); all by default."""
        for service in services or (*self._processes, "taskmaster", "filer"):
            for pid in self.pids(service):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            process = self._processes.pop(service, None)
            if process is not None:
                process.wait()

    def kill_executors(self) -> None:
        """End what executors run (sandbox), as a restart of the machine would."""
        for pid in find_processes("", self.home):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def send_signal(self, service: str, number: signal.Signals) -> None:
        """Send a signal to a service, whose end is awaited by ``kill``."""
        self._processes[service].send_signal(number)

    def terminate(self, service: str) -> int:
        """End a service gracefully; return its exit code."""
        process = self._processes.pop(service)
        process.terminate()
        return process.wait(100)

    def close(self) -> None:
        """End everything, whatever still runs."""
        self.client.close()
        self.kill()
        for pid in find_processes("", self.home):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self.engine == "container":
            remove_containers(self.environ, self.home)
        self._log.close()
        for name in "sf":
            (self._run / name).unlink(missing_ok=True)
        self._run.rmdir()

    @staticmethod
    def machine_cores() -> int:
        """Return how many cores tasks may use together by default."""
        return os.cpu_count() or 1

    def leftovers(self) -> list[str]:
        """Name what is left of any task in the state folder."""
        tasks = self.home / "tasks"
        return sorted(path.name for path in tasks.iterdir()) if tasks.is_dir() else []


def find_processes(module: str, home: Path) -> list[int]:
    """Return processes that run ``python -m module`` on this ``TESK_HOME``.

    With an empty ``module``, all processes that name the folder in their
    environment or arguments.
    """
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            command = (entry / "cmdline").read_bytes().split(b"\0")
            environ = (entry / "environ").read_bytes().split(b"\0")
            ours = f"TESK_HOME={home}".encode() in environ
            named = any(str(home).encode() in word for word in command)
            if (ours and module.encode() in command) or (
                not module and (ours or named)
            ):
                found.append(int(entry.name))
    return found


@contextlib.contextmanager
def running_stack(
    folder: Path,
    *,
    engine: str = "sandbox",
    environ: Mapping[str, str] | None = None,
    services: Sequence[str] = (),
) -> Iterator[Stack]:
    """Give a started stack; everything of it ends with the block.

    Args:
        folder: For its files.
        engine: Of its tasks.
        environ: Of its services, besides the usual.
        services: Those that are started; empty: scheduler and api.
    """
    stack = Stack(folder, engine=engine, environ=environ)
    try:
        stack.start(*services)
        yield stack
    finally:
        stack.close()
