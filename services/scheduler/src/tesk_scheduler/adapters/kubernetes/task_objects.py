"""Lists and removes the Jobs and claims of attempts, for operators' verification.

Removing one removes the anchor of its attempt, and so all that the attempt has. The
anchor is a Secret, which the scheduler may delete but not read.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tesk_kubernetes.api import (
    JOBS,
    SECRETS,
    VOLUME_CLAIMS,
    KubernetesApi,
    KubernetesError,
    Resource,
)
from tesk_kubernetes.labels import INSTANCE, attempt_of, selector
from tesk_scheduler.ports.task_objects import ClusterReadError, TaskObject

_RESOURCES = {resource.kind: resource for resource in (JOBS, VOLUME_CLAIMS)}


@dataclass(frozen=True, slots=True)
class ClusterTaskObjects:
    """See ``TaskObjects``.

    Attributes:
        instance: The release, by which its objects are labelled.
    """

    api: KubernetesApi
    namespaces: Sequence[str]
    instance: str

    def list(self) -> Iterator[TaskObject]:
        """List kind by kind, so that few whole objects are in memory at once."""
        try:
            for namespace in self.namespaces:
                for resource in _RESOURCES.values():
                    yield from self._list(resource, namespace)
        except KubernetesError as error:
            raise ClusterReadError(str(error)) from error

    def remove(self, found: TaskObject) -> None:
        """Delete the anchor, and then the object: its anchor may be gone already."""
        try:
            self.api.delete(SECRETS, found.namespace, found.attempt.name)
            self.api.delete(
                _RESOURCES[found.kind], found.namespace, found.name, uid=found.uid
            )
        except KubernetesError as error:
            raise ClusterReadError(str(error)) from error

    def _list(self, resource: Resource, namespace: str) -> Iterator[TaskObject]:
        labels = selector({INSTANCE: self.instance})
        for item in self.api.list(resource, namespace, labels=labels).items:
            attempt = attempt_of(item)
            if attempt is not None:
                metadata = item["metadata"]
                yield TaskObject(
                    attempt=attempt,
                    kind=resource.kind,
                    namespace=namespace,
                    name=metadata["name"],
                    uid=metadata["uid"],
                )
