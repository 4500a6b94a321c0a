"""Removes all objects of an attempt.

Its anchor is deleted, and the garbage collector deletes what the anchor owns. If the
anchor was deleted before by others, its objects are deleted one by one.

The watch tells when all is gone. A cluster that is slow is asked for objects by name:
other lists cost it as much as there are objects of all attempts, and thousands may wait.
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
_CACHE_TIMEOUT = 10.0  # seconds after which the cluster is asked for what is left


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
        is_late = held is not None and held.is_anchor_deleted
        had_anchor = is_late or self.cluster.api.delete(
            SECRETS, namespace, attempt.name, uid=uid
        )
        if held is not None:
            held.is_anchor_deleted = had_anchor
        if held is None or not (had_anchor and held.is_cached()):
            deletes = is_late or not had_anchor
            self._remove_listed(attempt, namespace, deletes=deletes)
        else:
            self._wait_gone(namespace, held, is_late=is_late)

    def _wait_gone(self, namespace: str, held: AttemptSteps, *, is_late: bool) -> None:
        """Wait until the garbage collector has deleted all that is cached.

        If it is late, delete what it has not begun with.
        """
        started = self.cluster.clock.monotonic()
        while not self._are_gone(held):
            left = list(self._still_there(namespace, held))
            if not left:
                return
            for resource, body in left:
                self._stop_or_delete(namespace, resource, body, deletes=is_late)
            if self.cluster.clock.monotonic() - started > _TIMEOUT.total_seconds():
                raise incomplete_removal(left)

    def _stop_or_delete(
        self, namespace: str, resource: Resource, body: JsonObject, *, deletes: bool
    ) -> None:
        if resource == PODS:
            self._stop_pod(namespace, body)
        elif deletes and not is_terminating(body):
            metadata = body["metadata"]
            self.cluster.api.delete(
                resource, namespace, metadata["name"], uid=metadata["uid"]
            )

    def _still_there(
        self, namespace: str, held: AttemptSteps
    ) -> Iterator[tuple[Resource, JsonObject]]:
        for resource in _KINDS:
            for entry in held.cached.all(resource):
                if entry.is_gone:
                    continue
                # By a list: taskmasters have no right to read a pod. One of a single
                # name costs as little (``k8s.io/apiserver``, list_work_estimator).
                name = f"metadata.name={entry.name}"
                found = self.cluster.api.list(resource, namespace, fields=name).items
                for item in found:
                    if item["metadata"]["uid"] == entry.uid:
                        yield resource, item

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

    def _remove_listed(
        self, attempt: Attempt, namespace: str, *, deletes: bool
    ) -> None:
        """Remove the objects that the cluster lists, whoever created them."""
        pauses = self._growing_pauses()
        started = self.cluster.clock.monotonic()
        while left := list(self._listed(attempt, namespace)):
            for resource, body in left:
                self._stop_or_delete(namespace, resource, body, deletes=deletes)
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
