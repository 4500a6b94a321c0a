"""Detects the resources of this machine."""

import os
import shutil
from pathlib import Path

from tesk_scheduler.domain.quota import Limit

_MILLIS = 1000
_CONTROL_GROUP = Path("/sys/fs/cgroup")


def machine_capacity(folder: Path) -> Limit:
    """Return the cores and the memory that this process may use, and the free disk.

    The limits of a container count, if there are any.

    Args:
        folder: Files of tasks are on its disk.
    """
    cpus = len(os.sched_getaffinity(0)) * _MILLIS
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Limit(
        cpu_millis=min(cpus, _cpu_limit() or cpus),
        ram=min(memory, _memory_limit() or memory),
        disk=shutil.disk_usage(folder).free,
    )


def _cpu_limit() -> int | None:
    quota, _, period = _read("cpu.max").partition(" ")
    if not quota.isdigit() or not period.isdigit():
        return None
    return max(1, int(quota) * _MILLIS // int(period))


def _memory_limit() -> int | None:
    text = _read("memory.max")
    return int(text) if text.isdigit() else None


def _read(name: str) -> str:
    try:
        return (_CONTROL_GROUP / name).read_text(encoding="ascii").strip()
    except OSError:
        return ""
