"""Prepares an attempt: its anchor, its layout, and the volume that its steps share.

The layout is chosen once in an attempt: Jobs, where either would do and the pod cannot
be made. A successor goes on with that of the Jobs that it finds, whatever the settings
say now.
"""

from dataclasses import dataclass, replace

from tesk_model.reasons import ReasonCode
from tesk_taskmaster.adapters.kubernetes.control.anchors import (
    Anchors,
    AttemptAnchor,
    creator_of,
)
from tesk_taskmaster.adapters.kubernetes.control.attempt import AttemptSteps
from tesk_taskmaster.adapters.kubernetes.control.attempt_jobs import AttemptJobs
from tesk_taskmaster.adapters.kubernetes.control.attempt_pod import AttemptPod
from tesk_taskmaster.adapters.kubernetes.control.cache import AttemptObjects
from tesk_taskmaster.adapters.kubernetes.control.cluster import Cluster
from tesk_taskmaster.adapters.kubernetes.control.layouts import (
    Layouts,
    adopted_layout,
)
from tesk_taskmaster.adapters.kubernetes.manifests.executor_job import check_executors
from tesk_taskmaster.adapters.kubernetes.manifests.objects import RenderContext
from tesk_taskmaster.domain.layouts import (
    LAYOUT,
    Layout,
    LayoutChoice,
    LayoutError,
    PodVolume,
    choose_layout,
)
from tesk_taskmaster.domain.plan import Plan
from tesk_taskmaster.ports import ReportReason, StepFailedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """Prepares attempts."""

    cluster: Cluster
    anchors: Anchors
    layouts: Layouts

    def prepare(
        self,
        plan: Plan,
        transfer_token: str,
        *,
        context: RenderContext,
        cached: AttemptObjects,
        report_reason: ReportReason,
    ) -> AttemptSteps:
        """Make or adopt what the steps share.

        Raises:
            StepFailedError: It cannot be made, or the steps could not run.
        """
        anchor = self.anchors.ensure(plan, transfer_token, context, report_reason)
        adopted = adopted_layout(anchor.jobs)
        choice = adopted or self._choose(plan)
        jobs = AttemptJobs(
            cluster=self.cluster,
            attempt=plan.attempt,
            context=context,
            anchor=anchor,
            cached=cached,
            has_claim=self._needs_claim(plan, choice, anchor, is_adopted=bool(adopted)),
            waiting_since=plan.waiting_since,
        )
        pod = None
        if choice.layout is Layout.POD:
            try:
                pod = self._pod(plan, jobs, adopted)
            except StepFailedError as error:
                choice = self._choose_without_pod(plan, error)
                needs_claim = self._needs_claim(plan, choice, anchor, is_adopted=False)
                jobs = replace(jobs, has_claim=needs_claim)
        if choice.layout is Layout.JOBS:
            check_executors(plan, self.cluster.templates.executor, context=context)
        self._watch_creators(plan, jobs, report_reason)
        is_chosen = self._is_chosen(plan) or choice.layout is Layout.POD
        return AttemptSteps(plan, jobs, pod, choice if is_chosen else None)

    def _choose(self, plan: Plan) -> LayoutChoice:
        try:
            return choose_layout(plan, self.layouts.offer)
        except LayoutError as error:
            raise StepFailedError(str(error), code=ReasonCode.TASK_INVALID) from error

    def _pod(
        self, plan: Plan, jobs: AttemptJobs, adopted: LayoutChoice | None
    ) -> AttemptPod:
        pod = AttemptPod(
            jobs=jobs,
            options=self.layouts.pods,
            offer=self.layouts.offer,
            adopted=adopted,
        )
        pod.check(plan)
        return pod

    def _choose_without_pod(self, plan: Plan, problem: StepFailedError) -> LayoutChoice:
        """Return the layout of a plan whose pod cannot be made.

        Raises:
            StepFailedError: The problem, if a pod was asked for.
        """
        offer = replace(self.layouts.offer, problem=str(problem))
        try:
            return choose_layout(plan, offer)
        except LayoutError:
            raise problem from None

    def _is_chosen(self, plan: Plan) -> bool:
        """Tell whether there is a choice that users may want to know of."""
        asks = LAYOUT in plan.placement.backend_parameters
        return asks or self.layouts.offer.layout != Layout.JOBS

    def _needs_claim(
        self,
        plan: Plan,
        choice: LayoutChoice,
        anchor: AttemptAnchor,
        *,
        is_adopted: bool,
    ) -> bool:
        if choice.layout is Layout.JOBS:
            return plan.has_volume
        if is_adopted:
            return anchor.has_claim
        return plan.has_volume and self.layouts.pods.volume is PodVolume.CLAIM

    def _watch_creators(
        self, plan: Plan, jobs: AttemptJobs, report_reason: ReportReason
    ) -> None:
        """Watch what predecessors created; create the volume if there is none."""
        context, anchor = jobs.context, jobs.anchor
        creators = {creator_of(child) for child in anchor.children}
        if jobs.has_claim:
            claim = self.anchors.ensure_claim(plan, anchor, context, report_reason)
            creators.add(creator_of(claim))
        for creator in sorted(creators - {"", context.taskmaster}):
            self.cluster.informers.watch(
                plan.attempt, context.namespace, creator, report_reason
            )
