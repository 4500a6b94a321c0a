"""Reads events of a pod, a Job and a claim: why a step does not start.

Events are hints: they are aggregated, they expire, and they may be missing.
"""

import re
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from tesk_kubernetes.api import JsonObject
from tesk_kubernetes.pods import event_time

# Each try has another pod name, and the same reason.
_CREATION = re.compile(r'^Error creating: (pods? "[^"]*" is forbidden: )?')
_PULL = "Failed to pull image "
_PULLS = (_PULL, "ErrImagePull", "ImagePullBackOff")
# Of a pod, until a node tells only of one in five minutes,
_MOST_EVENTS = 25
# and of each container that it starts: Pulling, Pulled, Created, Started.
_EVENTS_OF_CONTAINER = 4
KEPT = timedelta(hours=1)
"""How long the API server keeps events: the default of ``--event-ttl``."""

_CONTAINER = re.compile(r"spec\.(?:initC|c)ontainers\{(.+)\}")


def without_containers(
    events: Sequence[JsonObject], names: Collection[str]
) -> Sequence[JsonObject]:
    """Return the events that are not about one of these containers of the pod."""
    return [event for event in events if _container_of(event) not in names]


def of_container(events: Sequence[JsonObject], name: str) -> Sequence[JsonObject]:
    """Return the events that are about this container of the pod, or about none."""
    return [event for event in events if _container_of(event) in ("", name)]


def with_expired(
    found: Sequence[JsonObject], known: Sequence[JsonObject]
) -> Sequence[JsonObject]:
    """Return events, and the last known one of each container that they leave out.

    A node tells once that it pulls an image, and that may take longer than the API
    server keeps events.

    Args:
        found: That there are.
        known: Of the same pod, as they were found before.

    Source:
        kube-apiserver, ``--event-ttl``.
    """
    told = {"", *map(_container_of, found)}
    last = {_container_of(event): event for event in sorted(known, key=event_time)}
    return [*found, *(event for name, event in last.items() if name not in told)]


def may_be_dropped(begun: int) -> bool:
    """Tell whether a node may tell no more of a pod.

    Args:
        begun: Number of its containers that have begun.

    Source:
        client-go, ``tools/record/events_cache.go``: ``defaultSpamBurst`` and
        ``defaultSpamQPS``, which kubelets do not change.
    """
    return begun * _EVENTS_OF_CONTAINER >= _MOST_EVENTS


def _container_of(event: JsonObject) -> str:
    """Return the container that an event is about; "" if it is about none."""
    path = str((event.get("involvedObject") or {}).get("fieldPath") or "")
    match = _CONTAINER.fullmatch(path)
    return "" if match is None else match[1]


def latest(events: Sequence[JsonObject], reasons: Collection[str]) -> JsonObject | None:
    """Return the newest event with one of ``reasons``, or None."""
    found = [event for event in events if event.get("reason") in reasons]
    return max(found, key=event_time, default=None)


def refusal(events: Sequence[JsonObject]) -> str:
    """Return why the Job controller could not make a pod; "" if it could."""
    event = latest(events, ("FailedCreate", "SuccessfulCreate"))
    if event is None or event["reason"] == "SuccessfulCreate":
        return ""
    return _CREATION.sub("", str(event.get("message", "")))


def pull_failure(events: Sequence[JsonObject]) -> str:
    """Return why an image could not be pulled; "" if there is no such event."""
    failures = [e for e in events if str(e.get("message", "")).startswith(_PULL)]
    event = latest(failures, ("Failed",))
    if event is None:
        return ""
    return str(event["message"]).split(": ", 1)[-1]


def failing_since(events: Sequence[JsonObject], *, pull: bool) -> datetime | None:
    """Return when pulls, or else starts, of a pod began to fail; None if unknown."""
    times = [
        str(event.get("firstTimestamp") or event_time(event))
        for event in events
        if event.get("reason") == "Failed"
        and any(text in str(event.get("message", "")) for text in _PULLS) == pull
    ]
    first = min(times, default="")
    return datetime.fromisoformat(first) if first else None
