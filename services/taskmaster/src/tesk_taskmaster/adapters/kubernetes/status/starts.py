"""Judges a step whose pod has a node, by what the node tells of its start.

Pure; part of ``pods``. Only events tell that an image is being pulled, which may take
hours.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from tesk_kubernetes.api import JsonObject
from tesk_kubernetes.pods import (
    condition,
    containers,
    event_time,
    is_init_container,
    node_of,
    parse_time,
    state_of,
)
from tesk_model.reasons import Reason, ReasonCode
from tesk_taskmaster.adapters.kubernetes.status.events import (
    about_the_rest,
    latest,
    may_be_dropped,
    without_containers,
)
from tesk_taskmaster.adapters.kubernetes.status.failure_table import shorten
from tesk_taskmaster.adapters.kubernetes.status.observations import (
    Observation,
    Problem,
    ProblemKind,
    Snapshot,
    Waiting,
)

_OF_NODES = (
    "Pulling",
    "Pulled",
    "Created",
    "FailedMount",
    "FailedAttachVolume",
    "FailedMapVolume",
    "FailedCreatePodSandBox",
)

_States = Mapping[str, Mapping[str, Any]]


def judge_start(snapshot: Snapshot, pod: JsonObject) -> Observation:
    """Judge a pod on its node by the last event of the node."""
    subject, states = snapshot.subject, _states(containers(pod))
    came = _came_to(subject.earlier, pod, states)
    told = about_the_rest(snapshot.events, _begun(states), since=came)
    event = latest(without_containers(told, subject.others), _OF_NODES)
    # A kubelet starts one container after another, and tells of them when it is done.
    newest = latest(told, _OF_NODES)
    reason = event["reason"] if event is not None else ""
    # Without a limit: images may be large.
    if reason == "Pulling":
        text = f"{subject.name}: pulling image {subject.image}"
        return Waiting(Reason(ReasonCode.IMAGE_PULLING, text))
    if newest is not None and newest["reason"] == "Pulling":
        text = f"{subject.name}: its pod waits for an image of another step"
        text = f"{text}: {shorten(newest['message'])}"
        return Waiting(Reason(ReasonCode.IMAGE_PULLING, text))
    if event is None and _may_be_untold(snapshot, pod, came):
        text = f"{subject.name}: its container is not started yet, and its node tells"
        text = f"{text} no more of this pod"
        return Waiting(Reason(ReasonCode.IMAGE_PULLING, text))
    if event is None or not reason.startswith("Failed"):
        cause = f"node {node_of(pod)}"
        since = came and max(came, _time_of(newest) or came)
        return Problem(kind=ProblemKind.STALLED, cause=cause, since=since)
    is_sandbox = reason == "FailedCreatePodSandBox"
    kind = ProblemKind.STALLED if is_sandbox else ProblemKind.MOUNT
    return Problem(kind=kind, cause=event["message"], since=came)


def _may_be_untold(snapshot: Snapshot, pod: JsonObject, came: datetime | None) -> bool:
    """Tell whether an event of a step may be missing since it could begin.

    Args:
        snapshot: Of the step.
        pod: Its pod.
        came: When the pod came to it.
    """
    if not is_init_container(pod, snapshot.subject.container):
        # Its image is pulled as soon as the init containers have ended.
        came = _last_change(pod, _states(pod["status"].get("initContainerStatuses")))
    oldest = snapshot.events_since
    if oldest is not None and came is not None and came < oldest:
        return True
    return may_be_dropped(len(_begun(_states(containers(pod)))))


def _came_to(
    earlier: Sequence[str], pod: JsonObject, states: _States
) -> datetime | None:
    """Return when a pod came to a step whose container waits; None: not known.

    That is when the pod did something last: its containers begin one after another, and
    those before may have run for hours. One of those that runs is about to end.
    """
    if any("running" in states.get(name, {}) for name in earlier):
        return None
    return _last_change(pod, states)


def _last_change(pod: JsonObject, states: _States) -> datetime | None:
    """Return when a pod got its node, or a container of it began or ended last."""
    times = [condition(pod, "PodScheduled").get("lastTransitionTime")]
    for state in states.values():
        times.append((state.get("running") or {}).get("startedAt"))
        times.append((state.get("terminated") or {}).get("finishedAt"))
    return max(filter(None, map(parse_time, times)), default=None)


def _states(statuses: Iterable[JsonObject] | None) -> _States:
    return {each["name"]: state_of(each) for each in statuses or ()}


def _begun(states: _States) -> frozenset[str]:
    return frozenset(
        name
        for name, state in states.items()
        if "running" in state or "terminated" in state
    )


def _time_of(event: JsonObject | None) -> datetime | None:
    return None if event is None else parse_time(event_time(event))
