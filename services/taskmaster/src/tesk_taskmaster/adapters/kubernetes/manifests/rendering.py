"""Which Job a step is, and what messages call it."""

from dataclasses import dataclass
from pathlib import Path

from tesk_kubernetes.api import JsonObject
from tesk_kubernetes.templates import load_pod_template, main_container
from tesk_taskmaster.adapters.kubernetes.control.holds import AttemptHold
from tesk_taskmaster.adapters.kubernetes.control.observations import Subject
from tesk_taskmaster.adapters.kubernetes.manifests.executor_job import executor_job
from tesk_taskmaster.adapters.kubernetes.manifests.filer_job import filer_job
from tesk_taskmaster.adapters.kubernetes.manifests.look_job import look_job
from tesk_taskmaster.domain.plan import Plan
from tesk_taskmaster.domain.step_names import (
    direction_of,
    executor_of,
    is_image_step,
    title_of,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PodTemplates:
    """The deployment's templates of executor and filer pods."""

    executor: JsonObject
    filer: JsonObject


def load_templates(folder: Path) -> PodTemplates:
    """Read the templates.

    Raises:
        TemplateError: One is missing or of no use.
    """
    return PodTemplates(
        executor=load_pod_template(folder / "executor-pod.yaml"),
        filer=load_pod_template(folder / "filer-pod.yaml"),
    )


def step_job(hold: AttemptHold, step: str, templates: PodTemplates) -> JsonObject:
    """Return the Job of a step.

    Raises:
        StepFailedError: It cannot be laid out in this cluster.
    """
    plan, site, anchor_uid = hold.plan, hold.site, hold.footing.anchor_uid
    if is_image_step(step):
        index = executor_of(step)
        return look_job(
            plan,
            index,
            hold.questions[index],
            (templates.executor, templates.filer),
            site=site,
            anchor_uid=anchor_uid,
        )
    if direction_of(step):
        return filer_job(plan, step, templates.filer, site=site, anchor_uid=anchor_uid)
    return executor_job(
        plan,
        plan.executors[executor_of(step)],
        templates.executor,
        site=site,
        anchor_uid=anchor_uid,
    )


def step_subject(plan: Plan, step: str, templates: PodTemplates) -> Subject:
    """Return how messages name a step."""
    name = title_of(step)
    if direction_of(step):
        image = str(main_container(templates.filer).get("image", ""))
        return Subject(name=name, image=image)
    image = plan.executors[executor_of(step)].executor.image
    return Subject(name=name, image=image, ram=plan.ram)
