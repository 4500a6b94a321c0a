"""Renders the one Job of an attempt whose steps share a pod: a container for each.

Each step has what its own pod would have. Only filers mount the transfer token and what
else their template has; only the launcher of each knows of the others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from tesk_kubernetes.api import JsonObject
from tesk_kubernetes.labels import STEP
from tesk_kubernetes.templates import TemplateError, literal, main_container
from tesk_model.reasons import ReasonCode
from tesk_model.upload_retries import UploadRetries
from tesk_taskmaster.adapters.kubernetes.manifests.executor_job import (
    executor_parts,
    executor_resources,
    launcher_mount,
    launcher_volume,
)
from tesk_taskmaster.adapters.kubernetes.manifests.filer_job import filer_parts
from tesk_taskmaster.adapters.kubernetes.manifests.log_marks import LOG_LABELS
from tesk_taskmaster.adapters.kubernetes.manifests.merged_template import (
    MergedTemplate,
    merge_templates,
)
from tesk_taskmaster.adapters.kubernetes.manifests.objects import (
    RenderContext,
    job,
    object_labels,
    queue_labels,
)
from tesk_taskmaster.adapters.kubernetes.manifests.own_names import (
    name_annotations,
    name_mounts,
    name_volumes,
    own_names,
)
from tesk_taskmaster.adapters.kubernetes.manifests.placement import choose_nodes
from tesk_taskmaster.adapters.kubernetes.manifests.pod import (
    REPORT,
    PodParts,
    complete_main,
    complete_whole,
)
from tesk_taskmaster.adapters.kubernetes.manifests.pod_resources import (
    PodResources,
    divide_resources,
)
from tesk_taskmaster.adapters.kubernetes.manifests.scratch import own_scratch
from tesk_taskmaster.adapters.kubernetes.manifests.shared_memory import shared_memory
from tesk_taskmaster.adapters.kubernetes.manifests.templates import PodTemplates
from tesk_taskmaster.adapters.kubernetes.manifests.turns import (
    container_names,
    turn_options,
    turns_mount,
    turns_volume,
)
from tesk_taskmaster.adapters.kubernetes.manifests.volume import pod_volume
from tesk_taskmaster.adapters.launcher_options import LAUNCHER_TARGET
from tesk_taskmaster.domain.layouts import Order, PodVolume
from tesk_taskmaster.domain.plan import Plan
from tesk_taskmaster.domain.step_names import (
    FILER,
    OUTPUTS,
    POD,
    direction_of,
    executor_of,
)
from tesk_taskmaster.ports import StepFailedError

COMPONENT = "pod"
"""Of the Job and its pod, by which network policies find it."""

# What the filer's image starts with; a template may name another program.
_FILER = ("tesk-filer",)


@dataclass(frozen=True, slots=True, kw_only=True)
class PodOptions:
    """What the settings say about pods of all steps.

    Attributes:
        volume: What the steps share.
        uploads: How often filers try to upload outputs.
        resolver: The ``resolv.conf`` that filers have for themselves; "": that of
            their pod.
    """

    volume: PodVolume
    uploads: UploadRetries
    resolver: str = ""


def pod_job(
    plan: Plan,
    templates: PodTemplates,
    *,
    order: Order,
    options: PodOptions,
    context: RenderContext,
    anchor_uid: str,
) -> JsonObject:
    """Return the Job of an attempt whose steps share a pod.

    Its containers are named by step. With ``Order.TOGETHER`` all are regular ones, and
    both filers are one; with ``Order.SEQUENCE`` all but the last are init containers.

    Args:
        plan: Of the attempt, with final mounts.
        templates: Of pods.
        order: How steps begin; see ``domain.layouts``.
        options: Of such pods.
        context: Where and by whom.
        anchor_uid: Of the attempt's anchor, which owns the Job.

    Raises:
        StepFailedError: The templates cannot share a pod; else as ``executor_job``.
    """
    renderer = _PodRenderer(
        plan=plan,
        merged=_merged(templates),
        order=order,
        options=options,
        context=context,
    )
    labels = object_labels(plan.attempt, context, component=COMPONENT)
    nodes = choose_nodes(plan.placement, context.settings)
    return job(
        plan.attempt,
        POD,
        labels={**labels, **queue_labels(nodes.queue)},
        pod=renderer.pod({**labels, **LOG_LABELS, STEP: POD}),
        context=context,
        owner=anchor_uid,
    )


def _merged(templates: PodTemplates) -> MergedTemplate:
    try:
        return merge_templates(templates.executor, templates.filer)
    except TemplateError as error:
        raise StepFailedError(
            f"the templates of executors and filers cannot share a pod: {error}",
            code=ReasonCode.POD_REFUSED,
        ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class _PodRenderer:
    plan: Plan
    merged: MergedTemplate
    order: Order
    options: PodOptions
    context: RenderContext

    @property
    def _containers(self) -> Sequence[str]:
        return container_names(self.plan, self.order)

    @property
    def _names(self) -> Mapping[str, str]:
        if not any(map(direction_of, self._containers)):
            return {}
        namespace, spec = self.context.namespace, self.merged.pod["spec"]
        return own_names(self.options.resolver, namespace, spec)

    def pod(self, labels: Mapping[str, str]) -> JsonObject:
        """Return the pod's template."""
        plan, resources = self.plan, self._resources()
        steps = {
            step: self._parts(step, resources.steps[step]) for step in self._containers
        }
        made = [self._container(step, parts) for step, parts in steps.items()]
        volumes = [volume for each in steps.values() for volume in each.volumes]
        volumes += [volume for _, scratch in made for volume in scratch]
        volumes += [launcher_volume(self.context), turns_volume()]
        volumes += name_volumes(self._names)
        if plan.has_volume:
            volumes.append(pod_volume(plan, self.context, self.options.volume))
        whole = replace(
            steps[plan.executors[0].name],
            labels=labels,
            volumes=list({volume["name"]: volume for volume in volumes}.values()),
        )
        pod = complete_whole(self.merged.pod, whole)
        self._add_steps(pod["spec"], [container for container, _ in made])
        if self._names:
            given = pod["metadata"].get("annotations") or {}
            pod["metadata"]["annotations"] = {**given, **name_annotations(self._names)}
        if resources.whole:
            pod["spec"]["resources"] = resources.whole
        return pod

    def _resources(self) -> PodResources:
        plan, merged = self.plan, self.merged
        nodes = choose_nodes(plan.placement, self.context.settings)
        executor = executor_resources(
            plan, nodes, _template(merged.executor), context=self.context
        )
        return divide_resources(
            plan,
            {
                step: merged.filer.get("resources") or {}
                if direction_of(step)
                else executor
                for step in self._containers
            },
            merged.pod["spec"],
            order=self.order,
            volume=self.options.volume,
            context=self.context,
        )

    def _parts(self, step: str, resources: JsonObject) -> PodParts:
        turn = turn_options(self.plan, step, order=self.order)
        if direction_of(step):
            return self._filer(step, turn, resources)
        return self._executor(step, turn, resources)

    def _executor(
        self, step: str, turn: Sequence[str], resources: JsonObject
    ) -> PodParts:
        executor = self.plan.executors[executor_of(step)]
        given = self.merged.executor
        mounts, volumes, options = shared_memory(
            step,
            [
                *(given.get("volumeMounts") or ()),
                *({"mountPath": each.path} for each in executor.mounts),
                *({"mountPath": each.path} for each in executor.references),
            ],
        )
        parts = executor_parts(
            self.plan,
            executor,
            {"spec": {**self.merged.pod["spec"], "containers": [given]}},
            context=self.context,
            resources=resources,
            options=[*turn, *options],
        )
        return replace(
            parts,
            mounts=[*parts.mounts, turns_mount(), *mounts],
            volumes=[*parts.volumes, *volumes],
        )

    def _filer(self, step: str, turn: Sequence[str], resources: JsonObject) -> PodParts:
        """Return the parts of a filer, which begins with the launcher here."""
        parts = filer_parts(self.plan, step, context=self.context)
        given = self.merged.filer
        # A template's own have been read by Kubernetes before: they are escaped.
        program = [*(given.get("command") or _FILER), *(given.get("args") or ())]
        words = [literal(word) for word in [*turn, *REPORT, "--"]]
        uploads = self._uploads() if step in (OUTPUTS, FILER) else {}
        return replace(
            parts,
            main={
                "command": [LAUNCHER_TARGET],
                "args": [*words, *program],
                "resources": resources,
            },
            env={**parts.env, **uploads},
            mounts=[
                *parts.mounts,
                *name_mounts(self._names, given.get("volumeMounts") or ()),
                launcher_mount(),
                turns_mount(),
            ],
        )

    def _uploads(self) -> Mapping[str, str]:
        uploads = self.options.uploads
        return {
            "TESK_FILER_UPLOAD_TRIES": str(uploads.tries),
            "TESK_FILER_UPLOAD_BACKOFF": _seconds(uploads.backoff),
            "TESK_FILER_UPLOAD_TIMEOUT": _seconds(uploads.timeout),
        }

    def _container(
        self, step: str, parts: PodParts
    ) -> tuple[JsonObject, list[JsonObject]]:
        """Return the container of a step, and the volumes that it alone has."""
        merged = self.merged
        given = merged.filer if direction_of(step) else merged.executor
        scratch: list[JsonObject] = []
        if self._has_forerunner(step):
            given, scratch = own_scratch(step, given, merged.pod["spec"])
        container = main_container(complete_main(_template(given), parts))
        return {**container, "name": step}, scratch

    def _has_forerunner(self, step: str) -> bool:
        """Tell whether an earlier step has the same template."""
        alike = [
            each
            for each in self._containers
            if bool(direction_of(each)) == bool(direction_of(step))
        ]
        return step != alike[0]

    def _add_steps(self, spec: JsonObject, steps: Sequence[JsonObject]) -> None:
        at = 0 if self.order is Order.TOGETHER else len(steps) - 1
        before = [*(spec.get("initContainers") or ()), *steps[:at]]
        if before:
            spec["initContainers"] = before
        spec["containers"] = [*steps[at:], *spec["containers"]]


def _template(container: JsonObject) -> JsonObject:
    return {"spec": {"containers": [container]}}


def _seconds(duration: timedelta) -> str:
    return f"{duration.total_seconds():g}"
