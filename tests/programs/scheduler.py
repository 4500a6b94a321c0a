"""A scheduler as a process of its own, with taskmasters that run nothing."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

from schedulers.served import TOKEN, SchedulerClient
from tesk_model.errors import NotFoundError, UnavailableError

# Stands in for the real one, so that these tests are about the scheduler alone.
TASKMASTER = "fakes.scheduler_taskmaster"
PROGRAM = ("-m", "tesk_scheduler")


class Process:
    """A scheduler of its own in a folder of its own; tasks named hang stay."""

    def __init__(  # noqa: PLR0913 - what tests vary
        self,
        home: Path,
        *,
        idle: str = "0",
        socket: str = "s",
        address: str = "",
        reached_at: str = "",
        taskmaster: str = TASKMASTER,
        quota: Path | None = None,
        environ: Mapping[str, str] = MappingProxyType({}),
        **settings: str,
    ) -> None:
        self._home = home
        self.address = address or f"unix:{home}/{socket}"
        (home / "token").write_text(TOKEN, encoding="ascii")
        stub = home / "stub" / "tesk_taskmaster"
        stub.mkdir(parents=True, exist_ok=True)
        (stub / "__init__.py").touch()
        program = f"from {taskmaster} import main\nmain()\n"
        (stub / "__main__.py").write_text(program, encoding="ascii")
        tests = Path(__file__).parents[1]
        self._environment = {
            "TESK_HOME": str(home),
            "TESK_SCHEDULER_LISTEN": self.address,
            "TESK_GRPC_TOKEN_FILE": str(home / "token"),
            "TESK_SCHEDULER_IDLE": idle,
            "PYTHONPATH": f"{stub.parent}{os.pathsep}{tests}",
            # Where taskmasters call: this one, or several.
            "TESK_GRPC_SCHEDULER": reached_at or self.address,
            "TESK_LOG_LEVEL": "error",
            **({"TESK_QUOTA_FILE": str(quota)} if quota else {}),
            **{
                f"TESK_SCHEDULER_{name.upper()}": text
                for name, text in settings.items()
            },
            **environ,
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None
        return self._process.pid

    def start(self, *program: str) -> None:
        """Start it, or another program in its place."""
        self._process = self.again(*program)

    def end(self, by: signal.Signals) -> int:
        """Send a signal and wait; return the exit code."""
        assert self._process is not None
        self._process.send_signal(by)
        code = self._process.wait(100)
        self._process = None
        return code

    def again(self, *program: str) -> "subprocess.Popen[bytes]":
        """Start another one in the same folder."""
        command = [sys.executable, *(program or PROGRAM)]
        return subprocess.Popen(command, env=self._environment)

    def wait(self, timeout: float) -> int | None:
        """Wait for its end; return its exit code, None if it goes on."""
        assert self._process is not None
        with suppress(subprocess.TimeoutExpired):
            code = self._process.wait(timeout)
            self._process = None
            return code
        return None

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


def answers(client: SchedulerClient) -> bool:
    """Tell whether the scheduler can be asked."""
    try:
        client.get("nothing")
    except UnavailableError:
        return False
    except NotFoundError:
        return True
    return False
