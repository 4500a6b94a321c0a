"""Renders the status that a node tells of a pod at a moment. Pure."""

import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from simulated_nodes.pod_life import NEVER, Container, Span

Json = dict[str, Any]

_SIGTERM = 128 + 15


def status_at(
    moment: float,
    containers: Sequence[Container],
    found: Mapping[str, Span],
    *,
    bound: float,
    address: str,
) -> Json:
    """Return the status of a pod at a moment.

    Args:
        moment: Now.
        containers: Of the pod.
        found: When each of them runs.
        bound: When the node got the pod.
        address: Of the node.
    """
    init = [each for each in containers if each.is_init]
    regular = [each for each in containers if not each.is_init]
    phase = _phase(moment, regular, found)
    initialized = all(found[each.name].ended <= moment for each in init)
    ready = phase == "Running" and all(
        found[each.name].started <= moment < found[each.name].ended for each in regular
    )
    return {
        "phase": phase,
        "hostIP": address,
        "podIP": address,
        "podIPs": [{"ip": address}],
        "startTime": _second(bound),
        "conditions": [
            _condition("PodReadyToStartContainers", is_true=True, since=bound),
            _condition("Initialized", is_true=initialized, since=moment),
            _condition("ContainersReady", is_true=ready, since=moment),
            _condition("Ready", is_true=ready, since=moment),
        ],
        "initContainerStatuses": [_told(each, found, moment) for each in init],
        "containerStatuses": [_told(each, found, moment) for each in regular],
    }


def _phase(
    moment: float, regular: Sequence[Container], found: Mapping[str, Span]
) -> str:
    each = [found[container.name] for container in regular]
    if all(span.ended <= moment for span in each):
        return "Failed" if any(span.was_stopped for span in each) else "Succeeded"
    return "Running" if any(span.started <= moment for span in each) else "Pending"


def _condition(kind: str, *, is_true: bool, since: float) -> Json:
    status = "True" if is_true else "False"
    return {"type": kind, "status": status, "lastTransitionTime": _second(since)}


def _told(container: Container, found: Mapping[str, Span], moment: float) -> Json:
    span = found[container.name]
    runs = span.started <= moment < span.ended
    return {
        "name": container.name,
        "image": container.image,
        "imageID": container.image,
        "ready": runs and not container.is_init,
        "started": runs,
        "restartCount": 0,
        "state": _state(container, span, moment),
    }


def _state(container: Container, span: Span, moment: float) -> Json:
    if span.ended <= moment:
        return {"terminated": _terminated(container, span)}
    if span.started <= moment:
        return {"running": {"startedAt": _second(span.started)}}
    return {"waiting": {"reason": "ContainerCreating"}}


def _terminated(container: Container, span: Span) -> Json:
    has_run = span.started != NEVER
    told: Json = {
        "exitCode": _SIGTERM if span.was_stopped else 0,
        "reason": "Error" if span.was_stopped else "Completed",
        "finishedAt": _second(span.ended),
    }
    if has_run:
        told["startedAt"] = _second(span.started)
    if has_run and container.has_report:
        told["message"] = json.dumps(_report(container, span), separators=(",", ":"))
    return told


def _report(container: Container, span: Span) -> Json:
    """Return what the launcher reports; see its README."""
    return {
        "exit_code": _SIGTERM if span.was_stopped else 0,
        "signal": 15 if span.was_stopped else 0,
        "terminated": span.was_stopped,
        "skipped": False,
        "started_at": _millisecond(span.began),
        "ended_at": _millisecond(span.ended),
        "max_rss_bytes": 1024 * 1024,
        "cpu_seconds": 0.001,
        "stdout_logged": len(container.printed.encode()),
        "stderr_logged": 0,
    }


def _second(moment: float) -> str:
    return datetime.fromtimestamp(math.floor(moment), UTC).strftime(
        "%Y-%m-%dT%H:%M:%SZ"
    )


def _millisecond(moment: float) -> str:
    text = datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
