"""Renders what all objects of an attempt have in common: names, labels, owners.

Pure: the same plan and settings give the same object, so that a successor creates
exactly the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from tesk_kubernetes.api import JOBS, SECRETS, JsonObject
from tesk_kubernetes.labels import (
    QUEUE,
    STEP,
    TASKMASTER,
    attempt_labels,
    common_labels,
)
from tesk_kubernetes.settings import KubernetesSettings
from tesk_kubernetes.templates import MAIN, owner_reference
from tesk_model.names import Attempt
from tesk_taskmaster.adapters.kubernetes.manifests.limit_ranges import ContainerLimits
from tesk_taskmaster.domain.step_names import POD

VOLUME = "tesk-volume"
"""Name of the pod's volume that holds what the steps of an attempt share."""

# The Job controller deletes a Job that a taskmaster did not delete.
_RETENTION_SECONDS = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderContext:
    """Namespace, creator and settings of the objects of attempts.

    Attributes:
        limits: Of containers in the namespace.
    """

    namespace: str
    taskmaster: str
    settings: KubernetesSettings
    limits: tuple[ContainerLimits, ...] = ()


def job_name(attempt: Attempt, step: str) -> str:
    """Return the name of the Job of a step; see ``step_names``."""
    return f"{attempt.name}-{step}"


def object_labels(
    attempt: Attempt, context: RenderContext, *, component: str
) -> dict[str, str]:
    """Return the labels of an object of an attempt."""
    return {
        **common_labels(context.settings.instance, component),
        **attempt_labels(attempt),
        TASKMASTER: context.taskmaster,
    }


def queue_labels(queue: str) -> dict[str, str]:
    """Return the labels of a Job that waits in a queue of the cluster; "": of none."""
    return {QUEUE: queue} if queue else {}


def owned_by_anchor(attempt: Attempt, anchor_uid: str) -> JsonObject:
    """Return the owner reference to the anchor of an attempt."""
    return owner_reference(SECRETS, name=attempt.name, uid=anchor_uid)


def job(
    attempt: Attempt,
    step: str,
    *,
    labels: Mapping[str, str],
    pod: JsonObject,
    context: RenderContext,
    owner: str,
) -> JsonObject:
    """Return the Job of one step: one pod, never a second.

    Args:
        attempt: Whose.
        step: ``in``, ``x0``, …, ``out``; or ``pod``, for all of them.
        labels: Of the Job; those of the step are added.
        pod: The pod template, complete.
        context: Where.
        owner: Uid of the attempt's anchor, which owns the Job.

    Source:
        Kubernetes ``batch/v1`` Job; docs/adr/0014: TESK retries, not the Job.
    """
    # All containers of a pod with all steps.
    whose = {} if step == POD else {"containerName": MAIN}
    return {
        "apiVersion": JOBS.api_version,
        "kind": JOBS.kind,
        "metadata": {
            "name": job_name(attempt, step),
            "namespace": context.namespace,
            "labels": {**labels, STEP: step},
            "ownerReferences": [owned_by_anchor(attempt, owner)],
        },
        "spec": {
            "completions": 1,
            "parallelism": 1,
            "backoffLimit": 0,
            # Until the cluster's queue lets it run.
            **({"suspend": True} if QUEUE in labels else {}),
            "podReplacementPolicy": "Failed",
            "ttlSecondsAfterFinished": _RETENTION_SECONDS,
            "podFailurePolicy": {
                "rules": [
                    {
                        "action": "FailJob",
                        "onPodConditions": [
                            {"type": "DisruptionTarget", "status": "True"}
                        ],
                    },
                    {
                        "action": "FailJob",
                        "onExitCodes": {
                            **whose,
                            "operator": "NotIn",
                            "values": [0],
                        },
                    },
                ]
            },
            "template": pod,
        },
    }
