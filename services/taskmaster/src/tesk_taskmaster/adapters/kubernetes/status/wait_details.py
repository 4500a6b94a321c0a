"""Reads, out of the cluster's messages, what a step waits for.

The messages are for people and may change; what is not understood is left out, and the
message itself is shown in any case.
"""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from tesk_kubernetes.quantities import parse_amount
from tesk_model.quantities import GIB
from tesk_model.waits import WaitDetails, WaitScope, node_causes
from tesk_taskmaster.adapters.kubernetes.status.observations import ProblemKind

# As in: 0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated …
_NODES = re.compile(r"^0/\d+ nodes are available: (.*?)(?:\.(?:\s|$)|$)", re.DOTALL)
_BETWEEN_CAUSES = re.compile(r", (?=\d+ )")
_CAUSE = re.compile(r"(\d+) (.+)", re.DOTALL)
_INSUFFICIENT = re.compile(r"Insufficient (\S+)")
# As in: exceeded quota: q, requested: cpu=2,pods=1, used: …, limited: …
_QUOTA = re.compile(
    r"exceeded quota: ([^\s,]+), requested: (\S+), used: (\S+), limited: (\S+)"
)
# As in: … insufficient unused quota for cpu in flavor x, 2 more needed
_QUEUE = re.compile(r"insufficient (?:unused )?quota for (\S+) in flavor \S+")

_MAX_MESSAGE = 4096


class _Resource(NamedTuple):
    """How the settings of the quota name a resource, and its unit in bytes or pieces."""

    dimension: str
    unit: int = 1


_RESOURCES: Mapping[str, _Resource] = {
    "cpu": _Resource("cpu"),
    "memory": _Resource("ram_gb", GIB),
    "ephemeral-storage": _Resource("disk_gb", GIB),
    "storage": _Resource("disk_gb", GIB),
    "pods": _Resource("running"),
}


def problem_details(kind: ProblemKind, cause: str) -> WaitDetails | None:
    """Return what the cluster's message about a problem says; None if nothing known."""
    if kind is ProblemKind.UNSCHEDULABLE:
        return node_details(cause)
    return quota_details(cause) if kind is ProblemKind.QUOTA else None


def node_details(message: str) -> WaitDetails:
    """Return why no node takes a pod, from the scheduler's message."""
    causes = node_causes(_node_counts(message[:_MAX_MESSAGE]))
    lacking = [
        match[1] for each in causes if (match := _INSUFFICIENT.fullmatch(each.cause))
    ]
    if not lacking:
        return WaitDetails(scope=WaitScope.NODE, nodes=causes)
    remedy = f"goes on when a node has enough {lacking[0]} free"
    return WaitDetails(
        scope=WaitScope.NODE,
        dimension=_resource_of(lacking[0]).dimension,
        remedy=remedy,
        nodes=causes,
    )


def quota_details(message: str) -> WaitDetails:
    """Return which ResourceQuota has no room, from the API server's message."""
    match = _QUOTA.search(message[:_MAX_MESSAGE])
    if match is None:
        return WaitDetails(scope=WaitScope.CLUSTER_QUOTA)
    name, *lists = match.groups()
    remedy = f"goes on when the quota {name} of the cluster has room"
    requested, used, limited = map(_amounts, lists)
    for resource, needed in requested.items():
        in_use, most = used.get(resource), limited.get(resource)
        if in_use is not None and most is not None and in_use + needed > most:
            found = _resource_of(resource)
            return WaitDetails(
                scope=WaitScope.CLUSTER_QUOTA,
                subject=name,
                dimension=found.dimension,
                used=in_use / found.unit,
                limit=most / found.unit,
                needed=needed / found.unit,
                remedy=remedy,
            )
    return WaitDetails(scope=WaitScope.CLUSTER_QUOTA, subject=name, remedy=remedy)


def queue_details(queue: str, message: str) -> WaitDetails:
    """Return what a Job in a queue of the cluster waits for, from Kueue's message."""
    match = _QUEUE.search(message[:_MAX_MESSAGE])
    dimension = _resource_of(match[1]).dimension if match else ""
    where = f"the queue {queue} of the cluster admits it" if queue else "it is resumed"
    return WaitDetails(
        scope=WaitScope.CLUSTER_QUEUE,
        subject=queue,
        dimension=dimension,
        remedy=f"goes on when {where}",
    )


def _node_counts(message: str) -> Iterator[tuple[str, int]]:
    found = _NODES.search(message)
    for part in _BETWEEN_CAUSES.split(found[1]) if found else ():
        if match := _CAUSE.fullmatch(part.strip()):
            yield match[2], min(int(match[1][:9]), 2**31 - 1)


def _resource_of(name: str) -> _Resource:
    plain = name.removeprefix("requests.").removeprefix("limits.")
    return _RESOURCES.get(plain, _Resource(plain))


def _amounts(text: str) -> dict[str, float]:
    """Read ``requests.cpu=2,requests.memory=1Gi``; leave out what has none."""
    pairs = (entry.partition("=")[::2] for entry in text.split(","))
    return {name: float(parse_amount(quantity)) for name, quantity in pairs if quantity}
