"""Creates and finds the Jobs of one attempt.

The name of a Job is unique for its step, so that a successor finds it.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from tesk_kubernetes.api import JOBS, PODS, VOLUME_CLAIMS, JsonObject
from tesk_kubernetes.labels import attempt_of
from tesk_kubernetes.pods import is_terminating
from tesk_model.names import Attempt
from tesk_model.reasons import Reason, ReasonCode
from tesk_taskmaster.adapters.kubernetes.control.anchors import (
    AttemptAnchor,
    creator_of,
    is_owned_by,
)
from tesk_taskmaster.adapters.kubernetes.control.cache import AttemptObjects
from tesk_taskmaster.adapters.kubernetes.control.cluster import Cluster
from tesk_taskmaster.adapters.kubernetes.control.retries import RETRY_INTERVAL
from tesk_taskmaster.adapters.kubernetes.control.step_objects import StepObjects
from tesk_taskmaster.adapters.kubernetes.manifests.objects import RenderContext
from tesk_taskmaster.adapters.kubernetes.status.ends import JOB_DELETED
from tesk_taskmaster.adapters.kubernetes.status.observations import Subject
from tesk_taskmaster.adapters.kubernetes.status.pods import deletion_deadline, ended_at
from tesk_taskmaster.domain.termination import format_loss
from tesk_taskmaster.ports import ReportReason, StepFailedError

_EPOCH = datetime.fromtimestamp(0, UTC)


@dataclass(slots=True, kw_only=True)
class AttemptJobs:
    """The Jobs of one attempt; used by one thread.

    Attributes:
        context: Where, and by whom.
        anchor: Owns all objects of the attempt.
        cached: Those objects.
        has_claim: The steps share a claim of the attempt.
        waiting_since: See ``Plan``.
        has_orphans: Pods may be left of a Job that is gone.
    """

    cluster: Cluster
    attempt: Attempt
    context: RenderContext
    anchor: AttemptAnchor
    cached: AttemptObjects
    has_claim: bool
    waiting_since: datetime | None = None
    has_orphans: bool = field(default=False, init=False)

    def create(
        self,
        body: JsonObject,
        subject: Subject,
        report_reason: ReportReason,
        *,
        is_repeatable: bool,
    ) -> tuple[StepObjects, bool]:
        """Create or adopt a Job; tell whether it existed already.

        Args:
            body: Of the Job.
            subject: The step, for messages.
            report_reason: See ``Runtime``.
            is_repeatable: One that is being deleted is waited for, and not adopted.

        Raises:
            StepFailedError: It cannot be created.
        """
        self._check_volume()
        name = str(body["metadata"]["name"])
        adopted: list[JsonObject] = []

        def found() -> JsonObject | None:
            known = self._find(name, is_repeatable=is_repeatable)
            adopted[:] = [known] if known is not None else []
            return known

        job = self.cluster.calls.create(
            JOBS,
            body,
            found=found,
            subject=subject,
            report_reason=report_reason,
            since=self._waiting_since(),
        )
        is_adopted = bool(adopted)
        return self._objects(job, report_reason, is_adopted=is_adopted), is_adopted

    def recover(
        self, name: str, title: str, report_reason: ReportReason
    ) -> StepObjects:
        """Adopt a Job; never create it again.

        Raises:
            StepFailedError: It is gone.
        """
        self._check_volume()
        job = self.cluster.calls.call(
            lambda: self._find(name, is_repeatable=False), report_reason
        )
        if job is None:
            # Pods may be left of a Job that was deleted while it was not watched.
            self.has_orphans = True
            raise StepFailedError(
                format_loss(title, JOB_DELETED.text), code=JOB_DELETED.code, lost=True
            )
        return self._objects(job, report_reason, is_adopted=True)

    def remove(
        self, objects: StepObjects, title: str, report_reason: ReportReason
    ) -> None:
        """Remove the Job of a step that is to run again, with its pod.

        Raises:
            StepFailedError: Its pod is not deleted.
        """
        cluster = self.cluster
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
                raise StepFailedError(
                    f"{title}: its old pod is not deleted",
                    code=ReasonCode.NODE_UNRESPONSIVE,
                    lost=True,
                )
            report_reason(Reason(ReasonCode.STEP_STARTING, f"{title}: starting again"))
            self.cached.wait(version, RETRY_INTERVAL)

    def are_cached(self) -> bool:
        """Tell whether the cache has the claim, and all pods that there may be."""
        claim = self.cached.get(VOLUME_CLAIMS, self.attempt.name)
        return (claim is not None or not self.has_claim) and not self.has_orphans

    def _objects(
        self, job: JsonObject, report_reason: ReportReason, *, is_adopted: bool
    ) -> StepObjects:
        creator = creator_of(job) or self.context.taskmaster
        namespace = self.context.namespace
        self.cluster.informers.watch(self.attempt, namespace, creator, report_reason)
        return StepObjects(
            self.cluster, self.cached, job, namespace=namespace, is_adopted=is_adopted
        )

    def _waiting_since(self) -> datetime | None:
        """Return since when the next Job may have been waited for."""
        if self.waiting_since is None:
            return None
        entries = [*self.cached.all(JOBS), *self.cached.all(PODS)]
        ends = (ended_at(entry.object) for entry in entries)
        return max(self.waiting_since, *filter(None, ends), _EPOCH)

    def _find(self, name: str, *, is_repeatable: bool) -> JsonObject | None:
        """Return a Job; None if there is none, or it is being deleted."""
        job = self.cluster.api.get(JOBS, self.context.namespace, name)
        if job is None:
            return None
        if attempt_of(job) != self.attempt:
            raise StepFailedError(
                f"the name {name} is taken by a Job of another program"
            )
        if not is_owned_by(job, self.anchor.uid):
            return None
        return None if is_terminating(job) and is_repeatable else job

    def _check_volume(self) -> None:
        if not self.has_claim:
            return
        claim = self.cached.get(VOLUME_CLAIMS, self.attempt.name)
        if claim is not None and (claim.is_gone or is_terminating(claim.object)):
            raise StepFailedError(
                "the task volume was deleted",
                code=ReasonCode.VOLUME_UNAVAILABLE,
                lost=True,
                volume_lost=True,
            )
