"""Starts and adopts the steps of one attempt.

The name of a Job is unique for its step, so that a successor finds it. A filer that
died without a result is started again by a new Job of the same name, when the old
one is deleted. An executor that had started is not.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from tesk_kubernetes.api import JOBS, PODS, VOLUME_CLAIMS, JsonObject
from tesk_kubernetes.labels import attempt_of
from tesk_kubernetes.pods import is_terminating
from tesk_model.reasons import Reason, ReasonCode
from tesk_taskmaster.adapters.kubernetes.control.anchors import (
    AttemptAnchor,
    creator_of,
    is_owned_by,
)
from tesk_taskmaster.adapters.kubernetes.control.cache import AttemptObjects
from tesk_taskmaster.adapters.kubernetes.control.cluster import Cluster
from tesk_taskmaster.adapters.kubernetes.control.retries import RETRY_INTERVAL
from tesk_taskmaster.adapters.kubernetes.control.step import Step
from tesk_taskmaster.adapters.kubernetes.control.step_objects import StepObjects
from tesk_taskmaster.adapters.kubernetes.manifests.objects import (
    RenderContext,
    job_name,
)
from tesk_taskmaster.adapters.kubernetes.manifests.rendering import (
    step_image,
    step_job,
)
from tesk_taskmaster.adapters.kubernetes.status.ends import JOB_DELETED
from tesk_taskmaster.adapters.kubernetes.status.observations import Subject
from tesk_taskmaster.adapters.kubernetes.status.pods import deletion_deadline, ended_at
from tesk_taskmaster.domain.plan import Plan
from tesk_taskmaster.domain.step_names import (
    direction_of,
    is_inspection_step,
    is_repeatable,
    title_of,
)
from tesk_taskmaster.domain.termination import format_loss
from tesk_taskmaster.ports import ReportReason, StepFailedError

_EPOCH = datetime.fromtimestamp(0, UTC)


class AttemptSteps:
    """The steps of one attempt; used by one thread, but for ``steps``.

    Attributes:
        plan: The latest, with the inspected mounts.
        anchor: Owns all objects of the attempt.
        cached: Those objects.
        steps: That were started or adopted, by name.
    """

    def __init__(
        self,
        cluster: Cluster,
        plan: Plan,
        context: RenderContext,
        anchor: AttemptAnchor,
        cached: AttemptObjects,
    ) -> None:
        """Run the steps of a prepared attempt."""
        self.plan = plan
        self.anchor = anchor
        self.cached = cached
        self.steps: dict[str, Step] = {}
        self._cluster = cluster
        self._site = context
        self._has_orphans = False

    def start(
        self,
        name: str,
        report_reason: ReportReason,
        *,
        has_started: bool = False,
        directories: Sequence[str] = (),
    ) -> Step:
        """Return a step when its container runs or has ended.

        Args:
            name: Of the step.
            report_reason: See ``Runtime``.
            has_started: The scheduler knows that it started.
            directories: To inspect, if it inspects an image.

        Raises:
            StepFailedError: It will not run, or ``has_started`` and is gone.
        """
        step, is_old = self.steps.get(name), True
        if step is None and has_started:
            step = self._recover(name, report_reason)
        if step is None:
            step, is_old = self._create(name, report_reason, directories)
        # A new step may have crashed, too: ``wait`` returns that.
        if is_old and is_repeatable(name) and step.has_crashed():
            self._remove(step, report_reason)
            step, _ = self._create(name, report_reason, directories)
        step.wait_running(
            self._checking_inspections(report_reason)
            if direction_of(name)
            else report_reason
        )
        return step

    def _checking_inspections(self, report_reason: ReportReason) -> ReportReason:
        """Return a callback that also ends a filer's wait if an inspection failed.

        The pod of an inspection may use the room that a quota leaves for the filer.
        """

        def check(reason: Reason) -> None:
            for step in list(self.steps.values()):
                if is_inspection_step(step.name):
                    step.check_not_failed()
            report_reason(reason)

        return check

    def begin_step(
        self, name: str, report_reason: ReportReason, directories: Sequence[str]
    ) -> None:
        """Create or adopt the Job of a step, and do not wait until it runs.

        Raises:
            StepFailedError: It will not run.
        """
        if name not in self.steps:
            self._create(name, report_reason, directories)

    def is_cached(self) -> bool:
        """Tell whether the cache has all objects of the attempt, with the pods."""
        claim = self.cached.get(VOLUME_CLAIMS, self.plan.attempt.name)
        has_claim = claim is not None or not self.plan.has_volume
        objects = [step.objects for step in self.steps.values()]
        return (
            has_claim
            and not self._has_orphans
            and all(
                self.cached.get(JOBS, each.job_name) is not None
                and self.cached.pod_of(each.job_uid) is not None
                for each in objects
            )
        )

    def close(self) -> None:
        """Stop observing all steps: they continue to run."""
        for step in list(self.steps.values()):
            step.close()

    def _create(
        self, name: str, report_reason: ReportReason, directories: Sequence[str]
    ) -> tuple[Step, bool]:
        """Create or adopt the Job of a step; tell whether it existed already."""
        self._check_volume()
        adopted: list[JsonObject] = []

        def found() -> JsonObject | None:
            known = self._find_job(name)
            adopted[:] = [known] if known is not None else []
            return known

        body = step_job(
            self.plan,
            name,
            self._cluster.templates,
            context=self._site,
            anchor_uid=self.anchor.uid,
            directories=directories,
        )
        job = self._cluster.calls.create(
            JOBS,
            body,
            found=found,
            subject=self._subject(name),
            report_reason=report_reason,
            since=self._waiting_since(),
        )
        is_adopted = bool(adopted)
        return self._add(name, job, report_reason, is_adopted=is_adopted), is_adopted

    def _recover(self, name: str, report_reason: ReportReason) -> Step:
        """Adopt the Job of an executor that had started; never create it again."""
        self._check_volume()
        job = self._cluster.calls.call(lambda: self._find_job(name), report_reason)
        if job is None:
            # Pods may be left of a Job that was deleted while it was not watched.
            self._has_orphans = True
            raise StepFailedError(
                format_loss(title_of(name), JOB_DELETED.text),
                code=JOB_DELETED.code,
                lost=True,
            )
        return self._add(name, job, report_reason, is_adopted=True)

    def _add(
        self,
        name: str,
        job: JsonObject,
        report_reason: ReportReason,
        *,
        is_adopted: bool,
    ) -> Step:
        creator = creator_of(job) or self._site.taskmaster
        namespace = self._site.namespace
        self._cluster.informers.watch(
            self.plan.attempt, namespace, creator, report_reason
        )
        objects = StepObjects(
            self._cluster,
            self.cached,
            job,
            namespace=namespace,
            is_adopted=is_adopted,
        )
        step = Step(
            self._cluster,
            self.cached,
            objects,
            name=name,
            subject=self._subject(name),
        )
        self.steps[name] = step
        return step

    def _subject(self, name: str) -> Subject:
        return Subject(
            name=title_of(name),
            image=step_image(self.plan, name, self._cluster.templates),
            ram=None if direction_of(name) else self.plan.ram,
        )

    def _waiting_since(self) -> datetime | None:
        """Return since when the next Job may have been waited for."""
        if self.plan.waiting_since is None:
            return None
        entries = [*self.cached.all(JOBS), *self.cached.all(PODS)]
        ends = (ended_at(entry.object) for entry in entries)
        return max(self.plan.waiting_since, *filter(None, ends), _EPOCH)

    def _find_job(self, step: str) -> JsonObject | None:
        """Return the step's Job; None if there is none, or it is being deleted."""
        name = job_name(self.plan.attempt, step)
        job = self._cluster.api.get(JOBS, self._site.namespace, name)
        if job is None:
            return None
        if attempt_of(job) != self.plan.attempt:
            raise StepFailedError(
                f"the name {name} is taken by a Job of another program"
            )
        if not is_owned_by(job, self.anchor.uid):
            return None
        return None if is_terminating(job) and is_repeatable(step) else job

    def _check_volume(self) -> None:
        if not self.plan.has_volume:
            return
        claim = self.cached.get(VOLUME_CLAIMS, self.plan.attempt.name)
        if claim is not None and (claim.is_gone or is_terminating(claim.object)):
            raise StepFailedError(
                "the task volume was deleted",
                code=ReasonCode.VOLUME_UNAVAILABLE,
                lost=True,
                volume_lost=True,
            )

    def _remove(self, step: Step, report_reason: ReportReason) -> None:
        """Remove the Job of a step that is to run again, with its pod.

        Raises:
            StepFailedError: Its pod is not deleted.
        """
        cluster, objects = self._cluster, step.objects
        name, uid, namespace = objects.job_name, objects.job_uid, objects.namespace
        cluster.calls.call(
            lambda: cluster.api.delete(JOBS, namespace, name, uid=uid), report_reason
        )
        asked = cluster.clock.now()
        while True:
            version = self.cached.version
            job, pod = self.cached.get(JOBS, name), objects.pod()
            has_job = job is not None and not job.is_gone and job.uid == uid
            if not has_job and (pod is None or pod.is_gone):
                return
            since = asked if pod is None else deletion_deadline(pod.object) or asked
            if cluster.clock.now() - since > cluster.settings.node_timeout:
                title = title_of(step.name)
                raise StepFailedError(
                    f"{title}: its old pod is not deleted",
                    code=ReasonCode.NODE_UNRESPONSIVE,
                    lost=True,
                )
            text = f"{title_of(step.name)}: starting again"
            report_reason(Reason(ReasonCode.STEP_STARTING, text))
            self.cached.wait(version, RETRY_INTERVAL)
