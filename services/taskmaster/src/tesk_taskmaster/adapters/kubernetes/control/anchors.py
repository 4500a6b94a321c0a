"""Creates or finds the anchor and the volume of an attempt.

The anchor is a Secret that a taskmaster may write but not read. Its uid is read from
the objects that it owns; an anchor that owns nothing is created anew, and objects
that a predecessor still adds to the old one are garbage-collected.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tesk_kubernetes.api import (
    JOBS,
    SECRETS,
    VOLUME_CLAIMS,
    JsonObject,
    KubernetesApi,
)
from tesk_kubernetes.labels import STEP, TASKMASTER, attempt_labels, selector
from tesk_kubernetes.pods import is_terminating
from tesk_model.names import Attempt
from tesk_model.reasons import ReasonCode
from tesk_taskmaster.adapters.kubernetes.control.retries import RetriedCalls
from tesk_taskmaster.adapters.kubernetes.manifests.anchor import anchor_secret
from tesk_taskmaster.adapters.kubernetes.manifests.objects import RenderContext
from tesk_taskmaster.adapters.kubernetes.manifests.volume import volume_claim
from tesk_taskmaster.adapters.kubernetes.status.observations import Subject
from tesk_taskmaster.domain.plan import Plan
from tesk_taskmaster.domain.step_names import uses_volume
from tesk_taskmaster.ports import ReportReason, StepFailedError

_VOLUME = Subject(name="the task volume", image="")
_GONE = "the task volume was deleted"


@dataclass(frozen=True, slots=True)
class AttemptAnchor:
    """The anchor of an attempt.

    Attributes:
        uid: Of the Secret.
        children: The claim and the Jobs that it had when it was found, with their
            kinds.
    """

    uid: str
    children: Sequence[JsonObject] = ()

    @property
    def jobs(self) -> Sequence[JsonObject]:
        """Those of the children that are Jobs."""
        return [child for child in self.children if child["kind"] == JOBS.kind]

    @property
    def has_claim(self) -> bool:
        """Tell whether the volume is among the children."""
        return any(child["kind"] == VOLUME_CLAIMS.kind for child in self.children)


@dataclass(frozen=True, slots=True)
class Anchors:
    """Creates and finds anchors, and the volumes that they own."""

    api: KubernetesApi
    calls: RetriedCalls

    def ensure(
        self,
        plan: Plan,
        transfer_token: str,
        context: RenderContext,
        report_reason: ReportReason,
    ) -> AttemptAnchor:
        """Create or find the anchor.

        Raises:
            StepFailedError: It cannot be created.
        """
        attempt, namespace = plan.attempt, context.namespace
        children: list[JsonObject] = []

        def found() -> JsonObject | None:
            children[:] = self._children(attempt, namespace)
            uid = _anchor_uid(attempt, children)
            if uid:
                return {"metadata": {"uid": uid}}
            self.api.delete(SECRETS, namespace, attempt.name)
            return None

        made = self.calls.create(
            SECRETS,
            anchor_secret(attempt, transfer_token, context),
            found=found,
            subject=Subject(name="the task", image=""),
            report_reason=report_reason,
            since=plan.waiting_since,
        )
        uid = str(made["metadata"]["uid"])
        own = [child for child in children if uid in _owner_uids(child)]
        return AttemptAnchor(uid, own)

    def ensure_claim(
        self,
        plan: Plan,
        anchor: AttemptAnchor,
        context: RenderContext,
        report_reason: ReportReason,
    ) -> JsonObject:
        """Create or find the volume that the steps share.

        Raises:
            StepFailedError: It cannot be created, or steps used one that was deleted.
        """
        # Whoever deletes the anchor deletes the Jobs that used it, too.
        used = plan.has_results or any(uses_volume(step_of(job)) for job in anchor.jobs)
        if used and not anchor.has_claim:
            raise StepFailedError(_GONE, code=ReasonCode.STEP_VANISHED, lost=True)
        attempt, namespace, uid = plan.attempt, context.namespace, anchor.uid

        def found() -> JsonObject | None:
            claim = self.api.get(VOLUME_CLAIMS, namespace, attempt.name)
            if claim is None or uid not in _owner_uids(claim):
                return None  # of a deleted anchor; it is being deleted, too
            if is_terminating(claim):
                raise StepFailedError(_GONE, code=ReasonCode.STEP_VANISHED, lost=True)
            return claim

        return self.calls.create(
            VOLUME_CLAIMS,
            volume_claim(plan, context, anchor_uid=uid),
            found=found,
            subject=_VOLUME,
            report_reason=report_reason,
            since=plan.waiting_since,
        )

    def _children(self, attempt: Attempt, namespace: str) -> list[JsonObject]:
        """List the Jobs and the claim of an attempt, with their kinds."""
        labels = selector(attempt_labels(attempt))
        return [
            {**item, "kind": resource.kind}
            for resource in (VOLUME_CLAIMS, JOBS)
            for item in self.api.list(resource, namespace, labels=labels).items
        ]


def creator_of(body: JsonObject) -> str:
    """Return the id of the taskmaster that created an object."""
    return str((body["metadata"].get("labels") or {}).get(TASKMASTER, ""))


def step_of(job: JsonObject) -> str:
    """Return the step that a Job is labelled with; "" if with none."""
    return str((job["metadata"].get("labels") or {}).get(STEP, ""))


def is_owned_by(body: JsonObject, anchor_uid: str) -> bool:
    """Tell whether an object is owned by this anchor."""
    return anchor_uid in _owner_uids(body)


def _anchor_uid(attempt: Attempt, children: Sequence[JsonObject]) -> str:
    """Return the anchor's uid from its children, preferably not terminating ones."""
    for child in sorted(children, key=is_terminating):
        for owner in child["metadata"].get("ownerReferences") or ():
            if owner["kind"] == SECRETS.kind and owner["name"] == attempt.name:
                return str(owner["uid"])
    return ""


def _owner_uids(body: JsonObject) -> Iterator[str]:
    for owner in body["metadata"].get("ownerReferences") or ():
        yield owner["uid"]
