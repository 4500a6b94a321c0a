"""Reads the status of objects: phases, conditions, containers, events.

Pure. Conditions are found by type and containers by name, never by place: the
cluster adds conditions, and templates add containers. What the kubelet has not
written yet is read as empty.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from tesk_kubernetes.api import JsonObject

_FINISHED = frozenset({"Succeeded", "Failed"})


def is_finished(pod: JsonObject) -> bool:
    """Tell whether a pod has succeeded or failed."""
    return _status(pod).get("phase") in _FINISHED


def is_terminating(body: JsonObject) -> bool:
    """Tell whether the deletion of an object was requested."""
    return "deletionTimestamp" in body["metadata"]


def node_of(pod: JsonObject) -> str:
    """Return the node that a pod is bound to; "" if it has none."""
    return str(pod.get("spec", {}).get("nodeName") or "")


def condition(body: JsonObject | None, kind: str) -> Mapping[str, Any]:
    """Return a condition of an object; empty if it has none of that type."""
    found = _status(body or {}).get("conditions") or ()
    return next((each for each in found if each.get("type") == kind), {})


def is_true(body: JsonObject | None, kind: str) -> bool:
    """Tell whether a condition of an object holds."""
    return condition(body, kind).get("status") == "True"


def containers(pod: JsonObject) -> Iterator[JsonObject]:
    """Yield the statuses of all containers of a pod, init containers first."""
    for key in ("initContainerStatuses", "containerStatuses"):
        yield from _status(pod).get(key) or ()


def state_of(container: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the state of a container's status: waiting, running or terminated."""
    return container.get("state") or {}


def container_state(pod: JsonObject, name: str) -> Mapping[str, Any]:
    """Return the state of a container by its name; empty before there is any."""
    return next(
        (state_of(each) for each in containers(pod) if each["name"] == name), {}
    )


def image_digest(pod: JsonObject, name: str) -> str:
    """Return the digest of the image that a container runs; "" if it is not known.

    Source:
        Kubernetes API, ``ContainerStatus.imageID``: what the container runtime calls
        the image, with or without the names of a scheme and a repository before ``@``.
    """
    found = next((each for each in containers(pod) if each["name"] == name), {})
    return str(found.get("imageID") or "").rpartition("@")[2]


def is_init_container(pod: JsonObject, name: str) -> bool:
    """Tell whether a container is one of those that run before the others."""
    found = _status(pod).get("initContainerStatuses") or ()
    return any(each["name"] == name for each in found)


def parse_time(text: str | None) -> datetime | None:
    """Parse a time; None if there is none."""
    return datetime.fromisoformat(text) if text else None


def event_time(event: JsonObject) -> str:
    """Return when an event occurred last, as text that sorts by time."""
    return str(
        event.get("lastTimestamp")
        or event.get("eventTime")
        or event["metadata"].get("creationTimestamp")
        or ""
    )


def _status(body: JsonObject) -> Mapping[str, Any]:
    return body.get("status") or {}
