"""Labels by which TESK finds its objects.

The prefix ``tesk/`` is TESK's own; ``app.kubernetes.io/…`` are the recommended labels
that every tool shows.

Source:
    Kubernetes, "Recommended Labels".
"""

from collections.abc import Mapping
from typing import Any

from tesk_model.names import Attempt
from tesk_model.task import TaskId

INSTANCE = "app.kubernetes.io/instance"
COMPONENT = "app.kubernetes.io/component"
TASKMASTER = "tesk/taskmaster"
TASK = "tesk/task"
ATTEMPT = "tesk/attempt"
STEP = "tesk/step"
REVISION = "tesk/revision"
LOG = "tesk/log"
"""Of a pod of executors: how their logs are written."""
QUEUE = "kueue.x-k8s.io/queue-name"
"""Of a Job that Kueue holds until its queue has room."""
WORKLOAD_JOB = "kueue.x-k8s.io/job-uid"
"""Of a Workload, which Kueue makes for a Job: the UID of that."""


def common_labels(instance: str, component: str) -> dict[str, str]:
    """Return the labels of all objects that TESK creates at run time."""
    return {
        "app.kubernetes.io/name": "tesk",
        INSTANCE: instance,
        COMPONENT: component,
        "app.kubernetes.io/managed-by": "tesk",
    }


def attempt_labels(attempt: Attempt) -> dict[str, str]:
    """Return the labels of objects of an attempt."""
    return {TASK: attempt.task_id, ATTEMPT: str(attempt.number)}


def attempt_of(labelled: Mapping[str, Any]) -> Attempt | None:
    """Return the attempt that an object belongs to, or None."""
    labels = labelled["metadata"].get("labels") or {}
    task, number = labels.get(TASK), labels.get(ATTEMPT, "")
    return Attempt(TaskId(task), int(number)) if task and number.isdigit() else None


def selector(labels: Mapping[str, str]) -> str:
    """Return a label selector that requires all of ``labels``."""
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
