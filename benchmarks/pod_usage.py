"""What the first process of pods uses, read in the pods themselves."""

import os
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from cluster.kube import Kube, Object, name_of

_AT_ONCE = 4  # programs that read in a pod
_TICK = os.sysconf("SC_CLK_TCK")
# What the name of the process is followed by: state, ten fields, user, system.
_CPU = re.compile(r"\) \S+(?: -?\d+){10} (\d+ \d+)")
_PSS = re.compile(r"^Pss:\s+(\d+) kB", re.MULTILINE)
_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB", re.MULTILINE)


def memory_mib(kube: Kube, namespace: str, pods: Iterable[Object]) -> list[float]:
    """Return the proportional memory (PSS) that each uses now, in MiB."""
    return [
        int(_read(kube, namespace, pod, "smaps_rollup", _PSS)) / 1024 for pod in pods
    ]


def peak_mib(kube: Kube, namespace: str, pods: Iterable[Object]) -> list[float]:
    """Return the most resident memory that each has used so far, in MiB."""
    return [int(_read(kube, namespace, pod, "status", _PEAK)) / 1024 for pod in pods]


def cpu_seconds(kube: Kube, namespace: str, pods: Iterable[Object]) -> float:
    """Return the CPU time that all have used since they started."""
    return sum(
        sum(int(ticks) for ticks in _read(kube, namespace, pod, "stat", _CPU).split())
        / _TICK
        for pod in pods
    )


def cpu_and_peak(
    kube: Kube, namespace: str, pods: Iterable[Object]
) -> dict[str, tuple[float, float]]:
    """Return CPU seconds and peak MiB of each, by name; for many, read at once."""
    files = ("/proc/1/stat", "/proc/1/status")

    def read(name: str) -> tuple[str, tuple[float, float]]:
        text = kube.execute(namespace, name, "cat", *files)
        cpu, peak = _CPU.search(text), _PEAK.search(text)
        assert cpu is not None, text
        assert peak is not None, text
        ticks = sum(int(each) for each in cpu[1].split())
        return name, (ticks / _TICK, int(peak[1]) / 1024)

    with ThreadPoolExecutor(_AT_ONCE) as threads:
        return dict(threads.map(read, [name_of(pod) for pod in pods]))


def _read(
    kube: Kube, namespace: str, pod: Object, file: str, field: re.Pattern[str]
) -> str:
    text = kube.execute(namespace, name_of(pod), "cat", f"/proc/1/{file}")
    found = field.search(text)
    assert found is not None, text
    return found[1]
