"""What a container runtime makes of two streams, and a kubelet of its log.

Sources:
    containerd, ``internal/cri/io/logger.go`` (``readLine``, ``redirectLogs``).
    Kubernetes, ``pkg/kubelet/kuberuntime/logs/logs.go``: entries are returned without
    their stream, and a partial one without a newline.
"""

from collections.abc import Sequence

_MOST = 16 * 1024


def containerd_entries(stream: bytes) -> list[bytes]:
    """Return what a kubelet returns for each entry of a stream, in order."""
    entries: list[bytes] = []
    lines = stream.split(b"\n")
    for line in lines[:-1]:
        *parts, last = _cut(line.removesuffix(b"\r"))
        entries += [*parts, last + b"\n"]
    if lines[-1]:
        entries += _cut(lines[-1])
    return entries


def _cut(line: bytes) -> list[bytes]:
    return [line[at : at + _MOST] for at in range(0, len(line), _MOST)] or [b""]


def merged(out: bytes, err: bytes, turns: Sequence[bool]) -> bytes:
    """Return one log of both streams.

    Args:
        out: What was written to stdout.
        err: Likewise.
        turns: Whether the next entry is of stderr; stdout comes first afterwards.
    """
    left = {False: containerd_entries(out), True: containerd_entries(err)}
    said = [left[turn].pop(0) for turn in turns if left[turn]]
    return b"".join([*said, *left[False], *left[True]])
