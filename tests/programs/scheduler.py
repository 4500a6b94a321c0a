"""A scheduler as a process of its own, with taskmasters that run nothing."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from schedulers.served import TOKEN, RunningScheduler
from tesk_model.errors import NotFoundError, UnavailableError

# Stands in for the real one, so that these tests are about the scheduler alone.
TASKMASTER = "from fakes.scheduler_taskmaster import main\nmain()\n"


class Process:
    """A scheduler of its own in a folder of its own; tasks named hang stay."""

    def __init__(
        self, home: Path, *, idle: str = "0", socket: str = "s", **settings: str
    ) -> None:
        self._home = home
        self.address = f"unix:{home}/{socket}"
        (home / "token").write_text(TOKEN, encoding="ascii")
        stub = home / "stub" / "tesk_taskmaster"
        stub.mkdir(parents=True, exist_ok=True)
        (stub / "__init__.py").touch()
        (stub / "__main__.py").write_text(TASKMASTER, encoding="ascii")
        tests = Path(__file__).parents[1]
        self._command = [sys.executable, "-m", "tesk_scheduler"]
        self._environment = {
            "TESK_HOME": str(home),
            "TESK_SCHEDULER_LISTEN": self.address,
            "TESK_GRPC_TOKEN_FILE": str(home / "token"),
            "TESK_SCHEDULER_IDLE": idle,
            "PYTHONPATH": f"{stub.parent}{os.pathsep}{tests}",
            "TESK_LOG_LEVEL": "error",
            **{
                f"TESK_SCHEDULER_{name.upper()}": text
                for name, text in settings.items()
            },
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it."""
        self._process = self.again()

    def end(self, by: signal.Signals) -> int:
        """Send a signal and wait; return the exit code."""
        assert self._process is not None
        self._process.send_signal(by)
        code = self._process.wait(100)
        self._process = None
        return code

    def again(self) -> "subprocess.Popen[bytes]":
        """Start another one in the same folder."""
        return subprocess.Popen(self._command, env=self._environment)

    def taskmasters(self) -> list[int]:
        """List the process ids of its taskmasters."""
        pids = []
        for lock in (self._home / "taskmasters").glob("*.lock"):
            with suppress(FileNotFoundError):  # it has just ended
                pids += [int(word) for word in lock.read_text().split()]
        return pids

    @property
    def running(self) -> bool:
        """Tell whether there is one to end."""
        return self._process is not None


def answers(client: RunningScheduler) -> bool:
    """Tell whether the scheduler can be asked."""
    try:
        client.get("nothing")
    except UnavailableError:
        return False
    except NotFoundError:
        return True
    return False
