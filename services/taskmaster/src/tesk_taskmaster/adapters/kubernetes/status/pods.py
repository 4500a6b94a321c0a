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
from tesk_taskmaster.adapters.kubernetes.status.events import latest, refusal
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
    resumed_at,
    suspension,
    wait_in_queue,
)
from tesk_taskmaster.adapters.kubernetes.status.starts import judge_start
from tesk_taskmaster.adapters.kubernetes.status.turns import (
    judge_blocked,
    judge_first_transfer,
    judge_repeated,
    judge_turn,
)

_SIGKILL = 128 + 9
_SIGTERM = 128 + 15
_ENDS = ("Failed", "Complete")  # conditions of a Job
# "volume node affinity conflict" is of a volume that is there, on other nodes than those
# with room: it is waited for like any node.
_ABOUT_VOLUMES = re.compile(r"persistentvolumeclaim|persistent volume", re.IGNORECASE)
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
    if refused is not None:
        # Before, its queue held it back.
        times = filter(None, (refused.since, resumed_at(job)))
        return Problem(
            kind=ProblemKind.QUOTA if refused.is_quota else ProblemKind.REFUSED,
            cause=refused.cause,
            since=max(times, default=None),
            told=refused.told,
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
    if never := judge_repeated(snapshot, pod) or judge_blocked(snapshot, pod):
        return never
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
    return judge_start(snapshot, pod)


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
