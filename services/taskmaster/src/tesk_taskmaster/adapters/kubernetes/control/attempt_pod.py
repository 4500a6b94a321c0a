"""Creates or adopts the one Job of an attempt whose steps share a pod.

It is created once in an attempt: what a pod leaves is lost with it, so that its steps
can run again in a new attempt only.
"""

from dataclasses import dataclass, field

import msgspec

from tesk_kubernetes.api import JsonObject
from tesk_model.quantities import format_bytes
from tesk_model.reasons import ReasonCode
from tesk_taskmaster.adapters.kubernetes.control.attempt_jobs import AttemptJobs
from tesk_taskmaster.adapters.kubernetes.control.step_objects import StepObjects
from tesk_taskmaster.adapters.kubernetes.manifests.objects import job_name
from tesk_taskmaster.adapters.kubernetes.manifests.pod_job import PodOptions, pod_job
from tesk_taskmaster.adapters.kubernetes.manifests.rendering import step_image
from tesk_taskmaster.adapters.kubernetes.manifests.turns import (
    container_names,
    container_of,
    step_names,
)
from tesk_taskmaster.adapters.kubernetes.status.observations import Subject
from tesk_taskmaster.domain.layouts import (
    LayoutChoice,
    LayoutOffer,
    Order,
    choose_layout,
)
from tesk_taskmaster.domain.plan import Plan
from tesk_taskmaster.domain.step_names import (
    FILER,
    INPUTS,
    OUTPUTS,
    POD,
    direction_of,
    title_of,
)
from tesk_taskmaster.ports import ReportReason, StepFailedError

# Of a Job with all steps: etcd takes requests of 1.5 MiB (its --max-request-bytes), and
# the cluster adds to what is asked for, as do mounts that images decide about.
_MOST_BYTES = 1024**2


@dataclass(slots=True, kw_only=True)
class AttemptPod:
    """The pod that all steps of an attempt share; used by one thread.

    Attributes:
        options: Of such pods.
        offer: By which the order of its steps is chosen.
        adopted: Its layout, if it was there when the attempt was prepared.
    """

    jobs: AttemptJobs
    options: PodOptions
    offer: LayoutOffer
    adopted: LayoutChoice | None
    _objects: StepObjects | None = field(default=None, init=False)
    _rendered: tuple[Plan, JsonObject] | None = field(default=None, init=False)

    @property
    def was_started(self) -> bool:
        """Tell whether its steps have been started."""
        return self.adopted is not None or self._objects is not None

    def layout(self, plan: Plan) -> LayoutChoice:
        """Return the layout, with the order of a plan with these mounts."""
        return self.adopted or choose_layout(plan, self.offer)

    def subject(self, plan: Plan, step: str) -> Subject:
        """Return a step for the observation of its container."""
        order = self.layout(plan).order or Order.SEQUENCE
        names = tuple(step_names(plan))
        at = names.index(step)
        container = container_of(plan, step, order)
        is_shared = FILER in container_names(plan, order)
        return Subject(
            name=title_of(step),
            image=step_image(plan, step, self.jobs.cluster.templates),
            ram=None if direction_of(step) else plan.ram,
            container=container,
            step=step if container == FILER else "",
            earlier=_without(names[:at], INPUTS if is_shared else ""),
            later=_without(names[at + 1 :], OUTPUTS if is_shared else ""),
            filer=FILER if is_shared and container != FILER else "",
            ignored=frozenset(
                each.name for each in plan.executors if each.executor.ignore_error
            ),
        )

    def objects(
        self,
        plan: Plan,
        subject: Subject,
        report_reason: ReportReason,
        *,
        has_started: bool,
    ) -> StepObjects:
        """Return the objects of the pod; create them with its first step.

        Args:
            plan: With final mounts.
            subject: The step that is started.
            report_reason: See ``Runtime``.
            has_started: The scheduler knows that it started.

        Raises:
            StepFailedError: It cannot be created, or was and is gone.
        """
        if self._objects is not None:
            return self._objects.for_next_step()
        if self.adopted or has_started:
            name = job_name(plan.attempt, POD)
            self._objects = self.jobs.recover(name, subject.name, report_reason)
            return self._objects
        self._objects, _ = self.jobs.create(
            self._body(plan), subject, report_reason, is_repeatable=False
        )
        self._rendered = None  # it is larger than all else that is kept
        return self._objects

    def check(self, plan: Plan) -> None:
        """Check that the pod can be made, before anything runs for it.

        Raises:
            StepFailedError: It cannot.
        """
        if self.adopted is None:
            _check_size(self._body(plan))

    def _body(self, plan: Plan) -> JsonObject:
        """Render the Job; once, if no inspection of an image has changed the plan."""
        if self._rendered is None or self._rendered[0] != plan:
            self._rendered = plan, self._render(plan)
        return self._rendered[1]

    def _render(self, plan: Plan) -> JsonObject:
        return pod_job(
            plan,
            self.jobs.cluster.templates,
            order=self.layout(plan).order or Order.SEQUENCE,
            options=self.options,
            context=self.jobs.context,
            anchor_uid=self.jobs.anchor.uid,
        )


def _check_size(body: JsonObject) -> None:
    size = len(msgspec.json.encode(body))
    if size > _MOST_BYTES:
        raise StepFailedError(
            f"the description of all steps takes {format_bytes(size)}, more than the "
            f"{format_bytes(_MOST_BYTES)} that one object of the cluster may have: fewer "
            "outputs or shorter paths make it smaller, and the layout jobs divides it",
            code=ReasonCode.POD_REFUSED,
        )


def _without(names: tuple[str, ...], left_out: str) -> tuple[str, ...]:
    return tuple(name for name in names if name != left_out)
