"""Renders the Job of a step."""

from collections.abc import Sequence

from tesk_kubernetes.api import JsonObject
from tesk_kubernetes.templates import main_container
from tesk_taskmaster.adapters.kubernetes.manifests.executor_job import executor_job
from tesk_taskmaster.adapters.kubernetes.manifests.filer_job import filer_job
from tesk_taskmaster.adapters.kubernetes.manifests.inspection_job import inspection_job
from tesk_taskmaster.adapters.kubernetes.manifests.objects import RenderContext
from tesk_taskmaster.adapters.kubernetes.manifests.templates import PodTemplates
from tesk_taskmaster.domain.plan import Plan
from tesk_taskmaster.domain.step_names import (
    direction_of,
    executor_of,
    is_inspection_step,
)


def step_job(
    plan: Plan,
    step: str,
    templates: PodTemplates,
    *,
    context: RenderContext,
    anchor_uid: str,
    directories: Sequence[str] = (),
) -> JsonObject:
    """Return the Job of a step.

    Args:
        plan: Of the attempt.
        step: Its name.
        templates: Of pods.
        context: Where and by whom.
        anchor_uid: Of the attempt's anchor, which owns the Job.
        directories: To inspect, if the step inspects an image.

    Raises:
        StepFailedError: It cannot run in this cluster.
    """
    if direction_of(step):
        return filer_job(
            plan, step, templates.filer, context=context, anchor_uid=anchor_uid
        )
    index = executor_of(step)
    if is_inspection_step(step):
        both = (templates.executor, templates.filer)
        return inspection_job(
            plan, index, directories, both, context=context, anchor_uid=anchor_uid
        )
    executor, template = plan.executors[index], templates.executor
    return executor_job(
        plan, executor, template, context=context, anchor_uid=anchor_uid
    )


def step_image(plan: Plan, step: str, templates: PodTemplates) -> str:
    """Return the image of a step, for messages."""
    if direction_of(step):
        return str(main_container(templates.filer).get("image", ""))
    return plan.executors[executor_of(step)].executor.image
