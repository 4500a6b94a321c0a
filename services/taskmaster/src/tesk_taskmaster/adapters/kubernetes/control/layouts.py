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
from tesk_taskmaster.adapters.kubernetes.manifests.turns import order_of
from tesk_taskmaster.domain.layouts import Layout, LayoutChoice, LayoutOffer, Order
from tesk_taskmaster.domain.step_names import POD, uses_volume


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
        cls,
        templates: PodTemplates,
        offer: LayoutOffer,
        uploads: UploadRetries,
        *,
        resolver: str = "",
    ) -> "Layouts":
        """Return what these templates allow of an offer; see ``PodOptions``."""
        return cls(
            templates=templates,
            offer=replace(offer, problem=_problem(templates)),
            pods=PodOptions(volume=offer.volume, uploads=uploads, resolver=resolver),
        )


def _problem(templates: PodTemplates) -> str:
    """Return why executors and filers cannot share a pod; "" if they can."""
    try:
        merge_templates(templates.executor, templates.filer)
    except TemplateError as error:
        return str(error)
    return ""


def adopted_layout(jobs: Sequence[JsonObject]) -> LayoutChoice | None:
    """Return the layout of the Jobs of steps; None if there are none."""
    for job in jobs:
        step = step_of(job)
        if step == POD:
            return _adopted(Layout.POD, order=order_of(job))
        if uses_volume(step):
            return _adopted(Layout.JOBS)
    return None


def _adopted(layout: Layout, order: Order | None = None) -> LayoutChoice:
    why = "as it was begun"
    return LayoutChoice(layout=layout, order=order, why=why, is_adopted=True)
