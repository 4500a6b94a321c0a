"""Attempts of every shape whose steps share a pod, for review."""

import copy
from dataclasses import dataclass, field, replace
from datetime import timedelta

from msgspec import structs

from builders.tasks import file_in, file_out, make_assigned_task, make_executor
from taskmasters.manifest_shapes import SHAPES, USUAL
from taskmasters.manifests import (
    ANCHOR_UID,
    ATTEMPT,
    CUSTOM_POD,
    EXECUTOR_POD,
    FILER_POD,
    OFFERS,
    SETTINGS,
    Manifest,
    context,
)
from tesk_kubernetes.settings import KubernetesSettings
from tesk_model.task import Task
from tesk_model.upload_retries import UploadRetries
from tesk_taskmaster.adapters.kubernetes.manifests.limit_ranges import container_limits
from tesk_taskmaster.adapters.kubernetes.manifests.pod_job import PodOptions, pod_job
from tesk_taskmaster.adapters.kubernetes.manifests.templates import PodTemplates
from tesk_taskmaster.domain.layouts import (
    LayoutOffer,
    Order,
    PodVolume,
    choose_layout,
)
from tesk_taskmaster.domain.planning import plan_task

UPLOADS = UploadRetries(
    tries=10, backoff=timedelta(seconds=10), timeout=timedelta(hours=1)
)
POD = "pod"


@dataclass(frozen=True, slots=True, kw_only=True)
class PodShape:
    """An attempt whose steps share a pod, and where it runs."""

    task: Task
    settings: KubernetesSettings = SETTINGS
    executor: Manifest = field(default_factory=lambda: EXECUTOR_POD)
    filer: Manifest = field(default_factory=lambda: FILER_POD)
    volume: PodVolume = PodVolume.DISK
    order: str = "auto"
    pod_resources: bool = True
    limit_range: Manifest | None = None
    resolver: str = ""

    @property
    def chosen_order(self) -> Order:
        """The order that the settings and the task give."""
        offer = LayoutOffer(
            layout=POD, order=self.order, pod_resources=self.pod_resources
        )
        order = choose_layout(plan_task(self.task, ATTEMPT), offer).order
        assert order is not None
        return order

    def job(self) -> Manifest:
        """Return the Job."""
        where = context(
            structs.replace(self.settings, pod_resources=self.pod_resources)
        )
        if self.limit_range:
            where = replace(where, limits=tuple(container_limits(self.limit_range)))
        return pod_job(
            plan_task(self.task, ATTEMPT),
            PodTemplates(executor=self.executor, filer=self.filer),
            order=self.chosen_order,
            options=PodOptions(
                volume=self.volume, uploads=UPLOADS, resolver=self.resolver
            ),
            context=where,
            anchor_uid=ANCHOR_UID,
        )


def merged_with(template: Manifest, **spec: object) -> Manifest:
    """Return a template with more fields of its spec."""
    return {**template, "spec": {**copy.deepcopy(template["spec"]), **spec}}


# What filers share a pod with: as the chart renders it, both have the group.
SHARED_CUSTOM_POD = merged_with(CUSTOM_POD, securityContext={"fsGroup": 65532})
LIMITED_FILER_POD = copy.deepcopy(FILER_POD)
LIMITED_FILER_POD["spec"]["containers"][0]["resources"] = {
    "requests": {"cpu": "50m", "memory": "128Mi"},
    "limits": {"memory": "512Mi", "ephemeral-storage": "1Gi"},
}
SIDECAR = {
    "name": "proxy",
    "image": "proxy:1",
    "restartPolicy": "Always",
    "resources": {
        "requests": {"cpu": "10m", "memory": "32Mi"},
        "limits": {"memory": "64Mi"},
    },
}
RESOLVER = (
    "search tesk.svc.cluster.local svc.cluster.local cluster.local\n"
    "nameserver 10.96.0.10\noptions ndots:5\n"
)
LIMIT_RANGE: Manifest = {
    "metadata": {"name": "small"},
    "spec": {
        "limits": [
            {
                "type": "Container",
                "min": {"memory": "64Mi"},
                "default": {"memory": "512Mi", "ephemeral-storage": "1Gi"},
                "maxLimitRequestRatio": {"cpu": "10"},
            },
            {"type": "Pod", "max": {"cpu": "8", "memory": "16Gi"}},
        ]
    },
}
_SEVERAL = make_assigned_task(
    inputs=(file_in("/work/a"),),
    outputs=(file_out("/work/b"),),
    executors=(make_executor(ignore_error=True), make_executor(), make_executor()),
)


def _of_jobs(name: str) -> PodShape:
    task, settings, template = SHAPES[name]
    executor = SHARED_CUSTOM_POD if template is CUSTOM_POD else template
    return PodShape(task=task, settings=settings, executor=executor)


_USUAL = _of_jobs(USUAL)

POD_SHAPES: dict[str, PodShape] = {
    **{name: _of_jobs(name) for name in SHAPES},
    "in sequence": replace(_USUAL, order="sequence"),
    "several executors without resources of pods": replace(_USUAL, pod_resources=False),
    "one executor without resources of pods": PodShape(
        task=make_assigned_task(
            inputs=(file_in("/work/a"),), outputs=(file_out("/work/b"),)
        ),
        pod_resources=False,
    ),
    "an executor whose error is ignored": replace(_USUAL, task=_SEVERAL),
    "the volume in memory": replace(
        _USUAL, volume=PodVolume.MEMORY, filer=LIMITED_FILER_POD
    ),
    "the volume in memory, in sequence": replace(
        _USUAL, volume=PodVolume.MEMORY, filer=LIMITED_FILER_POD, order="sequence"
    ),
    "a claim that goes with the pod": replace(
        _USUAL, settings=OFFERS, volume=PodVolume.EPHEMERAL
    ),
    "the attempt's claim": replace(_USUAL, volume=PodVolume.CLAIM),
    "a limit of filers on the disk": replace(_USUAL, filer=LIMITED_FILER_POD),
    "limits on the disk": replace(
        _USUAL, executor=SHARED_CUSTOM_POD, filer=LIMITED_FILER_POD
    ),
    "limits of the namespace": replace(
        _USUAL, filer=LIMITED_FILER_POD, limit_range=LIMIT_RANGE
    ),
    "limits of the namespace, in sequence": replace(
        _USUAL,
        filer=LIMITED_FILER_POD,
        limit_range=LIMIT_RANGE,
        order="sequence",
    ),
    "names that commands cannot change": replace(_USUAL, resolver=RESOLVER),
    "names that commands cannot change, in sequence": replace(
        _USUAL, order="sequence", resolver=RESOLVER
    ),
    "a container beside": replace(
        _USUAL,
        executor=merged_with(EXECUTOR_POD, initContainers=[SIDECAR]),
        filer=LIMITED_FILER_POD,
    ),
}
