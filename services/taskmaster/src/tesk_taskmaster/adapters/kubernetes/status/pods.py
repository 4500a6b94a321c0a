"""Derives the state of a step from its objects.

Pure. Conditions are found by type and containers by name, never by position: the
cluster adds conditions, and templates add containers. The end of its container ends
the step; the Job matters only when there is no pod.

A pod may have the containers of several steps, which run in order: a step runs when
its container does and those before it have ended.

The begin of a problem is read from the objects where possible, so that a successor
continues the wait of its predecessor.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from tesk_kubernetes.api import JsonObject
from tesk_kubernetes.pods import (
    condition,
    container_state,
    containers,
    event_time,
    is_finished,
    is_terminating,
    is_true,
    node_of,
    parse_time,
    state_of,
)
from tesk_kubernetes.templates import MAIN
from tesk_model.reasons import Reason, ReasonCode
from tesk_taskmaster.adapters.kubernetes.status.containers import (
    container_problem,
)
from tesk_taskmaster.adapters.kubernetes.status.disk import judge_disk
from tesk_taskmaster.adapters.kubernetes.status.ends import (
    JOB_DELETED,
    is_deleted,
    judge_end,
    judge_rejected,
    judge_vanished,
    pod_metadata,
    unobserved_end,
)
from tesk_taskmaster.adapters.kubernetes.status.events import (
    latest,
    may_be_dropped,
    refusal,
    without_containers,
)
from tesk_taskmaster.adapters.kubernetes.status.failure_table import shorten
from tesk_taskmaster.adapters.kubernetes.status.observations import (
    Ended,
    Observation,
    Problem,
    ProblemKind,
    Running,
    Snapshot,
    Waiting,
)
from tesk_taskmaster.adapters.kubernetes.status.queues import (
    is_suspended,
    may_be_replaced,
    suspension,
    wait_in_queue,
)
from tesk_taskmaster.adapters.kubernetes.status.turns import (
    judge_blocked,
    judge_first_transfer,
    judge_turn,
)

_SIGKILL = 128 + 9
_SIGTERM = 128 + 15
_ENDS = ("Failed", "Complete")  # conditions of a Job
_OF_NODES = (
    "Pulling",
    "Pulled",
    "Created",
    "FailedMount",
    "FailedAttachVolume",
    "FailedMapVolume",
    "FailedCreatePodSandBox",
)

_ABOUT_VOLUMES = re.compile(
    r"persistentvolumeclaim|persistent volume|volume node affinity", re.IGNORECASE
)
_EXIT_CODE = re.compile(r"failed with exit code (\d+)")


def observe(snapshot: Snapshot) -> Observation:
    """Return the state of a step that was started."""
    observed = _observe(snapshot)
    return judge_disk(snapshot, observed) if isinstance(observed, Ended) else observed


def _observe(snapshot: Snapshot) -> Observation:
    pod = snapshot.pod
    if pod is None or _will_be_replaced(snapshot, pod):
        return _without_pod(snapshot)
    state = container_state(pod, snapshot.subject.container)
    if "terminated" in state:
        return judge_end(snapshot, pod, state["terminated"])
    if is_finished(pod):
        return judge_rejected(snapshot, pod)
    if snapshot.pod_is_gone or is_terminating(pod):
        return _terminating(snapshot, pod)
    if "running" in state:
        done = judge_first_transfer(snapshot, pod) or judge_turn(snapshot, pod)
        return done or Running(metadata=pod_metadata(pod))
    return _pending(snapshot, pod)


def _will_be_replaced(snapshot: Snapshot, pod: JsonObject) -> bool:
    return not has_ended(snapshot.job) and may_be_replaced(snapshot, pod)


def _without_pod(snapshot: Snapshot) -> Observation:
    """Judge a Job without a pod."""
    job = snapshot.job
    if snapshot.has_no_pod and has_ended(job):
        message = next(_ends(job)).get("message", "")
        text = f"its pod is gone, and its Job says: {message}"
        gone = Reason(ReasonCode.STEP_VANISHED, text)
        return unobserved_end(snapshot, gone, exit_code=_job_code(snapshot))
    if job is None or is_deleted(job):
        return unobserved_end(snapshot, JOB_DELETED, has_run=False)
    if is_suspended(job):
        if snapshot.subject.has_started:
            return unobserved_end(snapshot, suspension(job))
        return wait_in_queue(snapshot, job)
    refused = refusal(snapshot.events)
    if refused:
        is_quota = "exceeded quota" in refused
        return Problem(
            kind=ProblemKind.QUOTA if is_quota else ProblemKind.REFUSED,
            cause=refused,
            since=parse_time(job["metadata"].get("creationTimestamp")),
        )
    text = f"{snapshot.subject.name}: waiting for its pod"
    return Waiting(Reason(ReasonCode.STEP_STARTING, text))


def ended_at(body: JsonObject) -> datetime | None:
    """Return when a Job or a pod's ``main`` ended; None if it has not."""
    ends = [end.get("lastTransitionTime") for end in _ends(body)]
    ends.append((container_state(body, MAIN).get("terminated") or {}).get("finishedAt"))
    return max(filter(None, map(parse_time, ends)), default=None)


def deletion_deadline(body: JsonObject) -> datetime | None:
    """Return the deadline of a terminating object; None for any other."""
    return parse_time(body["metadata"].get("deletionTimestamp"))


def has_ended(job: JsonObject | None) -> bool:
    """Tell whether a Job has ended."""
    return any(_ends(job))


def _ends(job: JsonObject | None) -> Iterator[Mapping[str, Any]]:
    return (condition(job, kind) for kind in _ENDS if is_true(job, kind))


def _job_code(snapshot: Snapshot) -> int | None:
    """Return the exit code in the Job of a filer whose pod is gone.

    Not for an executor: one that was stopped may have ended with any code, 0 among
    them, and its output is lost. Nor for one step of several in a pod: the code may
    be of another one. The codes of SIGTERM and SIGKILL are ignored: deleted pods
    end so.
    """
    if snapshot.subject.ram is not None or snapshot.subject.others:
        return None
    if is_true(snapshot.job, "Complete"):
        return 0
    message = condition(snapshot.job, "Failed").get("message", "")
    match = _EXIT_CODE.search(message)
    code = None if match is None else int(match[1])
    return None if code in (_SIGTERM, _SIGKILL) else code


def _terminating(snapshot: Snapshot, pod: JsonObject) -> Observation:
    """Judge a pod that is terminating or deleted, and whose end was not observed."""
    node = node_of(pod)
    if snapshot.pod_is_gone or not node:
        return judge_vanished(snapshot, exit_code=_job_code(snapshot))
    deadline = parse_time(pod["metadata"]["deletionTimestamp"])
    return Problem(
        kind=ProblemKind.NODE_UNRESPONSIVE, cause=f"node {node}", since=deadline
    )


def _pending(snapshot: Snapshot, pod: JsonObject) -> Observation:
    if not node_of(pod):
        return _unscheduled(snapshot, pod)
    if blocked := judge_blocked(snapshot, pod):
        return blocked
    subject = snapshot.subject
    # Those before it come first on the node, even if they have nothing to do.
    later = subject.others.difference(subject.earlier)
    for status in containers(pod):
        if status["name"] in later:
            continue
        waiting = state_of(status).get("waiting") or {}
        kind = container_problem(snapshot, status, waiting)
        if kind is not None:
            return kind
    return _on_its_node(snapshot, pod)


def _unscheduled(snapshot: Snapshot, pod: JsonObject) -> Observation:
    scheduled = condition(pod, "PodScheduled")
    message = scheduled.get("message", "")
    pending = (snapshot.claim or {}).get("status", {}).get("phase") == "Pending"
    unbound = latest(snapshot.events, ("ProvisioningFailed", "FailedBinding"))
    if _ABOUT_VOLUMES.search(message) or (pending and unbound is not None):
        cause = unbound["message"] if unbound is not None else message
        created = pod["metadata"].get("creationTimestamp")
        since = parse_time(scheduled.get("lastTransitionTime") or created)
        return Problem(kind=ProblemKind.VOLUME_UNBOUND, cause=cause, since=since)
    if scheduled.get("status") == "False":
        return Problem(
            kind=ProblemKind.UNSCHEDULABLE,
            cause=message or scheduled.get("reason", ""),
            since=parse_time(scheduled.get("lastTransitionTime")),
        )
    text = f"{snapshot.subject.name}: waiting for a node"
    return Waiting(Reason(ReasonCode.STEP_STARTING, text))


def _on_its_node(snapshot: Snapshot, pod: JsonObject) -> Observation:
    """Judge a pod on its node by the last event of the node."""
    subject = snapshot.subject
    event = latest(without_containers(snapshot.events, subject.others), _OF_NODES)
    # A kubelet starts one container after another, and tells of them when it is done.
    newest = latest(snapshot.events, _OF_NODES)
    reason = event["reason"] if event is not None else ""
    # Without a limit: images may be large.
    if reason == "Pulling":
        text = f"{subject.name}: pulling image {subject.image}"
        return Waiting(Reason(ReasonCode.IMAGE_PULLING, text))
    if newest is not None and newest["reason"] == "Pulling":
        text = f"{subject.name}: its pod waits for an image of another step"
        text = f"{text}: {shorten(newest['message'])}"
        return Waiting(Reason(ReasonCode.IMAGE_PULLING, text))
    came = _came_to(snapshot, pod)
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
    """Tell whether an event of a step may be missing since a pod came to it."""
    oldest = snapshot.events_since
    if oldest is not None and came is not None and came < oldest:
        return True
    states = [state_of(each) for each in containers(pod)]
    begun = ["running" in state or "terminated" in state for state in states]
    return may_be_dropped(sum(begun))


def _time_of(event: JsonObject | None) -> datetime | None:
    return None if event is None else parse_time(event_time(event))


def _came_to(snapshot: Snapshot, pod: JsonObject) -> datetime | None:
    """Return when a pod came to a step whose container waits; None: not known.

    That is when the pod did something last: its containers begin one after another, and
    those before may have run for hours. One of those that runs is about to end.
    """
    states = {each["name"]: state_of(each) for each in containers(pod)}
    if any("running" in states.get(name, {}) for name in snapshot.subject.earlier):
        return None
    times = [condition(pod, "PodScheduled").get("lastTransitionTime")]
    for state in states.values():
        times.append((state.get("running") or {}).get("startedAt"))
        times.append((state.get("terminated") or {}).get("finishedAt"))
    return max(filter(None, map(parse_time, times)), default=None)
