"""Renders the Job of an executor: the user's image, started by the launcher.

The image need not hold anything but the user's program. Command, environment and
paths are those of the task; the rest comes from the deployment's template.
"""

from collections.abc import Sequence
from dataclasses import replace

from tesk_kubernetes.api import JsonObject
from tesk_kubernetes.labels import STEP
from tesk_kubernetes.templates import literal, main_container
from tesk_model.reasons import ReasonCode
from tesk_taskmaster.adapters.kubernetes.manifests.limit_ranges import (
    fit_resources,
)
from tesk_taskmaster.adapters.kubernetes.manifests.log_marks import (
    LOG_LABELS,
    MARK_OPTIONS,
)
from tesk_taskmaster.adapters.kubernetes.manifests.objects import (
    RenderContext,
    job,
    object_labels,
    queue_labels,
)
from tesk_taskmaster.adapters.kubernetes.manifests.placement import Nodes, choose_nodes
from tesk_taskmaster.adapters.kubernetes.manifests.pod import (
    REPORT,
    PodParts,
    complete_pod,
    cpu_quantity,
    main_resources,
)
from tesk_taskmaster.adapters.kubernetes.manifests.references import (
    ReferenceParts,
)
from tesk_taskmaster.adapters.kubernetes.manifests.volume import (
    claimed_volume,
    directories_to_make,
    executor_mounts,
)
from tesk_taskmaster.adapters.launcher_options import (
    LAUNCHER_TARGET,
    VOLUME_TARGET,
    launcher_options,
)
from tesk_taskmaster.domain.plan import ExecutorStep, Plan
from tesk_taskmaster.ports import StepFailedError

_LAUNCHER = "tesk-launcher"
_LAUNCHER_KEY = "launcher"
_EXECUTABLE = 0o555
# Container runtimes fail to start one with less, with an obscure message.
_MIN_MEMORY = 8 * 1024**2


def executor_job(
    plan: Plan,
    step: ExecutorStep,
    template: JsonObject,
    *,
    context: RenderContext,
    anchor_uid: str,
) -> JsonObject:
    """Return the Job of an executor.

    Args:
        plan: Of the attempt.
        step: One of ``plan.executors``.
        template: Of executor pods, as the deployment gives it.
        context: Where and by whom.
        anchor_uid: Of the attempt's anchor, which owns the Job.

    Raises:
        StepFailedError: Kubernetes cannot mount a path or set a variable, or
            the nodes or resources that the task asks for are not offered here.
    """
    name = step.name
    nodes = choose_nodes(plan.placement, context.settings)
    resources = _fitted(
        executor_resources(plan, nodes, template, context=context),
        step,
        template,
        context,
    )
    parts = executor_parts(plan, step, template, context=context, resources=resources)
    labels = object_labels(plan.attempt, context, component="executor")
    pod = complete_pod(
        template, replace(parts, labels={**labels, **LOG_LABELS, STEP: name})
    )
    return job(
        plan.attempt,
        name,
        labels={**labels, **queue_labels(nodes.queue)},
        pod=pod,
        context=context,
        owner=anchor_uid,
    )


def executor_parts(
    plan: Plan,
    step: ExecutorStep,
    template: JsonObject,
    *,
    context: RenderContext,
    resources: JsonObject,
    options: Sequence[str] = (),
) -> PodParts:
    """Return what an executor adds to its template, but for labels.

    Args:
        plan: Of the attempt.
        step: One of ``plan.executors``.
        template: Of executor pods.
        context: Where and by whom.
        resources: Of the container.
        options: More of the launcher's.

    Raises:
        StepFailedError: See ``executor_job``.
    """
    nodes = choose_nodes(plan.placement, context.settings)
    workdir = step.unmounted_workdir
    main = main_container(template)
    mounts = executor_mounts(step, main.get("volumeMounts") or ())
    references = ReferenceParts.of(
        step, context.settings.references, template["spec"].get("volumes") or ()
    )
    words = [*options, *_arguments(plan, step)]
    return PodParts(
        labels={},
        main={
            "image": step.executor.image,
            "command": [LAUNCHER_TARGET],
            "args": [literal(word) for word in words],
            "resources": resources,
            **({"workingDir": workdir} if workdir else {}),
        },
        env=step.executor.env,
        mounts=[*mounts, *references.mounts, launcher_mount()],
        volumes=[
            *_volumes(plan, context, has_mounts=bool(mounts)),
            *references.volumes,
        ],
        nodes=nodes,
        init_containers=references.checks(main, resources, launcher_mount()),
        runtime_class=nodes.runtime_class,
        claims=nodes.named_claims,
    )


def check_executors(
    plan: Plan, template: JsonObject, *, context: RenderContext
) -> None:
    """Raise what ``executor_job`` would raise for any executor of the plan.

    Called before the attempt begins, so that such a task fails before hours of
    transfer.

    Raises:
        StepFailedError: See ``executor_job``.
    """
    for step in plan.executors:
        executor_job(plan, step, template, context=context, anchor_uid="")


def _arguments(plan: Plan, step: ExecutorStep) -> Sequence[str]:
    """Return the launcher's command line."""
    arguments = [
        part for path in directories_to_make(plan, step) for part in ("--mkdir", path)
    ]
    arguments += launcher_options(step, volume=VOLUME_TARGET, outputs=plan.outputs)
    arguments += MARK_OPTIONS
    return [*arguments, *REPORT, "--", *step.executor.command]


def executor_resources(
    plan: Plan, nodes: Nodes, template: JsonObject, *, context: RenderContext
) -> JsonObject:
    """Return what each executor asks for, whatever the limits of the namespace."""
    ratio = context.settings.cpu_limit_ratio
    memory = str(max(plan.ram, _MIN_MEMORY))
    # A limit below the request would be refused.
    cpu = {"cpu": cpu_quantity(plan.cpu_cores * max(1, ratio))} if ratio else {}
    return main_resources(
        template,
        requests={"cpu": cpu_quantity(plan.cpu_cores), "memory": memory},
        limits={"memory": memory, **cpu, **nodes.devices},
        claims=tuple(nodes.named_claims),
    )


def _fitted(
    resources: JsonObject,
    step: ExecutorStep,
    template: JsonObject,
    context: RenderContext,
) -> JsonObject:
    """Return the resources within the limits of the namespace."""
    spec = template["spec"]
    is_alone = len(spec["containers"]) == 1 and not spec.get("initContainers")
    limits = [each for each in context.limits if is_alone or not each.of_pod]
    fitted = fit_resources(resources, limits)
    if isinstance(fitted, str):
        raise StepFailedError(
            f"executors[{step.index}]: {fitted}", code=ReasonCode.POD_REFUSED
        )
    return fitted


def _volumes(
    plan: Plan, context: RenderContext, *, has_mounts: bool
) -> list[JsonObject]:
    launcher = launcher_volume(context)
    if not has_mounts:
        return [launcher]
    return [claimed_volume(plan.attempt), launcher]


def launcher_volume(context: RenderContext) -> JsonObject:
    """Return the volume of a pod that holds the launcher."""
    return {
        "name": _LAUNCHER,
        "configMap": {"name": context.settings.launcher, "defaultMode": _EXECUTABLE},
    }


def launcher_mount() -> JsonObject:
    """Return the mount of the launcher in a container."""
    return {
        "name": _LAUNCHER,
        "mountPath": LAUNCHER_TARGET,
        "subPath": _LAUNCHER_KEY,
        "readOnly": True,
    }
