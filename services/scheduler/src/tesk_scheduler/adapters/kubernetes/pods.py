"""Reads the status of a taskmaster's pod: whether it is alive, and its message.

Pure. Rules:

- The kubelet restarts a crashed container, so the pod stays alive.
- A pod has ended for sure when its kubelet reported so of every container. That it
  is being deleted, is gone, or was marked as failed by another component says
  nothing about a machine that does not answer.
- Reasons are read by their type, and of all containers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from tesk_kubernetes.api import JsonObject
from tesk_kubernetes.labels import TASKMASTER
from tesk_kubernetes.pods import (
    condition,
    containers,
    is_finished,
    is_terminating,
    is_true,
    node_of,
    state_of,
)

# What every container waits for as it starts; not worth a message.
_EXPECTED_REASONS = frozenset(
    {"", "ContainerCreating", "PodInitializing", "CrashLoopBackOff"}
)
_MAX_LENGTH = 300
# Set by scheduler, taint manager, eviction API, garbage collector of pods and kubelet, the
# latter for the sake of its node only.
_DISRUPTED = "DisruptionTarget"
# Reason of a pod that is being deleted on a node that does not answer.
_NODE_LOST = "NodeLost"


class Liveness(StrEnum):
    """Whether the taskmaster of a pod is alive."""

    ALIVE = "ALIVE"
    TERMINATING = "TERMINATING"
    """It is being deleted, or reported as gone, but may still act."""
    ENDED = "ENDED"


@dataclass(frozen=True, slots=True, kw_only=True)
class PodStatus:
    """What the launcher remembers of a pod.

    Attributes:
        taskmaster: Its id; "" if the pod is not TESK's.
        uid: "" until the API server has responded.
        is_disrupted: The cluster ends it: its node is drained or lost, or it had to make
            room. One that exceeds a limit of its own is not.
        message: How it ended or why it does not come up, for people, or "".
        is_silent: It is on a node, no container has started, and it has no message.
    """

    taskmaster: str
    namespace: str
    uid: str
    liveness: Liveness
    is_disrupted: bool = False
    message: str = ""
    is_silent: bool = False


def pod_status(pod: JsonObject) -> PodStatus:
    """Return the status of a pod."""
    metadata = pod["metadata"]
    message = status_message(pod)
    bound = bool(node_of(pod))
    started = any(_has_started(status) for status in containers(pod))
    return PodStatus(
        taskmaster=(metadata.get("labels") or {}).get(TASKMASTER, ""),
        namespace=metadata["namespace"],
        uid=metadata["uid"],
        liveness=liveness_of(pod),
        is_disrupted=is_true(pod, _DISRUPTED)
        or pod.get("status", {}).get("reason") == _NODE_LOST,
        message=message,
        is_silent=bound and not started and not message,
    )


def liveness_of(pod: JsonObject) -> Liveness:
    """Tell whether the taskmaster of a pod is alive."""
    runs = any("running" in state_of(status) for status in containers(pod))
    if is_finished(pod):
        return Liveness.TERMINATING if runs else Liveness.ENDED
    if is_terminating(pod):
        # Without a node there is nothing that could act.
        return Liveness.TERMINATING if node_of(pod) else Liveness.ENDED
    return Liveness.ALIVE


def status_message(pod: JsonObject) -> str:
    """Return how a pod ended or why it does not come up; "" if neither.

    The most telling comes first: what happened to the pod, what happened to a
    container, what a container waits for, why there is no node.
    """
    status = pod.get("status", {})
    candidates = [
        _format_reason(status.get("reason"), status.get("message")),
        _disruption(pod),
        *(_container_message(each) for each in containers(pod)),
        _unscheduled(pod),
    ]
    return next((message for message in candidates if message), "") or _deletion(pod)


def _container_message(status: Mapping[str, Any]) -> str:
    waiting = state_of(status).get("waiting") or {}
    if waiting.get("reason", "") not in _EXPECTED_REASONS:
        return _format_reason(waiting.get("reason"), waiting.get("message"))
    end = state_of(status).get("terminated")
    if end is None:  # it may run again
        end = (status.get("lastState") or {}).get("terminated")
    if end is None:
        return ""
    code, reason = end.get("exitCode"), end.get("reason", "")
    if code == 0 and reason in ("", "Completed"):
        return ""
    message = f"it ended with exit code {code}"
    if reason not in ("", "Error", "Completed"):
        message += f" ({reason})"
    restarts = status.get("restartCount", 0)
    if restarts:
        message += f" and was started {restarts} more times"
    return _with_message(message, end.get("message"))


def _disruption(pod: JsonObject) -> str:
    if not is_true(pod, _DISRUPTED):
        return ""
    found = condition(pod, _DISRUPTED)
    return _format_reason(found.get("reason"), found.get("message"))


def _unscheduled(pod: JsonObject) -> str:
    found = condition(pod, "PodScheduled")
    if found.get("status") != "False":
        return ""
    return one_line(found.get("message")) or one_line(found.get("reason"))


def _deletion(pod: JsonObject) -> str:
    return "its pod was deleted" if is_terminating(pod) else ""


def _has_started(status: Mapping[str, Any]) -> bool:
    """Tell whether a container has started at least once."""
    return bool(
        {"running", "terminated"} & state_of(status).keys() or status.get("lastState")
    )


def _format_reason(reason: str | None, message: str | None) -> str:
    return _with_message(reason, message) if reason else one_line(message)


def _with_message(text: str, message: str | None) -> str:
    line = one_line(message)
    return f"{text}: {line}" if line else text


def one_line(message: str | None) -> str:
    """Return the last non-empty line, truncated."""
    lines = [line.strip() for line in (message or "").splitlines() if line.strip()]
    line = lines[-1] if lines else ""
    return line if len(line) <= _MAX_LENGTH else f"{line[: _MAX_LENGTH - 1]}…"
