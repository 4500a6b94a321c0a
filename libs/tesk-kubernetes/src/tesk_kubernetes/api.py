"""The port of the Kubernetes API: raw JSON objects, few verbs, typed errors.

A port: ``tesk_kubernetes.client`` is the real adapter; tests have a fake that passes
the same contract suite. Objects are the dictionaries of the API's JSON,
not models: decoding a pod into a model costs ten times as much.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Protocol, Self, TypeVar

JsonObject = dict[str, Any]
Item_co = TypeVar("Item_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind of object, e.g. ``batch/v1``, ``jobs``, ``Job``."""

    api_version: str
    plural: str
    kind: str


NODES = Resource("v1", "nodes", "Node")
PODS = Resource("v1", "pods", "Pod")
SECRETS = Resource("v1", "secrets", "Secret")
CONFIG_MAPS = Resource("v1", "configmaps", "ConfigMap")
VOLUME_CLAIMS = Resource("v1", "persistentvolumeclaims", "PersistentVolumeClaim")
RESOURCE_QUOTAS = Resource("v1", "resourcequotas", "ResourceQuota")
LIMIT_RANGES = Resource("v1", "limitranges", "LimitRange")
EVENTS = Resource("v1", "events", "Event")
JOBS = Resource("batch/v1", "jobs", "Job")
WORKLOADS = Resource("kueue.x-k8s.io/v1beta2", "workloads", "Workload")


class KubernetesError(Exception):
    """A call failed; the message is the API server's, for people."""


class AlreadyExistsError(KubernetesError):
    """An object of this name exists (409 AlreadyExists)."""


class QuotaExceededError(KubernetesError):
    """A ResourceQuota has no room now (403 "exceeded quota"); it may later."""


class RefusedError(KubernetesError):
    """A permanent refusal: 400, 401, 403, 422, or by an admission webhook."""


class ForbiddenError(RefusedError):
    """The caller has no right to do this (403 of the authorizer).

    An API server that has just started refuses so, too, until it has read all rights.
    """


class ExpiredError(KubernetesError):
    """The resource version is too old to watch from (410): list again."""


class ApiUnavailableError(KubernetesError):
    """A transient failure: no response, 429, 5xx, a broken connection.

    The call may have been executed: check before repeating it.

    Attributes:
        retry_after: Time to wait as the API server asks for; None if it does not.
    """

    def __init__(self, message: str, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class EventType(StrEnum):
    """The type of a watch event."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"
    BOOKMARK = "BOOKMARK"


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """One change; of a BOOKMARK only the object's resourceVersion counts."""

    type: EventType
    object: JsonObject


@dataclass(frozen=True, slots=True)
class Listing:
    """All objects of a list, and the version to watch from."""

    items: Sequence[JsonObject]
    resource_version: str


class Propagation(StrEnum):
    """What becomes of dependents when their owner is deleted."""

    BACKGROUND = "Background"
    FOREGROUND = "Foreground"
    ORPHAN = "Orphan"


class Stream(Protocol[Item_co]):
    """Items that the API server sends: an iterator that can be closed.

    Leaving its ``with`` block closes it.
    """

    def __iter__(self) -> Self:
        """Return itself."""

    def __next__(self) -> Item_co:
        """Wait for the next item.

        Raises:
            StopIteration: The server has ended the stream, or it was closed.
            ApiUnavailableError: The connection broke.
        """

    def close(self) -> None:
        """End it, also while another thread waits for an item."""

    def __enter__(self) -> Self:
        """Return itself."""

    def __exit__(self, *args: object) -> None:
        """Close it."""


class KubernetesApi(Protocol):
    """Calls on one cluster. Thread-safe.

    Cluster-scoped objects, such as nodes, have the namespace "".

    Every call may raise ApiUnavailableError and RefusedError. Transient
    failures (connection refused, 429, 5xx) are retried for ``retry_for``, which is
    given at construction.
    """

    def create(
        self, resource: Resource, namespace: str, body: Mapping[str, Any]
    ) -> JsonObject:
        """Create an object and return it as stored.

        Raises:
            AlreadyExistsError, QuotaExceededError: See there. If the first
                response was lost, the retry raises AlreadyExistsError.
        """

    def get(self, resource: Resource, namespace: str, name: str) -> JsonObject | None:
        """Return an object; None if there is none."""

    def list(
        self, resource: Resource, namespace: str, *, labels: str = "", fields: str = ""
    ) -> Listing:
        """Return all objects that match the selectors (Kubernetes' syntax)."""

    def watch(
        self, resource: Resource, namespace: str, *, labels: str, since: str
    ) -> Stream[WatchEvent]:
        """Open a stream of changes after ``since``, until the server ends it.

        Raises, also while iterating:
            ExpiredError: List again.
            ApiUnavailableError: Broken, or silent for longer than bookmarks take.
        """

    def delete(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        *,
        uid: str = "",
        grace: timedelta | None = None,
        propagation: Propagation = Propagation.BACKGROUND,
    ) -> bool:
        """Ask for deletion; False if there is none, or one with another uid.

        Args:
            resource: Kind of the object.
            namespace: Its namespace.
            name: Its name.
            uid: Precondition; "": any object of this name.
            grace: For pods: seconds between SIGTERM and SIGKILL; None: as the
                pod says; 0: remove the object without waiting for its node.
            propagation: What becomes of its dependents.
        """

    def logs(
        self, namespace: str, pod: str, *, container: str, follow: bool, tail_lines: int
    ) -> Stream[bytes]:
        """Open the log of a container as chunks of bytes.

        Args:
            namespace: Of the pod.
            pod: Its name.
            container: Name of the container.
            follow: Wait for more, until the container has ended.
            tail_lines: Maximum of present lines; -1: all.

        Raises:
            ApiUnavailableError: Also while iterating.
            RefusedError: There is no log (no such pod, not started).
        """
