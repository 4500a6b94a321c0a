"""Removing all of an attempt: delete the anchor, and see the rest go.

The garbage collector deletes what the anchor owns. What an anchor that is gone
already has left is deleted one by one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tesk_kubernetes.api import (
    JOBS,
    PODS,
    SECRETS,
    VOLUME_CLAIMS,
    JsonObject,
    KubernetesApi,
    KubernetesError,
    Resource,
)
from tesk_kubernetes.labels import attempt_labels, selector
from tesk_kubernetes.settings import KubernetesSettings
from tesk_model.names import Attempt
from tesk_taskmaster.adapters.kubernetes.control.book import Book
from tesk_taskmaster.adapters.kubernetes.control.failure_table import short
from tesk_taskmaster.adapters.kubernetes.control.holds import AttemptHold
from tesk_taskmaster.adapters.kubernetes.control.patience import Patience
from tesk_taskmaster.ports import Clock, RemainsError, StepFailedError

_KINDS = (JOBS, PODS, VOLUME_CLAIMS)
_GRACE = timedelta(seconds=1)
_LONG = timedelta(seconds=60)  # until the user of the runtime hears of it
_STEP = timedelta(seconds=1)
_DOUBT = 10.0  # seconds after which the cluster itself is asked
_OVER = ("Succeeded", "Failed")


@dataclass(frozen=True, slots=True)
class Releases:
    """Removes attempts."""

    api: KubernetesApi
    book: Book
    patience: Patience
    clock: Clock
    settings: KubernetesSettings

    def release(
        self, attempt: Attempt, namespace: str, hold: AttemptHold | None
    ) -> None:
        """Delete all of an attempt and return when it is gone.

        Raises:
            RemainsError: Nothing runs, and all that is left was deleted.
            StepFailedError: It is not gone yet; try again.
        """
        try:
            self._release(attempt, namespace, hold)
        except KubernetesError as error:
            raise StepFailedError(
                f"what {attempt.name} left cannot be removed: {short(str(error))}"
            ) from error

    def _release(
        self, attempt: Attempt, namespace: str, hold: AttemptHold | None
    ) -> None:
        uid = hold.footing.anchor_uid if hold is not None else ""
        # First: a node does not shorten the grace that it has begun to give,
        # and the garbage collector's is the pod's own.
        for pod in self._pods(attempt, namespace, hold):
            self._hurry(namespace, pod)
        had_anchor = self.api.delete(SECRETS, namespace, attempt.name, uid=uid)
        if hold is None or not (had_anchor and self._is_known(hold)):
            self._release_listed(attempt, namespace, had_anchor=had_anchor)
            return
        started = self.clock.monotonic()
        while True:
            version = self.book.version(attempt)
            if self._is_gone(attempt):
                return
            if self.clock.monotonic() - started > _DOUBT:
                self._release_listed(attempt, namespace, had_anchor=True)
                return
            self.book.wait(attempt, version, _STEP)

    def _release_listed(
        self, attempt: Attempt, namespace: str, *, had_anchor: bool
    ) -> None:
        """Remove what the cluster itself lists, whoever made it."""
        started = self.clock.monotonic()
        pause = _STEP / 4
        while left := list(self._listed(attempt, namespace)):
            for resource, body in left:
                if resource == PODS:
                    self._hurry(namespace, body)
                elif not had_anchor and "deletionTimestamp" not in body["metadata"]:
                    metadata = body["metadata"]
                    self.api.delete(
                        resource, namespace, metadata["name"], uid=metadata["uid"]
                    )
            if self.clock.monotonic() - started > _LONG.total_seconds():
                raise stuck(left)
            self.patience.pause(pause)
            pause = min(_STEP * 2, pause * 2)

    def _listed(
        self, attempt: Attempt, namespace: str
    ) -> Iterator[tuple[Resource, JsonObject]]:
        labels = selector(attempt_labels(attempt))
        for resource in _KINDS:
            for item in self.api.list(resource, namespace, labels=labels).items:
                yield resource, item

    def _pods(
        self, attempt: Attempt, namespace: str, hold: AttemptHold | None
    ) -> list[JsonObject]:
        if hold is not None:
            known = self.book.all(attempt, PODS)
            return [entry.object for entry in known if not entry.is_gone]
        labels = selector(attempt_labels(attempt))
        return list(self.api.list(PODS, namespace, labels=labels).items)

    def _hurry(self, namespace: str, pod: JsonObject) -> None:
        """End a pod that runs; take its object away if its node is silent."""
        metadata = pod["metadata"]
        if _has_ended(pod):
            return
        grace = _GRACE
        leaving = metadata.get("deletionTimestamp")
        if leaving is not None:
            overdue = self.clock.now() - datetime.fromisoformat(leaving)
            if overdue > self.settings.node_timeout:
                # Its attempt is over, and nobody is there who could end it.
                grace = timedelta(0)
            elif overdue > -2 * _GRACE:
                return  # soon enough
        self.api.delete(
            PODS, namespace, metadata["name"], uid=metadata["uid"], grace=grace
        )

    def _is_gone(self, attempt: Attempt) -> bool:
        return all(
            entry.is_gone
            for resource in _KINDS
            for entry in self.book.all(attempt, resource)
        )

    def _is_known(self, hold: AttemptHold) -> bool:
        """Tell whether the book has seen all that we made, with its pods."""
        if hold.has_strays:
            return False
        attempt = hold.attempt
        claim = self.book.get(attempt, VOLUME_CLAIMS, attempt.name)
        return (claim is not None or not hold.plan.has_volume) and all(
            self.book.get(attempt, JOBS, step.job["metadata"]["name"]) is not None
            and self.book.pod_of(attempt, step.job) is not None
            for step in hold.steps.values()
        )


def _has_ended(pod: JsonObject) -> bool:
    """Tell whether nothing of a pod runs; its phase comes a moment later."""
    found = pod["status"].get("containerStatuses") or ()
    states = [status.get("state") or {} for status in found]
    return pod["status"].get("phase") in _OVER or (
        bool(states) and all("terminated" in state for state in states)
    )


def stuck(left: Sequence[tuple[Resource, JsonObject]]) -> StepFailedError:
    """Return the error of a removal that takes long: what is left, and why."""
    resource, body = left[0]
    metadata = body["metadata"]
    what = f"{resource.kind} {metadata['name']} is still there"
    finalizers = ", ".join(metadata.get("finalizers") or ())
    if "deletionTimestamp" in metadata and finalizers:
        what = f"{what}: it waits for {finalizers}"
    elif "deletionTimestamp" in metadata:
        what = f"{what}: it was deleted at {metadata['deletionTimestamp']}"
    if all(
        resource != PODS and "deletionTimestamp" in body["metadata"]
        for resource, body in left
    ):
        # Nothing runs, and the cluster removes the rest when it can.
        return RemainsError(what)
    return StepFailedError(what)
