"""Measures what the processes of a sandbox use, while they run.

Bubblewrap does not wait for the first process of its sandbox, so that the kernel adds
what ran there to nobody's account. So ``/proc`` is read from time to time: the times of
all living processes, with those of the children that they have waited for.

Source:
    proc_pid_stat(5): fields 14 to 17; proc_pid_status(5): ``VmHWM``.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

_PROC = Path("/proc")
_MAX_PROCESSES = 200  # that are looked at, 0.1 ms of CPU each; others are not counted
_TIMES = slice(11, 15)  # behind the name: utime, stime, cutime, cstime
_KIB = 1024


class Usage(NamedTuple):
    """What the processes of a sandbox have used so far.

    Attributes:
        cpu_seconds: Of all that live, and that they have waited for.
        max_memory_bytes: The most that one of these had.
    """

    cpu_seconds: float
    max_memory_bytes: int

    def followed_by(self, later: "Usage") -> "Usage":
        """Return the use up to a later look, by when some processes have ended."""
        return Usage(
            max(self.cpu_seconds, later.cpu_seconds),
            max(self.max_memory_bytes, later.max_memory_bytes),
        )


def measure(init: int) -> Usage | None:
    """Return what a first process and those below it have used; None: it has ended."""
    ticks = memory = 0
    seen = 0
    for pid in _processes(init):
        with suppress(OSError, ValueError, IndexError):
            ticks += _ticks(pid)
            memory = max(memory, _peak(pid))
            seen += 1
    if not seen:
        return None
    return Usage(ticks / os.sysconf("SC_CLK_TCK"), memory)


def write_usage(folder: Path, usage: Usage) -> None:
    """Keep a measurement, for whoever sees the end of the sandbox."""
    with suppress(OSError):  # a full disk: it is known less well
        (folder / "usage").write_text(f"{usage.cpu_seconds} {usage.max_memory_bytes}\n")


def read_usage(folder: Path) -> Usage | None:
    """Return the last measurement that was kept, if there is one."""
    with suppress(OSError, ValueError):
        text = (folder / "usage").read_text("ascii")
        if text.endswith("\n"):
            cpu, memory = text.split()
            return Usage(float(cpu), int(memory))
    return None


def _processes(init: int) -> Iterator[int]:
    """Yield a process and those below it."""
    pending = [init]
    for _ in range(_MAX_PROCESSES):
        if not pending:
            return
        pid = pending.pop()
        yield pid
        with suppress(OSError):
            for thread in (_PROC / str(pid) / "task").iterdir():
                with suppress(OSError):
                    children = (thread / "children").read_text("ascii")
                    pending.extend(map(int, children.split()))


def _ticks(pid: int) -> int:
    # The name may hold anything, parentheses as well.
    fields = (_PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
    return sum(map(int, fields[_TIMES]))


def _peak(pid: int) -> int:
    for line in (_PROC / str(pid) / "status").read_bytes().splitlines():
        if line.startswith(b"VmHWM:"):
            return int(line.split()[1]) * _KIB
    return 0  # it has ended, and was not waited for yet
