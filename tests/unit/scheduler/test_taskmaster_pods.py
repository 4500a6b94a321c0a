"""What is read from a taskmaster's pod."""

from typing import Any

import pytest

from tesk_kubernetes.api import JsonObject
from tesk_scheduler.adapters.kubernetes.pods import (
    Liveness,
    liveness_of,
    pod_status,
    status_message,
)

NODE = {"nodeName": "node-1"}
RUNNING = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}


def make_pod(
    phase: str = "Pending",
    *states: JsonObject,
    deleted: bool = False,
    spec: JsonObject | None = None,
    **status: Any,
) -> JsonObject:
    """Return a pod of taskmaster tm-1 whose containers are in these states."""
    metadata: JsonObject = {
        "name": "tesk-tm-1",
        "namespace": "tasks",
        "uid": "u",
        "labels": {"tesk/taskmaster": "tm-1"},
    }
    if deleted:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    containers = [{"name": "main", "state": state} for state in states]
    return {
        "metadata": metadata,
        "spec": NODE if spec is None else spec,
        "status": {"phase": phase, "containerStatuses": containers} | status,
    }


def ended(code: int, reason: str = "", message: str = "") -> JsonObject:
    """Return the state of a container that ended."""
    return {"terminated": {"exitCode": code, "reason": reason, "message": message}}


def waits(reason: str, message: str = "") -> JsonObject:
    """Return the state of a container that waits."""
    return {"waiting": {"reason": reason, "message": message}}


def with_past(state: JsonObject, *, restarts: int, past: JsonObject) -> JsonObject:
    """Return a pod whose container was started before."""
    pod = make_pod("Running", state)
    pod["status"]["containerStatuses"][0] |= {
        "restartCount": restarts,
        "lastState": past,
    }
    return pod


COMPLAINT = "tesk-taskmaster: no token"
CRASHING = with_past(
    waits("CrashLoopBackOff", "back-off 5m0s"),
    restarts=3,
    past=ended(1, "Error", f"line\n{COMPLAINT}\n"),
)

ALIVE: dict[str, tuple[JsonObject, Liveness]] = {
    "just made, without any status": (
        {"metadata": {}, "spec": {}},
        Liveness.ALIVE,
    ),
    "waiting for a node": (make_pod(spec={}), Liveness.ALIVE),
    "pulling its image": (make_pod("Pending", waits("ErrImagePull")), Liveness.ALIVE),
    "running": (make_pod("Running", RUNNING), Liveness.ALIVE),
    "crashing, to be started again": (CRASHING, Liveness.ALIVE),
    "of a node that says nothing": (make_pod("Unknown", RUNNING), Liveness.ALIVE),
    "gone by itself": (make_pod("Succeeded", ended(0, "Completed")), Liveness.ENDED),
    "evicted": (make_pod("Failed", ended(137), reason="Evicted"), Liveness.ENDED),
    "refused by its node": (make_pod("Failed", reason="OutOfcpu"), Liveness.ENDED),
    "declared failed by others, its container still running": (
        make_pod("Failed", RUNNING),
        Liveness.TERMINATING,
    ),
    "being deleted": (make_pod("Running", RUNNING, deleted=True), Liveness.TERMINATING),
    "being deleted, its container ended": (
        make_pod("Failed", ended(143), deleted=True),
        Liveness.ENDED,
    ),
    "being deleted before it had a node": (
        make_pod(spec={}, deleted=True),
        Liveness.ENDED,
    ),
}


@pytest.mark.parametrize(("pod", "want"), ALIVE.values(), ids=ALIVE)
def test_liveness(pod: JsonObject, want: Liveness) -> None:
    assert liveness_of(pod) is want


UNSCHEDULED = {
    "type": "PodScheduled",
    "status": "False",
    "reason": "Unschedulable",
    "message": "0/3 nodes are available: 3 Insufficient memory.",
}
DISRUPTED = {
    "type": "DisruptionTarget",
    "status": "True",
    "reason": "PreemptionByScheduler",
    "message": "preempted by pod x",
}

WORDS: dict[str, tuple[JsonObject, str]] = {
    "all is well": (make_pod("Running", RUNNING), ""),
    "on its way": (make_pod("Pending", waits("ContainerCreating")), ""),
    "its end was as it should": (make_pod("Succeeded", ended(0, "Completed")), ""),
    "no node has room": (
        make_pod(spec={}, conditions=[UNSCHEDULED]),
        "0/3 nodes are available: 3 Insufficient memory.",
    ),
    "it has a node now": (
        make_pod(conditions=[UNSCHEDULED | {"status": "True", "message": ""}]),
        "",
    ),
    "there is no such image": (
        make_pod("Pending", waits("ImagePullBackOff", "Back-off pulling image x")),
        "ImagePullBackOff: Back-off pulling image x",
    ),
    "an init container cannot be made": (
        make_pod(
            "Pending",
            waits("PodInitializing"),
            initContainerStatuses=[{"state": waits("CreateContainerConfigError")}],
        ),
        "CreateContainerConfigError",
    ),
    "it crashes at its start": (
        CRASHING,
        f"it ended with exit code 1 and was started 3 more times: {COMPLAINT}",
    ),
    "it runs again after its memory was too small": (
        with_past(RUNNING, restarts=1, past=ended(137, "OOMKilled")),
        "it ended with exit code 137 (OOMKilled) and was started 1 more times",
    ),
    "its memory was too small": (
        make_pod("Failed", ended(137, "OOMKilled")),
        "it ended with exit code 137 (OOMKilled)",
    ),
    "its node had too little memory": (
        make_pod(
            "Failed",
            ended(137, "Error"),
            reason="Evicted",
            message="The node was low on resource: memory.",
        ),
        "Evicted: The node was low on resource: memory.",
    ),
    "another took its place": (
        make_pod("Failed", ended(143, "Error"), conditions=[DISRUPTED]),
        "PreemptionByScheduler: preempted by pod x",
    ),
    "it is deleted by hand": (
        make_pod("Running", RUNNING, deleted=True),
        "its pod was deleted",
    ),
}


@pytest.mark.parametrize(("pod", "want"), WORDS.values(), ids=WORDS)
def test_status_message(pod: JsonObject, want: str) -> None:
    assert status_message(pod) == want


DISRUPTIONS: dict[str, tuple[JsonObject, bool]] = {
    "another takes its place": (
        make_pod("Running", RUNNING, conditions=[DISRUPTED], deleted=True),
        True,
    ),
    "another took its place": (
        make_pod("Failed", ended(143, "Error"), conditions=[DISRUPTED]),
        True,
    ),
    "another was to take its place": (
        make_pod("Running", RUNNING, conditions=[DISRUPTED | {"status": "False"}]),
        False,
    ),
    "its node does not answer": (
        make_pod("Running", RUNNING, reason="NodeLost", deleted=True),
        True,
    ),
    "it exceeded a limit of its own": (
        make_pod("Failed", ended(137, "Error"), reason="Evicted"),
        False,
    ),
    "its memory was too small": (make_pod("Failed", ended(137, "OOMKilled")), False),
    "it is deleted by hand": (make_pod("Running", RUNNING, deleted=True), False),
}


@pytest.mark.parametrize(("pod", "want"), DISRUPTIONS.values(), ids=DISRUPTIONS)
def test_disrupted_pods(pod: JsonObject, want: bool) -> None:
    assert pod_status(pod).is_disrupted is want


def test_long_messages_are_cut() -> None:
    message = status_message(make_pod("Failed", ended(1, "Error", "x" * 5000)))

    assert len(message) < 400
    assert message.endswith("…")


QUIET: dict[str, tuple[JsonObject, bool]] = {
    "no node yet": (make_pod(spec={}), False),
    "on a node, nothing started": (
        make_pod("Pending", waits("ContainerCreating")),
        True,
    ),
    "running": (make_pod("Running", RUNNING), False),
    "says what is wrong": (make_pod("Pending", waits("InvalidImageName")), False),
}


@pytest.mark.parametrize(("pod", "want"), QUIET.values(), ids=QUIET)
def test_silent_pods(pod: JsonObject, want: bool) -> None:
    assert pod_status(pod).is_silent is want


def test_a_pod_without_the_label_has_no_taskmaster() -> None:
    pod = make_pod()
    pod["metadata"].pop("labels")

    assert pod_status(pod).taskmaster == ""
