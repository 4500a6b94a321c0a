"""One attempt in the hands of this taskmaster: its steps, begun or adopted.

A Job is created by a name that only its step has, so that whoever was killed
after creating it finds it. A filer that died without a verdict is started again
by a new Job of the same name, when the old one is gone. An executor is not: if it
had started, and there is no Job of its name, somebody has deleted it.

All of this can be found again in the cluster; nothing is lost with the process.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from tesk_kubernetes.api import JOBS, PODS, VOLUME_CLAIMS, JsonObject
from tesk_kubernetes.labels import attempt_of
from tesk_kubernetes.pods import is_terminating
from tesk_model.reasons import Reason, ReasonCode
from tesk_taskmaster.adapters.kubernetes.control.anchors import (
    AttemptAnchor,
    is_owned_by,
    maker_of,
)
from tesk_taskmaster.adapters.kubernetes.control.cache import AttemptObjects
from tesk_taskmaster.adapters.kubernetes.control.cluster import Cluster
from tesk_taskmaster.adapters.kubernetes.control.retries import RETRY_INTERVAL
from tesk_taskmaster.adapters.kubernetes.control.step import Step
from tesk_taskmaster.adapters.kubernetes.control.step_objects import StepObjects
from tesk_taskmaster.adapters.kubernetes.manifests.objects import Site, job_name
from tesk_taskmaster.adapters.kubernetes.manifests.rendering import (
    step_image,
    step_job,
)
from tesk_taskmaster.adapters.kubernetes.status.ends import JOB_DELETED
from tesk_taskmaster.adapters.kubernetes.status.observations import Subject
from tesk_taskmaster.adapters.kubernetes.status.pods import ended_at, leaving_since
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
        plan: The latest, with what images are known to have.
        anchor: Owns all objects of the attempt.
        cached: Those objects.
        steps: That were begun, by name.
    """

    def __init__(
        self,
        cluster: Cluster,
        plan: Plan,
        site: Site,
        anchor: AttemptAnchor,
        cached: AttemptObjects,
    ) -> None:
        """Take an attempt in hand that was prepared."""
        self.plan = plan
        self.anchor = anchor
        self.cached = cached
        self.steps: dict[str, Step] = {}
        self._cluster = cluster
        self._site = site
        self._has_strays = False

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
            has_started: The scheduler was told that it started.
            directories: Where to look, if it looks into an image.

        Raises:
            StepFailedError: It will not run, or ``has_started`` and is gone.
        """
        step, is_old = self.steps.get(name), True
        if step is None and has_started:
            step = self._recover(name, report_reason)
        if step is None:
            step, is_old = self._create(name, report_reason, directories)
        # What was created just now may have crashed, too: that is for ``wait``.
        if is_old and is_repeatable(name) and step.has_crashed():
            self._remove(step, report_reason)
            step, _ = self._create(name, report_reason, directories)
        step.wait_running(
            self._minding_looks(report_reason) if direction_of(name) else report_reason
        )
        return step

    def _minding_looks(self, report_reason: ReportReason) -> ReportReason:
        """Return what ends a filer's wait that is in vain.

        The pod of a look may have the room that a quota leaves for the filer's.
        """

        def mind(reason: Reason) -> None:
            for step in list(self.steps.values()):
                if is_inspection_step(step.name):
                    step.check_possible()
            report_reason(reason)

        return mind

    def begin(
        self, name: str, report_reason: ReportReason, directories: Sequence[str]
    ) -> None:
        """Create or adopt the Job of a look, and do not wait until it runs.

        Raises:
            StepFailedError: It will not run.
        """
        if name not in self.steps:
            self._create(name, report_reason, directories)

    def is_cached(self) -> bool:
        """Tell whether the cache has seen all that was made, with its pods."""
        claim = self.cached.get(VOLUME_CLAIMS, self.plan.attempt.name)
        has_claim = claim is not None or not self.plan.has_volume
        objects = [step.objects for step in self.steps.values()]
        return (
            has_claim
            and not self._has_strays
            and all(
                self.cached.get(JOBS, each.job_name) is not None
                and self.cached.pod_of(each.job_uid) is not None
                for each in objects
            )
        )

    def close(self) -> None:
        """Let all steps go: they run on."""
        for step in list(self.steps.values()):
            step.close()

    def _create(
        self, name: str, report_reason: ReportReason, directories: Sequence[str]
    ) -> tuple[Step, bool]:
        """Create or adopt the Job of a step; tell whether it was there already."""
        self._check_volume()
        adopted: list[JsonObject] = []

        def found() -> JsonObject | None:
            known = self._found_job(name)
            adopted[:] = [known] if known is not None else []
            return known

        body = step_job(
            self.plan,
            name,
            self._cluster.templates,
            site=self._site,
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
        """Adopt the Job of an executor that had started; never make it again."""
        self._check_volume()
        job = self._cluster.calls.call(lambda: self._found_job(name), report_reason)
        if job is None:
            # Pods may be left of a Job that was deleted while nobody watched.
            self._has_strays = True
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
        maker = maker_of(job) or self._site.taskmaster
        namespace = self._site.namespace
        self._cluster.informers.watch(
            self.plan.attempt, namespace, maker, report_reason
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
        """Return since when the next Job may have been waited for, by anybody."""
        if self.plan.waiting_since is None:
            return None
        entries = [*self.cached.all(JOBS), *self.cached.all(PODS)]
        ends = (ended_at(entry.object) for entry in entries)
        return max(self.plan.waiting_since, *filter(None, ends), _EPOCH)

    def _found_job(self, step: str) -> JsonObject | None:
        """Return a Job of the step's name that is ours; None if it goes by itself."""
        name = job_name(self.plan.attempt, step)
        job = self._cluster.api.get(JOBS, self._site.namespace, name)
        if job is None:
            return None
        if attempt_of(job) != self.plan.attempt:
            raise StepFailedError(f"the name {name} is taken by a Job that is not ours")
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
            StepFailedError: Its pod does not go.
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
            since = asked if pod is None else leaving_since(pod.object) or asked
            if cluster.clock.now() - since > cluster.settings.node_timeout:
                title = title_of(step.name)
                raise StepFailedError(
                    f"{title}: its old pod does not go",
                    code=ReasonCode.NODE_UNRESPONSIVE,
                    lost=True,
                )
            text = f"{title_of(step.name)}: starting again"
            report_reason(Reason(ReasonCode.STEP_STARTING, text))
            self.cached.wait(version, RETRY_INTERVAL)
