"""Signals and kills a sandbox through its first process.

Bubblewrap writes its pid into the file ``status`` of the run. When it dies, the
kernel kills all other processes of the sandbox.
"""

import contextlib
import json
import os
import select
import signal
from dataclasses import dataclass
from pathlib import Path

from tesk_taskmaster.adapters.sandbox.usage import Usage, measure

_END_TIMEOUT_MILLISECONDS = 1000


@dataclass(frozen=True, slots=True)
class SandboxStatus:
    """Status of one sandbox, as written by bubblewrap.

    Attributes:
        init: Pid of the sandbox's first process; None before it exists.
        exit_code: Of the command; None if it never started or still runs.
    """

    init: int | None = None
    exit_code: int | None = None


def read_status(file: Path) -> SandboxStatus:
    """Read what ``--json-status-fd`` wrote so far: one document a line."""
    known: dict[str, int] = {}
    with contextlib.suppress(FileNotFoundError):
        for line in file.read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(json.JSONDecodeError):
                known |= json.loads(line)
    return SandboxStatus(known.get("child-pid"), known.get("exit-code"))


@dataclass(frozen=True, slots=True)
class SandboxInit:
    """The first process of the sandbox in one run's folder, if there is one."""

    folder: Path

    def status(self) -> SandboxStatus:
        """Return the status of the sandbox."""
        return read_status(self.folder / "status")

    def signal(self, number: int) -> bool:
        """Signal the process group of the command; False if it does not run."""
        pid = self._pid()
        if pid is None or not has_children(pid):
            return False
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, number)
        return True

    def usage(self) -> Usage | None:
        """Return what its processes have used so far; None if none runs."""
        pid = self._pid()
        return None if pid is None else measure(pid)

    def kill(self) -> None:
        """Kill the sandbox; returns at once."""
        pid = self._pid()
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def wait_ended(self) -> None:
        """Wait until all processes of a killed sandbox have ended.

        Its first process closes its files, the lock among them, before the kernel
        kills the others, and ends only after them.
        """
        pid = self._pid()
        if pid is None:
            return
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        try:
            poll = select.poll()
            poll.register(descriptor, select.POLLIN)
            # Bounded, in case another sandbox has the pid by now.
            poll.poll(_END_TIMEOUT_MILLISECONDS)
        finally:
            os.close(descriptor)

    def _pid(self) -> int | None:
        pid = self.status().init
        return pid if pid is not None and is_sandbox_init(pid) else None


def is_sandbox_init(pid: int) -> bool:
    """Tell whether ``pid`` is the first process of some pid namespace."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text("utf-8").splitlines():
            name, _, value = line.partition(":")
            if name == "NSpid":
                pids = value.split()
                return len(pids) > 1 and pids[-1] == "1"
    return False


def has_children(pid: int) -> bool:
    """Tell whether a process has children."""
    with contextlib.suppress(OSError):
        return bool(Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii"))
    return True
