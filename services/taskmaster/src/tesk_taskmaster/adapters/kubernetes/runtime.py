"""Runs steps as Jobs of a Kubernetes cluster; see the ``Runtime`` port.

Nothing is polled: informers report changes. All state can be found again by names,
labels and owners.
"""

import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial

from tesk_kubernetes.api import (
    JOBS,
    PODS,
    VOLUME_CLAIMS,
    JsonObject,
    KubernetesApi,
    Resource,
)
from tesk_kubernetes.labels import attempt_labels, selector
from tesk_kubernetes.names import namespace_of
from tesk_kubernetes.settings import KubernetesSettings
from tesk_model.names import Attempt
from tesk_taskmaster.adapters.kubernetes.control.anchors import Anchors, step_of
from tesk_taskmaster.adapters.kubernetes.control.attempt import AttemptSteps
from tesk_taskmaster.adapters.kubernetes.control.cache import ObjectCache
from tesk_taskmaster.adapters.kubernetes.control.cluster import Cluster
from tesk_taskmaster.adapters.kubernetes.control.image_inspection import ImageInspector
from tesk_taskmaster.adapters.kubernetes.control.informers import Informers
from tesk_taskmaster.adapters.kubernetes.control.layouts import Layouts
from tesk_taskmaster.adapters.kubernetes.control.limit_ranges import LimitRangeCache
from tesk_taskmaster.adapters.kubernetes.control.preparation import Preparation
from tesk_taskmaster.adapters.kubernetes.control.query_pace import QueryPace
from tesk_taskmaster.adapters.kubernetes.control.removal import AttemptRemover
from tesk_taskmaster.adapters.kubernetes.control.retries import RetriedCalls
from tesk_taskmaster.adapters.kubernetes.control.shared_inspections import (
    SharedInspections,
)
from tesk_taskmaster.adapters.kubernetes.manifests.objects import RenderContext
from tesk_taskmaster.domain.layouts import LayoutChoice
from tesk_taskmaster.domain.plan import Plan
from tesk_taskmaster.domain.termination import StepResult
from tesk_taskmaster.ports import Clock, ReportReason, Tails


class KubernetesRuntime:
    """The runtime of a cluster; see the port."""

    def __init__(
        self,
        api: KubernetesApi,
        *,
        taskmaster: str,
        namespaces: Sequence[str],
        settings: KubernetesSettings,
        layouts: Layouts,
        clock: Clock,
    ) -> None:
        """Run steps in ``namespaces``; ``open`` begins to watch them.

        Args:
            api: Of the cluster.
            taskmaster: Id of this process; a label of all its objects.
            namespaces: Of all attempts; not empty.
            settings: Of TESK in a cluster.
            layouts: Templates of pods, and how steps can lie in them.
            clock: The time.
        """
        self._taskmaster = taskmaster
        self._namespaces = namespaces
        self._cache = ObjectCache()
        self._cluster = Cluster(
            api=api,
            calls=RetriedCalls(api, clock, settings),
            informers=Informers(
                api, self._cache, instance=settings.instance, taskmaster=taskmaster
            ),
            queries=QueryPace(clock=clock),
            templates=layouts.templates,
            clock=clock,
            settings=settings,
        )
        self._preparation = Preparation(
            cluster=self._cluster,
            anchors=Anchors(api, self._cluster.calls),
            layouts=layouts,
        )
        self._limit_ranges = LimitRangeCache(api, clock, settings.refusal_timeout)
        self._inspector = ImageInspector(
            clock=clock, shared=SharedInspections(clock=clock)
        )
        self._remover = AttemptRemover(self._cluster)
        self._lock = threading.Lock()
        self._attempts: dict[Attempt, AttemptSteps] = {}

    def open(self) -> None:
        """Begin to watch, so that the first task does not wait for it."""
        self._cluster.informers.open(self._namespaces)

    def close(self) -> None:
        """Stop watching; steps continue."""
        for attempt in list(self._attempts):
            self.detach(attempt)
        self._cluster.informers.close()

    def notices(self) -> Sequence[str]:
        """See ``Runtime.notices``."""
        return ()

    def prepare(
        self, plan: Plan, transfer_token: str, report_reason: ReportReason
    ) -> None:
        """See ``Runtime.prepare``."""
        attempt, informers = plan.attempt, self._cluster.informers
        context = self._site(attempt)
        limits = self._cluster.calls.call(
            partial(self._limit_ranges.limits_of, context.namespace), report_reason
        )
        context = replace(context, limits=limits)
        cached = self._cache.retain(attempt)
        informers.watch(attempt, context.namespace, self._taskmaster, report_reason)
        prepared = self._preparation.prepare(
            plan,
            transfer_token,
            context=context,
            cached=cached,
            report_reason=report_reason,
        )
        with self._lock:
            self._attempts[attempt] = prepared

    def layout(self, plan: Plan) -> LayoutChoice | None:
        """See ``Runtime.layout``."""
        return self._attempts[plan.attempt].layout(plan)

    def needs_fitted_plan(self, attempt: Attempt) -> bool:
        """See ``Runtime.needs_fitted_plan``."""
        return self._attempts[attempt].needs_fitted_plan

    def begin_inspection(
        self,
        plan: Plan,
        directories: Mapping[int, Sequence[str]],
        report_reason: ReportReason,
    ) -> None:
        """See ``Runtime.begin_inspection``."""
        for index, paths in directories.items():
            self._inspector.begin(
                self._attempts[plan.attempt], index, paths, report_reason
            )

    def inspect_image(
        self,
        plan: Plan,
        index: int,
        directories: Sequence[str],
        report_reason: ReportReason,
    ) -> Collection[str]:
        """See ``Runtime.inspect_image``."""
        return self._inspector.inspect(
            self._attempts[plan.attempt], index, directories, report_reason
        )

    def image_digest(
        self,
        plan: Plan,
        index: int,
        directories: Sequence[str],
        report_reason: ReportReason,
    ) -> str:
        """See ``Runtime.image_digest``."""
        return self._inspector.image_digest(
            self._attempts[plan.attempt], index, directories, report_reason
        )

    def start(
        self,
        plan: Plan,
        step: str,
        report_reason: ReportReason,
        *,
        has_started: bool = False,
    ) -> None:
        """See ``Runtime.start``; returns when its container runs or has ended."""
        attempt = self._attempts[plan.attempt]
        attempt.plan = plan  # with the inspected mounts of this step
        attempt.start(step, report_reason, has_started=has_started)

    def wait(
        self, attempt: Attempt, step: str, timeout: timedelta
    ) -> StepResult | None:
        """See ``Runtime.wait``."""
        return self._attempts[attempt].steps[step].wait(timeout)

    def conclude(self, attempt: Attempt, direction: str) -> None:
        """See ``Runtime.conclude``: a kubelet tells of an end up to a second later."""
        held = self._attempts.get(attempt)
        if held is not None:
            held.concluded.add(direction)

    def tails(self, attempt: Attempt, step: str) -> Tails:
        """See ``Runtime.tails``; the first call for a running step follows its log."""
        return self._attempts[attempt].steps[step].tails()

    def stop(self, attempt: Attempt, step: str, grace: timedelta) -> None:
        """See ``Runtime.stop``."""
        held = self._attempts.get(attempt)
        running = None if held is None else held.steps.get(step)
        if running is not None:
            running.stop(grace)

    def detach(self, attempt: Attempt) -> None:
        """See ``Runtime.detach``."""
        with self._lock:
            held = self._attempts.pop(attempt, None)
        if held is not None:
            self._inspector.shared.leave(held)
            held.close()
        # When nobody judges its steps any more: their objects are forgotten.
        self._cluster.informers.unwatch(attempt)
        self._cache.release(attempt)

    def release(self, attempt: Attempt) -> None:
        """See ``Runtime.release``."""
        namespace = self._site(attempt).namespace
        self._remover.remove(attempt, namespace, self._attempts.get(attempt))
        self.detach(attempt)

    def existing_steps(
        self, attempt: Attempt, report_reason: ReportReason
    ) -> Sequence[str]:
        """See ``Runtime.existing_steps``; listed in the cluster, whoever created them."""
        return sorted(map(step_of, self._list(JOBS, attempt, report_reason)))

    def defer_removal(self, attempt: Attempt) -> None:
        """See ``Runtime.defer_removal``; the cluster removes the deleted objects."""
        self.detach(attempt)

    def has_objects(self, attempt: Attempt, report_reason: ReportReason) -> bool:
        """See ``Runtime.has_objects``; an anchor alone cannot be seen."""
        kinds = (JOBS, PODS, VOLUME_CLAIMS)
        return any(self._list(kind, attempt, report_reason) for kind in kinds)

    def _list(
        self, resource: Resource, attempt: Attempt, report_reason: ReportReason
    ) -> Sequence[JsonObject]:
        namespace = self._site(attempt).namespace
        labels = selector(attempt_labels(attempt))
        return self._cluster.calls.call(
            partial(self._cluster.api.list, resource, namespace, labels=labels),
            report_reason,
        ).items

    def _site(self, attempt: Attempt) -> RenderContext:
        return RenderContext(
            namespace=namespace_of(attempt, self._namespaces),
            taskmaster=self._taskmaster,
            settings=self._cluster.settings,
        )
