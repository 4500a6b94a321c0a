"""Reads events of a pod, a Job and a claim: why a step does not start.

Events are hints: they are aggregated, they expire, and they may be missing.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile

from tesk_kubernetes.api import JsonObject
from tesk_kubernetes.pods import event_time, parse_time

# Each try has another pod name, and the same reason.
_COMBINED = "(combined from similar events): "
_CREATION = re.compile(
    rf'^({re.escape(_COMBINED)})?Error creating: (pods? "[^"]*" is forbidden: )?'
)
FAILURES = ("Failed", "BackOff")
"""Reasons of a node that cannot start a container, which it tells again and again."""
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


def about_the_rest(
    events: Sequence[JsonObject], begun: Collection[str], *, since: datetime | None
) -> Sequence[JsonObject]:
    """Return the events that may be about what still waits in a pod.

    What is told of containers that have begun is over, and so are mounts before them.

    Args:
        events: About the pod.
        begun: Its containers that have begun.
        since: When the last of them ended; None: not yet.
    """
    if not begun:
        return events
    return [
        event
        for event in events
        if _container_of(event) not in begun
        and (_container_of(event) or _is_at_least(event, since))
    ]


def _is_at_least(event: JsonObject, since: datetime | None) -> bool:
    time = parse_time(event_time(event))
    return since is not None and time is not None and time >= since


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why the Job controller can make no pod.

    Attributes:
        cause: Of the last try.
        is_quota: A quota has no room.
        since: Of the first of the last tries with that outcome; None if unknown.
        told: Of the last one.
    """

    cause: str
    is_quota: bool
    since: datetime | None
    told: datetime | None


def refusal(events: Sequence[JsonObject]) -> Refusal | None:
    """Return why the Job controller could not make a pod; None if it could.

    Its first tries are an event each, as each has another pod. Later ones are combined
    into one, which has the message of the last try, whatever the others were.

    Source:
        client-go, ``tools/record/events_cache.go``: ``EventAggregator``.
    """
    told = [
        e for e in events if e.get("reason") in ("FailedCreate", "SuccessfulCreate")
    ]
    told.sort(key=event_time, reverse=True)
    if not told or told[0]["reason"] == "SuccessfulCreate":
        return None
    is_quota = _is_of_quota(told[0])
    tries = takewhile(
        lambda e: e["reason"] == "FailedCreate" and _is_of_quota(e) == is_quota, told
    )
    times = [
        event_time(each) if _is_combined(each) else _first_time(each) for each in tries
    ]
    return Refusal(
        cause=_CREATION.sub("", str(told[0].get("message", ""))),
        is_quota=is_quota,
        since=parse_time(min(times)),
        told=parse_time(event_time(told[0])),
    )


def _is_combined(event: JsonObject) -> bool:
    return str(event.get("message", "")).startswith(_COMBINED)


def _is_of_quota(event: JsonObject) -> bool:
    return "exceeded quota" in str(event.get("message", ""))


def has_gone_on(events: Sequence[JsonObject], reasons: Collection[str]) -> bool:
    """Tell whether a node has begun again what had failed.

    A kubelet shows the reason of a failure until it has done all that it does next.

    Args:
        events: Of one container.
        reasons: Of those that tell of progress.

    Source:
        Kubernetes, ``pkg/kubelet``: ``reasonCache`` is set after ``SyncPod``.
    """
    failed, done = latest(events, FAILURES), latest(events, reasons)
    if failed is None or done is None:
        return False
    return event_time(failed) < event_time(done)


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
        _first_time(event)
        for event in events
        if event.get("reason") == "Failed"
        and any(text in str(event.get("message", "")) for text in _PULLS) == pull
    ]
    return parse_time(min(times, default=""))


def failed_at(events: Sequence[JsonObject]) -> datetime | None:
    """Return when a node told last that something fails; None if it did not."""
    event = latest(events, FAILURES)
    return None if event is None else parse_time(event_time(event))


def _first_time(event: JsonObject) -> str:
    """Return when an event occurred first, as text that sorts by time."""
    return str(event.get("firstTimestamp") or event_time(event))
