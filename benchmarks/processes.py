"""CPU time and memory of processes, from /proc."""

import os
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Self

_TICK = os.sysconf("SC_CLK_TCK")


def with_children(pids: Iterable[int]) -> list[int]:
    """Return ``pids`` and all their living descendants."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            fields = _stat(int(entry.name))
            if fields:
                parents[int(entry.name)] = int(fields[1])
    found = set(pids)
    while True:
        more = {pid for pid, parent in parents.items() if parent in found} - found
        if not more:
            return sorted(found)
        found |= more


def cpu_seconds(pids: Iterable[int]) -> float:
    """Return the CPU time that the processes have used, user and system."""
    ticks = 0
    for pid in pids:
        fields = _stat(pid)
        if fields:
            ticks += int(fields[11]) + int(fields[12])
    return ticks / _TICK


def memory_mib(pids: Iterable[int]) -> float:
    """Return the proportional memory (PSS) of the processes, in MiB."""
    total = 0
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        total += int(text.partition("Pss:")[2].split()[0])
    return total / 1024


class PeakMemory:
    """Watches the peak of the resident memory of a process while the block runs.

    Not ``ru_maxrss``: that holds what the parent had when it started the process.
    """

    def __init__(self, pid: int) -> None:
        """Watch ``pid``."""
        self.mib = 0.0
        self._pid = pid
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(0.05):
            try:
                text = Path(f"/proc/{self._pid}/status").read_text()
            except OSError:
                return
            peak = text.partition("VmHWM:")[2].split()
            self.mib = max(self.mib, int(peak[0]) / 1024 if peak else 0)


def _stat(pid: int) -> list[str]:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return []
    return text.rpartition(")")[2].split()
