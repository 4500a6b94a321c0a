"""What a taskmaster's pod says: whether it lives, and how it ended or why it waits.

Pure. Rules:

- A container that crashes is started again by its kubelet, so the pod lives on.
- A pod has ended for sure when its kubelet said so of every container. That the
  pod is being deleted, is gone, or was declared failed by somebody else says
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

# What every container waits for on its way; nobody needs to be told.
_EXPECTED_REASONS = frozenset(
    {"", "ContainerCreating", "PodInitializing", "CrashLoopBackOff"}
)
_LONGEST = 300


class Liveness(StrEnum):
    """Whether a pod's taskmaster is there."""

    ALIVE = "ALIVE"
    TERMINATING = "TERMINATING"
    """It is to go, or said to be gone, but may still act."""
    ENDED = "ENDED"


@dataclass(frozen=True, slots=True, kw_only=True)
class PodStatus:
    """What is kept of a pod.

    Attributes:
        taskmaster: Its id; "" if it is none of ours.
        uid: "" as long as the API server has not answered.
        message: How it ended or why it does not come up, for people, or "".
        is_silent: It is on a node, nothing has started, and it does not say why.
    """

    taskmaster: str
    namespace: str
    uid: str
    liveness: Liveness
    message: str = ""
    is_silent: bool = False


def pod_status(pod: JsonObject) -> PodStatus:
    """Return what is to be kept of a pod."""
    metadata = pod["metadata"]
    message = status_message(pod)
    bound = bool(node_of(pod))
    started = any(_has_started(status) for status in containers(pod))
    return PodStatus(
        taskmaster=(metadata.get("labels") or {}).get(TASKMASTER, ""),
        namespace=metadata["namespace"],
        uid=metadata["uid"],
        liveness=liveness_of(pod),
        message=message,
        is_silent=bound and not started and not message,
    )


def liveness_of(pod: JsonObject) -> Liveness:
    """Tell whether a pod's taskmaster lives."""
    runs = any("running" in state_of(status) for status in containers(pod))
    if is_finished(pod):
        return Liveness.TERMINATING if runs else Liveness.ENDED
    if is_terminating(pod):
        # Without a node there is nothing that could act.
        return Liveness.TERMINATING if node_of(pod) else Liveness.ENDED
    return Liveness.ALIVE


def status_message(pod: JsonObject) -> str:
    """Say how a pod ended or why it does not come up; "" if all is well.

    The most telling comes first: what happened to the pod, what happened to a
    container, what a container waits for, why there is no node.
    """
    status = pod.get("status", {})
    told = [
        _format_reason(status.get("reason"), status.get("message")),
        _disruption(pod),
        *(_container_message(each) for each in containers(pod)),
        _unscheduled(pod),
    ]
    return next((message for message in told if message), "") or _deletion(pod)


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
    if not is_true(pod, "DisruptionTarget"):
        return ""
    found = condition(pod, "DisruptionTarget")
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
    """Return the last line that says something, not too long."""
    lines = [line.strip() for line in (message or "").splitlines() if line.strip()]
    line = lines[-1] if lines else ""
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
