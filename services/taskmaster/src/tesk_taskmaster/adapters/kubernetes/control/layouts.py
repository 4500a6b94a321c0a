"""How the steps of attempts can lie in this cluster, and how those of one do."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tesk_kubernetes.api import JsonObject
from tesk_kubernetes.templates import TemplateError
from tesk_model.upload_retries import UploadRetries
from tesk_taskmaster.adapters.kubernetes.control.anchors import step_of
from tesk_taskmaster.adapters.kubernetes.manifests.merged_template import (
    merge_templates,
)
from tesk_taskmaster.adapters.kubernetes.manifests.pod_job import PodOptions
from tesk_taskmaster.adapters.kubernetes.manifests.templates import PodTemplates
from tesk_taskmaster.adapters.kubernetes.manifests.turns import step_names
from tesk_taskmaster.domain.layouts import Layout, LayoutChoice, LayoutOffer, Order
from tesk_taskmaster.domain.plan import Plan
from tesk_taskmaster.domain.step_names import POD, uses_volume

_ADOPTED = "as it was begun"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layouts:
    """The templates of pods, and how the steps of attempts can lie in them.

    Attributes:
        offer: By which a layout is chosen.
        pods: Options of pods that all steps share.
    """

    templates: PodTemplates
    offer: LayoutOffer
    pods: PodOptions

    @classmethod
    def of(
        cls, templates: PodTemplates, offer: LayoutOffer, uploads: UploadRetries
    ) -> "Layouts":
        """Return what these templates allow of an offer."""
        return cls(
            templates=templates,
            offer=replace(offer, problem=_problem(templates)),
            pods=PodOptions(volume=offer.volume, uploads=uploads),
        )


def _problem(templates: PodTemplates) -> str:
    """Return why executors and filers cannot share a pod; "" if they can."""
    try:
        merge_templates(templates.executor, templates.filer)
    except TemplateError as error:
        return str(error)
    return ""


def adopted_layout(plan: Plan, jobs: Sequence[JsonObject]) -> LayoutChoice | None:
    """Return the layout of the Jobs of steps; None if there are none."""
    for job in jobs:
        step = step_of(job)
        if step == POD:
            order = _order(plan, job)
            return LayoutChoice(layout=Layout.POD, order=order, why=_ADOPTED)
        if uses_volume(step):
            return LayoutChoice(layout=Layout.JOBS, why=_ADOPTED)
    return None


def _order(plan: Plan, job: JsonObject) -> Order:
    spec = job["spec"]["template"]["spec"]
    init = {container["name"] for container in spec.get("initContainers") or ()}
    return Order.TOGETHER if init.isdisjoint(step_names(plan)) else Order.SEQUENCE
