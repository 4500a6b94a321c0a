"""Renders the task volume, its claim, and its mounts in executors.

The plan decides what is mounted; what Kubernetes cannot mount is refused.
"""

from collections.abc import Iterable, Sequence

from tesk_kubernetes.api import VOLUME_CLAIMS, JsonObject
from tesk_model.names import Attempt
from tesk_model.paths import OWN_FOLDER, is_within, parent
from tesk_taskmaster.adapters.kubernetes.manifests.objects import (
    VOLUME,
    RenderContext,
    object_labels,
    owned_by_anchor,
)
from tesk_taskmaster.adapters.launcher_options import VOLUME_TARGET
from tesk_taskmaster.domain.layouts import PodVolume
from tesk_taskmaster.domain.plan import ExecutorStep, Plan
from tesk_taskmaster.domain.required_paths import nearest_ancestor
from tesk_taskmaster.ports import StepFailedError


def volume_claim(plan: Plan, context: RenderContext, *, anchor_uid: str) -> JsonObject:
    """Return the claim of an attempt's volume; see ``plan.has_volume``."""
    attempt = plan.attempt
    return {
        "apiVersion": VOLUME_CLAIMS.api_version,
        "kind": VOLUME_CLAIMS.kind,
        "metadata": {
            "name": attempt.name,
            "namespace": context.namespace,
            "labels": object_labels(attempt, context, component="task"),
            "ownerReferences": [owned_by_anchor(attempt, anchor_uid)],
        },
        "spec": _claim_spec(plan, context),
    }


def claimed_volume(attempt: Attempt) -> JsonObject:
    """Return the volume of a pod that is the attempt's claim."""
    return {"name": VOLUME, "persistentVolumeClaim": {"claimName": attempt.name}}


def pod_volume(plan: Plan, context: RenderContext, kind: PodVolume) -> JsonObject:
    """Return the volume of a pod with all steps, as large as the task asks for."""
    if kind is PodVolume.CLAIM:
        return claimed_volume(plan.attempt)
    if kind is PodVolume.EPHEMERAL:
        labels = object_labels(plan.attempt, context, component="task")
        claim = {"metadata": {"labels": labels}, "spec": _claim_spec(plan, context)}
        return {"name": VOLUME, "ephemeral": {"volumeClaimTemplate": claim}}
    medium = {"medium": "Memory"} if kind is PodVolume.MEMORY else {}
    return {"name": VOLUME, "emptyDir": {**medium, "sizeLimit": _size(plan)}}


def _claim_spec(plan: Plan, context: RenderContext) -> JsonObject:
    settings = context.settings
    spec: JsonObject = {
        "accessModes": [settings.access_mode],
        "resources": {"requests": {"storage": _size(plan)}},
    }
    if settings.storage_class:
        spec["storageClassName"] = settings.storage_class
    return spec


def _size(plan: Plan) -> str:
    # The API server refuses a claim for nothing, and takes a limit of nothing for none.
    return str(max(plan.disk, 1))


def executor_mounts(
    step: ExecutorStep, given: Iterable[JsonObject]
) -> list[JsonObject]:
    """Return the mounts of the volume in an executor's container.

    Args:
        step: The executor.
        given: Mounts of the pod template. The mount of a task replaces a writable
            one at the same path.

    Raises:
        StepFailedError: Kubernetes cannot mount a path, or it is in use.
    """
    read_only = [str(mount["mountPath"]) for mount in given if mount.get("readOnly")]
    for mount in step.mounts:
        if problem := _path_problem(mount.path, read_only):
            raise StepFailedError(f"{mount.path} cannot be mounted: {problem}")
    for reference in step.references:
        if problem := _path_problem(reference.path, read_only):
            raise StepFailedError(f"{reference.path} cannot be mounted: {problem}")
    mounts: list[JsonObject] = [
        {"name": VOLUME, "mountPath": mount.path, "subPath": mount.path.lstrip("/")}
        for mount in step.mounts
    ]
    if step.reaches_volume:
        mounts.append({"name": VOLUME, "mountPath": VOLUME_TARGET})
    return mounts


def directories_to_make(plan: Plan, step: ExecutorStep) -> Sequence[str]:
    """Return the directories that the launcher must make, with their parents.

    The kubelet makes only those that are mounted.
    """
    mounted = {mount.path for mount in step.mounts if not mount.is_file}
    wanted = [
        path for path in plan.directories if nearest_ancestor(parent(path), mounted)
    ]
    parents = {parent(path) for path in wanted}
    return [path for path in wanted if path not in parents]


def _path_problem(path: str, read_only: Sequence[str]) -> str:
    if ":" in path:
        return "Kubernetes takes no path with a colon; name another directory"
    if is_within(path, OWN_FOLDER):
        return f"{OWN_FOLDER} belongs to TESK"
    for mount_path in read_only:
        if is_within(path, mount_path.rstrip("/")):
            return f"{mount_path} is a read-only volume of this TESK"
    return ""
