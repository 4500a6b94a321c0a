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
_USUAL = frozenset({"", "ContainerCreating", "PodInitializing", "CrashLoopBackOff"})
_LONGEST = 300


class Life(StrEnum):
    """Whether a pod's taskmaster is there."""

    LIVES = "LIVES"
    LEAVES = "LEAVES"
    """It is to go, or said to be gone, but may still act."""
    ENDED = "ENDED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Glimpse:
    """What is kept of a pod.

    Attributes:
        taskmaster: Its id; "" if it is none of ours.
        uid: "" as long as the API server has not answered.
        words: How it ended or why it does not come up, for people, or "".
        is_quiet: It is on a node, nothing has started, and it does not say why.
    """

    taskmaster: str
    namespace: str
    uid: str
    life: Life
    words: str = ""
    is_quiet: bool = False


def glimpse_of(pod: JsonObject) -> Glimpse:
    """Return what is to be kept of a pod."""
    metadata = pod["metadata"]
    words = status_message(pod)
    bound = bool(node_of(pod))
    started = any(_past(status) for status in containers(pod))
    return Glimpse(
        taskmaster=(metadata.get("labels") or {}).get(TASKMASTER, ""),
        namespace=metadata["namespace"],
        uid=metadata["uid"],
        life=life_of(pod),
        words=words,
        is_quiet=bound and not started and not words,
    )


def life_of(pod: JsonObject) -> Life:
    """Tell whether a pod's taskmaster lives."""
    runs = any("running" in state_of(status) for status in containers(pod))
    if is_finished(pod):
        return Life.LEAVES if runs else Life.ENDED
    if is_terminating(pod):
        # Without a node there is nothing that could act.
        return Life.LEAVES if node_of(pod) else Life.ENDED
    return Life.LIVES


def status_message(pod: JsonObject) -> str:
    """Say how a pod ended or why it does not come up; "" if all is well.

    The most telling comes first: what happened to the pod, what happened to a
    container, what a container waits for, why there is no node.
    """
    status = pod.get("status", {})
    told = [
        _said(status.get("reason"), status.get("message")),
        _disruption(pod),
        *(_container_words(each) for each in containers(pod)),
        _unscheduled(pod),
    ]
    return next((words for words in told if words), "") or _deletion(pod)


def _container_words(status: Mapping[str, Any]) -> str:
    waiting = state_of(status).get("waiting") or {}
    if waiting.get("reason", "") not in _USUAL:
        return _said(waiting.get("reason"), waiting.get("message"))
    end = state_of(status).get("terminated")
    if end is None:  # it may run again
        end = (status.get("lastState") or {}).get("terminated")
    if end is None:
        return ""
    code, reason = end.get("exitCode"), end.get("reason", "")
    if code == 0 and reason in ("", "Completed"):
        return ""
    words = f"it ended with exit code {code}"
    if reason not in ("", "Error", "Completed"):
        words += f" ({reason})"
    restarts = status.get("restartCount", 0)
    if restarts:
        words += f" and was started {restarts} more times"
    return _with_message(words, end.get("message"))


def _disruption(pod: JsonObject) -> str:
    if not is_true(pod, "DisruptionTarget"):
        return ""
    found = condition(pod, "DisruptionTarget")
    return _said(found.get("reason"), found.get("message"))


def _unscheduled(pod: JsonObject) -> str:
    found = condition(pod, "PodScheduled")
    if found.get("status") != "False":
        return ""
    return one_line(found.get("message")) or one_line(found.get("reason"))


def _deletion(pod: JsonObject) -> str:
    return "its pod was deleted" if is_terminating(pod) else ""


def _past(status: Mapping[str, Any]) -> bool:
    """Tell whether a container has started at least once."""
    return bool(
        {"running", "terminated"} & state_of(status).keys() or status.get("lastState")
    )


def _said(reason: str | None, message: str | None) -> str:
    return _with_message(reason, message) if reason else one_line(message)


def _with_message(words: str, message: str | None) -> str:
    line = one_line(message)
    return f"{words}: {line}" if line else words


def one_line(message: str | None) -> str:
    """Return the last line that says something, not too long."""
    lines = [line.strip() for line in (message or "").splitlines() if line.strip()]
    line = lines[-1] if lines else ""
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
