"""Removes all objects of an attempt.

Its anchor is deleted, and the garbage collector deletes what the anchor owns. If the
anchor was deleted before, its objects are deleted one by one.
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
    KubernetesError,
    Resource,
)
from tesk_kubernetes.labels import attempt_labels, selector
from tesk_kubernetes.pods import is_finished, is_terminating, state_of
from tesk_model.names import Attempt
from tesk_taskmaster.adapters.kubernetes.control.attempt import AttemptSteps
from tesk_taskmaster.adapters.kubernetes.control.cluster import Cluster
from tesk_taskmaster.adapters.kubernetes.control.retries import RETRY_INTERVAL
from tesk_taskmaster.adapters.kubernetes.status.failure_table import shorten
from tesk_taskmaster.ports import LeftoversError, StepFailedError

_KINDS = (JOBS, PODS, VOLUME_CLAIMS)
_GRACE = timedelta(seconds=1)
_TIMEOUT = timedelta(seconds=60)
_CACHE_TIMEOUT = 10.0  # seconds after which the cluster itself is asked


@dataclass(frozen=True, slots=True)
class AttemptRemover:
    """Removes attempts."""

    cluster: Cluster

    def remove(
        self, attempt: Attempt, namespace: str, held: AttemptSteps | None
    ) -> None:
        """Delete all objects of an attempt and return when they are gone.

        Raises:
            LeftoversError: Nothing runs, and all that is left was deleted.
            StepFailedError: They are not gone yet; try again.
        """
        try:
            self._remove(attempt, namespace, held)
        except KubernetesError as error:
            raise StepFailedError(
                f"the objects of {attempt.name} cannot be removed: {shorten(str(error))}"
            ) from error

    def _remove(
        self, attempt: Attempt, namespace: str, held: AttemptSteps | None
    ) -> None:
        uid = "" if held is None else held.anchor_uid
        # First, with a short grace: the garbage collector would give the pod's own,
        # and a node does not shorten a grace that has begun.
        for pod in self._pods(attempt, namespace, held):
            self._stop_pod(namespace, pod)
        had_anchor = self.cluster.api.delete(SECRETS, namespace, attempt.name, uid=uid)
        if held is None or not (had_anchor and held.is_cached()):
            pauses = self._growing_pauses()
            self._remove_listed(attempt, namespace, pauses, had_anchor=had_anchor)
        elif not self._are_gone(held):
            pauses = self._watching_pauses(held)
            self._remove_listed(attempt, namespace, pauses, had_anchor=True)

    def _are_gone(self, held: AttemptSteps) -> bool:
        """Wait until all objects are gone from the cache, or for _CACHE_TIMEOUT."""
        started = self.cluster.clock.monotonic()
        while True:
            version = held.cached.version
            entries = [each for kind in _KINDS for each in held.cached.all(kind)]
            if all(entry.is_gone for entry in entries):
                return True
            if self.cluster.clock.monotonic() - started > _CACHE_TIMEOUT:
                return False
            held.cached.wait(version, RETRY_INTERVAL)

    def _growing_pauses(self) -> Iterator[None]:
        interval = RETRY_INTERVAL / 4
        while True:
            self.cluster.calls.pause(interval)
            interval = min(RETRY_INTERVAL * 2, interval * 2)
            yield

    def _watching_pauses(self, held: AttemptSteps) -> Iterator[None]:
        """Pause for long, or until the watch has told that all is gone.

        Many attempts may wait for a slow cluster, which each list makes slower.
        """
        pauses = self._growing_pauses()
        while True:
            if self._are_gone(held):
                next(pauses)  # what the watch does not tell of may be left
            yield

    def _remove_listed(
        self,
        attempt: Attempt,
        namespace: str,
        pauses: Iterator[None],
        *,
        had_anchor: bool,
    ) -> None:
        """Remove the objects that the cluster lists, whoever created them."""
        started = self.cluster.clock.monotonic()
        while left := list(self._listed(attempt, namespace)):
            for resource, body in left:
                if resource == PODS:
                    self._stop_pod(namespace, body)
                elif not had_anchor and not is_terminating(body):
                    metadata = body["metadata"]
                    self.cluster.api.delete(
                        resource, namespace, metadata["name"], uid=metadata["uid"]
                    )
            if self.cluster.clock.monotonic() - started > _TIMEOUT.total_seconds():
                raise incomplete_removal(left)
            next(pauses)

    def _listed(
        self, attempt: Attempt, namespace: str
    ) -> Iterator[tuple[Resource, JsonObject]]:
        labels = selector(attempt_labels(attempt))
        for resource in _KINDS:
            for item in self.cluster.api.list(resource, namespace, labels=labels).items:
                yield resource, item

    def _pods(
        self, attempt: Attempt, namespace: str, held: AttemptSteps | None
    ) -> list[JsonObject]:
        if held is not None:
            known = held.cached.all(PODS)
            return [entry.object for entry in known if not entry.is_gone]
        labels = selector(attempt_labels(attempt))
        return list(self.cluster.api.list(PODS, namespace, labels=labels).items)

    def _stop_pod(self, namespace: str, pod: JsonObject) -> None:
        """Stop a pod that runs; delete its object if its node does not answer."""
        metadata = pod["metadata"]
        if _has_ended(pod):
            return
        grace = _GRACE
        leaving = metadata.get("deletionTimestamp")
        if leaving is not None:
            overdue = self.cluster.clock.now() - datetime.fromisoformat(leaving)
            if overdue > self.cluster.settings.node_timeout:
                # Its attempt has ended, and its node cannot stop it.
                grace = timedelta(0)
            elif overdue > -2 * _GRACE:
                return  # soon enough
        self.cluster.api.delete(
            PODS, namespace, metadata["name"], uid=metadata["uid"], grace=grace
        )


def _has_ended(pod: JsonObject) -> bool:
    """Tell whether all containers of a pod ended; its phase is updated later."""
    states = [state_of(each) for each in pod["status"].get("containerStatuses") or ()]
    is_done = bool(states) and all("terminated" in state for state in states)
    return is_finished(pod) or is_done


def incomplete_removal(left: Sequence[tuple[Resource, JsonObject]]) -> StepFailedError:
    """Return the error of a removal that takes too long: what is left, and why."""
    resource, body = left[0]
    metadata = body["metadata"]
    message = f"{resource.kind} {metadata['name']} is still there"
    finalizers = ", ".join(metadata.get("finalizers") or ())
    if is_terminating(body) and finalizers:
        message = f"{message}: it waits for {finalizers}"
    elif is_terminating(body):
        message = f"{message}: it was deleted at {metadata['deletionTimestamp']}"
    if all(resource != PODS and is_terminating(body) for resource, body in left):
        # Nothing runs, and the cluster removes the rest when it can.
        return LeftoversError(message)
    return StepFailedError(message)
