"""Renders the Job of a filer: for inputs, outputs or the check of an attempt."""

from dataclasses import replace

from tesk_kubernetes.api import JsonObject
from tesk_kubernetes.labels import STEP
from tesk_taskmaster.adapters.kubernetes.manifests.anchor import TOKEN_KEY
from tesk_taskmaster.adapters.kubernetes.manifests.objects import (
    VOLUME,
    RenderContext,
    job,
    object_labels,
)
from tesk_taskmaster.adapters.kubernetes.manifests.placement import choose_nodes
from tesk_taskmaster.adapters.kubernetes.manifests.pod import PodParts, complete_pod
from tesk_taskmaster.adapters.kubernetes.manifests.volume import claimed_volume
from tesk_taskmaster.domain.plan import Plan
from tesk_taskmaster.domain.step_names import INPUTS, direction_of, uses_volume

_VOLUME_TARGET = "/volume"
_TOKEN_TARGET = "/etc/tesk-transfer"  # noqa: S105 - a folder
_TOKEN = "tesk-transfer"  # noqa: S105 - the name of a volume
# The uid of the pod may be chosen by the cluster (OpenShift).
_READABLE = 0o444


def filer_job(
    plan: Plan,
    step: str,
    template: JsonObject,
    *,
    context: RenderContext,
    anchor_uid: str,
) -> JsonObject:
    """Return the Job of a filer.

    Args:
        plan: Of the attempt.
        step: ``in``, ``out``, ``out-1``, …, or ``check``, which has no volume.
        template: Of filer pods, as the deployment gives it: image, resources,
            settings and credentials.
        context: Where and by whom.
        anchor_uid: Of the attempt's anchor, which owns the Job.

    Raises:
        StepFailedError: The nodes that the task asks for are not offered here.
    """
    attempt = plan.attempt
    labels = object_labels(attempt, context, component="filer")
    parts = filer_parts(plan, step, context=context)
    # A machine that is restarted starts pods that it has not begun yet, on what its
    # volumes had on their disk. One that has begun is over (``restartPolicy``).
    sync = {"TESK_FILER_SYNC_INPUTS": "true"} if step == INPUTS else {}
    parts = replace(parts, labels={**labels, STEP: step}, env={**parts.env, **sync})
    pod = complete_pod(template, parts)
    return job(attempt, step, labels=labels, pod=pod, context=context, owner=anchor_uid)


def filer_parts(plan: Plan, step: str, *, context: RenderContext) -> PodParts:
    """Return what a filer adds to its template, but for labels.

    Raises:
        StepFailedError: See ``filer_job``.
    """
    attempt = plan.attempt
    has_volume = uses_volume(step)
    volume = {"TESK_FILER_VOLUME": _VOLUME_TARGET} if has_volume else {}
    return PodParts(
        labels={},
        main={},
        env={
            "TESK_FILER_TASK": attempt.task_id,
            "TESK_FILER_ATTEMPT": str(attempt.number),
            "TESK_FILER_DIRECTION": direction_of(step) or "",
            **volume,
            "TESK_FILER_TOKEN_FILE": f"{_TOKEN_TARGET}/{TOKEN_KEY}",
        },
        mounts=[
            *([{"name": VOLUME, "mountPath": _VOLUME_TARGET}] if has_volume else []),
            {"name": _TOKEN, "mountPath": _TOKEN_TARGET, "readOnly": True},
        ],
        volumes=[
            *([claimed_volume(attempt)] if has_volume else []),
            {
                "name": _TOKEN,
                "secret": {"secretName": attempt.name, "defaultMode": _READABLE},
            },
        ],
        nodes=choose_nodes(plan.placement, context.settings),
    )
