"""What the objects of a step say of it, now.

Pure. Conditions are found by type and containers by name, never by place: the
cluster adds conditions, and templates add containers. A pod's terminal
container ends the step; the Job object is asked only when there is no pod.

Since when something is the matter is read from the objects, wherever they tell:
whoever takes a step over goes on with the waiting of its predecessor.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from tesk_kubernetes.api import JsonObject
from tesk_kubernetes.pods import (
    condition,
    containers,
    is_finished,
    is_terminating,
    is_true,
    main_state,
    node_of,
    parse_time,
    state_of,
)
from tesk_model.reasons import Reason, ReasonCode
from tesk_taskmaster.adapters.kubernetes.status.containers import (
    container_trouble,
)
from tesk_taskmaster.adapters.kubernetes.status.ends import (
    JOB_DELETED,
    is_deleted,
    judge_end,
    judge_rejected,
    judge_vanished,
    pod_metadata,
    unseen_end,
)
from tesk_taskmaster.adapters.kubernetes.status.events import (
    latest,
    refusal,
)
from tesk_taskmaster.adapters.kubernetes.status.observations import (
    Observation,
    Running,
    Snapshot,
    Trouble,
    Troubled,
    Waiting,
)

_SIGKILL = 128 + 9
_SIGTERM = 128 + 15
_ENDS = ("Failed", "Complete")  # conditions of a Job

_ABOUT_VOLUMES = re.compile(
    r"persistentvolumeclaim|persistent volume|volume node affinity", re.IGNORECASE
)
_EXIT_CODE = re.compile(r"failed with exit code (\d+)")


def observe(seen: Snapshot) -> Observation:
    """Say what is the matter with a step that was started."""
    pod = seen.pod
    if pod is None:
        return _without_pod(seen)
    state = main_state(pod)
    if "terminated" in state:
        return judge_end(seen, pod, state["terminated"])
    if is_finished(pod):
        return judge_rejected(seen, pod)
    if seen.pod_is_gone or is_terminating(pod):
        return _leaving(seen, pod)
    is_running = "running" in state
    return Running(metadata=pod_metadata(pod)) if is_running else _pending(seen, pod)


def _without_pod(seen: Snapshot) -> Observation:
    """Judge a Job of which no pod was ever seen."""
    job = seen.job
    if seen.has_no_pod and has_ended(job):
        said = next(_ends(job)).get("message", "")
        text = f"its pod is gone, and its Job says: {said}"
        gone = Reason(ReasonCode.STEP_VANISHED, text)
        return unseen_end(seen, gone, exit_code=_job_code(seen))
    if job is None or is_deleted(job):
        return unseen_end(seen, JOB_DELETED, has_run=False)
    refused = refusal(seen.events)
    if refused:
        is_quota = "exceeded quota" in refused
        return Troubled(
            trouble=Trouble.QUOTA if is_quota else Trouble.REFUSED,
            cause=refused,
            since=parse_time(job["metadata"].get("creationTimestamp")),
        )
    text = f"{seen.subject.name}: waiting for its pod"
    return Waiting(Reason(ReasonCode.STEP_STARTING, text))


def ended_at(body: JsonObject) -> datetime | None:
    """Return when a Job or a pod's ``main`` ended; None if it has not."""
    ends = [end.get("lastTransitionTime") for end in _ends(body)]
    ends.append((main_state(body).get("terminated") or {}).get("finishedAt"))
    return max(filter(None, map(parse_time, ends)), default=None)


def leaving_since(body: JsonObject) -> datetime | None:
    """Return when an object that is to go should be gone; None if it stays."""
    return parse_time(body["metadata"].get("deletionTimestamp"))


def has_ended(job: JsonObject | None) -> bool:
    """Tell whether a Job says that it has ended."""
    return any(_ends(job))


def _ends(job: JsonObject | None) -> Iterator[Mapping[str, Any]]:
    return (condition(job, kind) for kind in _ENDS if is_true(job, kind))


def _job_code(seen: Snapshot) -> int | None:
    """Return the exit code that the Job of a filer tells, if its pod is gone.

    Of an executor it says too little: one that was told to go may have ended
    with any code, 0 among them, and what it printed is gone. A code of SIGTERM
    or SIGKILL tells nothing: pods that are deleted end so.
    """
    if seen.subject.ram is not None:
        return None
    if is_true(seen.job, "Complete"):
        return 0
    said = condition(seen.job, "Failed").get("message", "")
    code = _EXIT_CODE.search(said)
    told = None if code is None else int(code[1])
    return None if told in (_SIGTERM, _SIGKILL) else told


def _leaving(seen: Snapshot, pod: JsonObject) -> Observation:
    """Judge a pod that is asked to end, or is gone, and of which no end was seen."""
    node = node_of(pod)
    if seen.pod_is_gone or not node:
        return judge_vanished(seen, exit_code=_job_code(seen))
    deadline = parse_time(pod["metadata"]["deletionTimestamp"])
    return Troubled(trouble=Trouble.NODE_SILENT, cause=f"node {node}", since=deadline)


def _pending(seen: Snapshot, pod: JsonObject) -> Observation:
    if not node_of(pod):
        return _unscheduled(seen, pod)
    for status in containers(pod):
        waiting = state_of(status).get("waiting") or {}
        trouble = container_trouble(seen, status, waiting)
        if trouble is not None:
            return trouble
    return _on_its_node(seen, pod)


def _unscheduled(seen: Snapshot, pod: JsonObject) -> Observation:
    scheduled = condition(pod, "PodScheduled")
    said = scheduled.get("message", "")
    pending = (seen.claim or {}).get("status", {}).get("phase") == "Pending"
    unbound = latest(seen.events, ("ProvisioningFailed", "FailedBinding"))
    if _ABOUT_VOLUMES.search(said) or (pending and unbound is not None):
        cause = unbound["message"] if unbound is not None else said
        created = pod["metadata"].get("creationTimestamp")
        since = parse_time(scheduled.get("lastTransitionTime") or created)
        return Troubled(trouble=Trouble.UNBOUND, cause=cause, since=since)
    if scheduled.get("status") == "False":
        return Troubled(
            trouble=Trouble.UNSCHEDULABLE,
            cause=said or scheduled.get("reason", ""),
            since=parse_time(scheduled.get("lastTransitionTime")),
        )
    text = f"{seen.subject.name}: waiting for a node"
    return Waiting(Reason(ReasonCode.STEP_STARTING, text))


def _on_its_node(seen: Snapshot, pod: JsonObject) -> Observation:
    """Judge a pod that its node has, by the last thing its node said."""
    said = latest(
        seen.events,
        (
            "Pulling",
            "Pulled",
            "Created",
            "FailedMount",
            "FailedAttachVolume",
            "FailedMapVolume",
            "FailedCreatePodSandBox",
        ),
    )
    reason = said["reason"] if said is not None else ""
    if said is not None and reason in (
        "FailedMount",
        "FailedAttachVolume",
        "FailedMapVolume",
    ):
        return Troubled(
            trouble=Trouble.MOUNT, cause=said["message"], since=_bound_at(pod)
        )
    if said is not None and reason == "FailedCreatePodSandBox":
        return Troubled(
            trouble=Trouble.STALLED, cause=said["message"], since=_bound_at(pod)
        )
    if reason == "Pulling":
        # However long that takes: images may be large.
        text = f"{seen.subject.name}: pulling image {seen.subject.image}"
        return Waiting(Reason(ReasonCode.IMAGE_PULLING, text))
    since = _bound_at(pod)
    node = node_of(pod)
    if since is None:
        text = f"{seen.subject.name}: starting on node {node}"
        return Waiting(Reason(ReasonCode.STEP_STARTING, text))
    return Troubled(trouble=Trouble.STALLED, cause=f"node {node}", since=since)


def _bound_at(pod: JsonObject) -> datetime | None:
    scheduled = condition(pod, "PodScheduled")
    return parse_time(scheduled.get("lastTransitionTime"))
