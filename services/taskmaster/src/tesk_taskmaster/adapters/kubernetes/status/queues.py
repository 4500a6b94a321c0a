"""Judges Jobs that the cluster suspends, as Kueue does with those in its queues.

Pure. A queue may take its room back from a Job that runs: it suspends it, its pod is
deleted, and when there is room again it gets another. A step that had started is lost
then, as with an eviction; one that had not goes on waiting.
"""

from collections.abc import Sequence
from datetime import datetime

from tesk_kubernetes.api import JsonObject
from tesk_kubernetes.labels import QUEUE
from tesk_kubernetes.pods import (
    condition,
    containers,
    is_terminating,
    is_true,
    node_of,
    parse_time,
    state_of,
)
from tesk_model.reasons import Reason, ReasonCode
from tesk_taskmaster.adapters.kubernetes.status.failure_table import shorten
from tesk_taskmaster.adapters.kubernetes.status.observations import Snapshot, Waiting
from tesk_taskmaster.adapters.kubernetes.status.wait_details import queue_details

_HELD_BACK = ("QuotaReserved", "Admitted")  # conditions of a Workload, in their order


def is_suspended(job: JsonObject | None) -> bool:
    """Tell whether the cluster holds a Job back."""
    return bool((job or {}).get("spec", {}).get("suspend"))


def queue_of(job: JsonObject) -> str:
    """Return the queue of the cluster that a Job is in; "" if it is in none."""
    return str((job["metadata"].get("labels") or {}).get(QUEUE, ""))


def resumed_at(job: JsonObject) -> datetime | None:
    """Return when a queue let a Job go; None if none held it back."""
    suspended = condition(job, "Suspended")
    is_over = suspended.get("status") == "False"
    return parse_time(suspended.get("lastTransitionTime")) if is_over else None


def wait_in_queue(snapshot: Snapshot, job: JsonObject) -> Waiting:
    """Judge a Job that the cluster holds back, without a limit: queues may be long."""
    queue = queue_of(job)
    where = f"in the queue {queue} of the cluster" if queue else "while it is suspended"
    text = f"{snapshot.subject.name}: waiting {where}"
    if snapshot.queue_message:
        text = f"{text}: {shorten(snapshot.queue_message)}"
    details = queue_details(queue, snapshot.queue_message)
    return Waiting(Reason(ReasonCode.CLUSTER_QUOTA_FULL, text, details))


def suspension(job: JsonObject) -> Reason:
    """Return why a pod ended whose Job was suspended."""
    queue = queue_of(job)
    if not queue:
        return Reason(ReasonCode.PREEMPTED, "its Job was suspended")
    text = f"the queue {queue} of the cluster took its room back"
    return Reason(ReasonCode.PREEMPTED, text)


def may_be_replaced(snapshot: Snapshot, pod: JsonObject) -> bool:
    """Tell whether a queue has taken a pod, of which nothing ran, to give another."""
    job = snapshot.job
    if job is None or snapshot.was_stopped:
        return False
    # Without a node nothing of it can run any more, but it may be there for a moment.
    is_leaving = is_terminating(pod) and not node_of(pod)
    if not (snapshot.pod_is_gone or is_leaving):
        return False
    is_queued = is_suspended(job) or bool(queue_of(job))
    return is_queued and not any(
        state_of(each).keys() - {"waiting"} for each in containers(pod)
    )


def workload_message(workloads: Sequence[JsonObject]) -> str:
    """Return what Kueue says about a Job that it holds back; "" if nothing.

    Args:
        workloads: Of the Job, as Kueue makes them.
    """
    found = (
        str(condition(workload, kind).get("message") or "")
        for workload in workloads
        for kind in _HELD_BACK
        if not is_true(workload, kind)
    )
    return next(filter(None, found), "")
