"""Memory of the first process of pods, read in the pods themselves."""

import re
from collections.abc import Iterable

from cluster.kube import Kube, Object, name_of

_PSS = re.compile(r"^Pss:\s+(\d+) kB", re.MULTILINE)
_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB", re.MULTILINE)


def memory_mib(kube: Kube, namespace: str, pods: Iterable[Object]) -> list[float]:
    """Return the proportional memory (PSS) that each uses now, in MiB."""
    return [_read(kube, namespace, pod, "smaps_rollup", _PSS) for pod in pods]


def peak_mib(kube: Kube, namespace: str, pods: Iterable[Object]) -> list[float]:
    """Return the most resident memory that each has used so far, in MiB."""
    return [_read(kube, namespace, pod, "status", _PEAK) for pod in pods]


def _read(
    kube: Kube, namespace: str, pod: Object, file: str, field: re.Pattern[str]
) -> float:
    text = kube.execute(namespace, name_of(pod), "cat", f"/proc/1/{file}")
    found = field.search(text)
    assert found is not None, text
    return int(found[1]) / 1024
