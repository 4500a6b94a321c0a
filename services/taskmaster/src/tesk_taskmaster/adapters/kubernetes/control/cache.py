"""Caches the objects of each attempt.

Only informers write to it. The last version of a deleted object is kept as long as
its attempt is held: a pod's end may be in its last version only. What an informer has
written goes with it: nobody would tell of its end.
"""

import itertools
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta

from tesk_kubernetes.api import PODS, JsonObject, Resource
from tesk_kubernetes.labels import attempt_of
from tesk_model.names import Attempt

_METADATA = ("name", "uid", "labels", "creationTimestamp", "deletionTimestamp")
_SPEC = ("nodeName", "suspend")
_STATUS = ("phase", "reason", "message")
_CONDITION = ("type", "status", "reason", "message", "lastTransitionTime")
_CONTAINER = ("name", "image", "imageID", "state")
_STATUS_LISTS = {
    "conditions": _CONDITION,
    "initContainerStatuses": _CONTAINER,
    "containerStatuses": _CONTAINER,
}


@dataclass(frozen=True, slots=True)
class Entry:
    """The last version of an object, and whether it was deleted."""

    object: JsonObject
    is_gone: bool = False

    @property
    def name(self) -> str:
        """Name of the object."""
        return str(self.object["metadata"]["name"])

    @property
    def uid(self) -> str:
        """UID of the object."""
        return str(self.object["metadata"]["uid"])


def pruned(body: JsonObject) -> JsonObject:
    """Return the parts of an object by which steps are judged; a tenth of a pod.

    All else changes more often than these, and each change wakes the attempt.
    """
    metadata, spec = body["metadata"], body.get("spec") or {}
    status = body.get("status") or {}
    return {
        "metadata": _chosen(metadata, _METADATA)
        | {
            "ownerReferences": [
                {key: owner[key] for key in ("kind", "name", "uid")}
                for owner in metadata.get("ownerReferences") or ()
            ]
        },
        "spec": _chosen(spec, _SPEC),
        "status": _chosen(status, _STATUS)
        | {
            key: [_chosen(each, kept) for each in status[key]]
            for key, kept in _STATUS_LISTS.items()
            if status.get(key)
        },
    }


def _chosen(given: JsonObject, keys: tuple[str, ...]) -> JsonObject:
    return {key: given[key] for key in keys if key in given}


def is_pod_of(pod: JsonObject, job_uid: str) -> bool:
    """Tell whether a pruned pod is of a Job."""
    return any(owner["uid"] == job_uid for owner in pod["metadata"]["ownerReferences"])


_Key = tuple[str, str, int]  # kind, name, and source (informers)


class AttemptObjects:
    """The objects of one attempt; thread-safe.

    Attributes:
        is_retained: Deleted objects are kept.
    """

    def __init__(self) -> None:
        """Begin empty."""
        self.is_retained = False
        self._changed = threading.Condition()
        self._entries: dict[_Key, Entry] = {}
        self._version = 0

    def get(self, resource: Resource, name: str) -> Entry | None:
        """Return an object; None if it is not in the cache."""
        found = [entry for entry in self.all(resource) if entry.name == name]
        return max(found, key=_freshness, default=None)

    def all(self, resource: Resource) -> list[Entry]:
        """Return the objects of a kind, in the order of their names."""
        with self._changed:
            found = sorted(self._entries.items(), key=lambda item: item[0])
        return [entry for (kind, _, _), entry in found if kind == resource.plural]

    def pod_of(self, job_uid: str) -> Entry | None:
        """Return the pod of a Job; the youngest, if there are two."""
        pods = self.all(PODS)
        found = [entry for entry in pods if is_pod_of(entry.object, job_uid)]
        return max(found, key=_freshness, default=None)

    @property
    def version(self) -> int:
        """A number that grows with each change."""
        return self._version

    def touch(self) -> None:
        """Wake waiters: something has changed that is not in the cache."""
        with self._changed:
            self._notify()

    def wait(self, since: int, timeout: timedelta) -> None:
        """Wait until something changes after version ``since``."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._version != since, timeout.total_seconds()
            )

    def put(self, key: _Key, body: JsonObject | None) -> None:
        """Store a new version of an object; None: it was deleted."""
        with self._changed:
            if body is not None:
                self._entries[key] = Entry(body)
            elif self.is_retained:
                self._entries[key] = Entry(self._entries[key].object, is_gone=True)
            else:
                del self._entries[key]
            self._notify()

    def forget(self) -> set[_Key]:
        """Stop retaining: forget deleted objects, and wake waiters."""
        with self._changed:
            self.is_retained = False
            gone = {key for key, entry in self._entries.items() if entry.is_gone}
            self.drop(gone)
        return gone

    def drop(self, keys: Iterable[_Key]) -> None:
        """Drop objects, deleted or not, and wake waiters."""
        with self._changed:
            for key in keys:
                del self._entries[key]
            self._notify()

    def is_empty(self) -> bool:
        """Tell whether it has no objects."""
        with self._changed:
            return not self._entries

    def _notify(self) -> None:
        self._version += 1
        self._changed.notify_all()


class ObjectCache:
    """Objects of all attempts; thread-safe."""

    def __init__(self) -> None:
        """Begin empty."""
        self._lock = threading.Lock()
        self._attempts: dict[Attempt, AttemptObjects] = {}
        self._owners: dict[_Key, Attempt] = {}
        self._numbers = itertools.count()
        self._sources: set[int] = set()

    def retain(self, attempt: Attempt) -> AttemptObjects:
        """Retain deleted objects of an attempt from now on."""
        with self._lock:
            objects = self._attempts.setdefault(attempt, AttemptObjects())
            objects.is_retained = True
            return objects

    def release(self, attempt: Attempt) -> None:
        """Forget the deleted objects of an attempt; wakes waiters."""
        with self._lock:
            objects = self._attempts.get(attempt)
            if objects is not None:
                for key in objects.forget():
                    self._owners.pop(key, None)
                self._drop_if_empty(attempt, objects)

    def open_source(self) -> int:
        """Return the number of a new source, whose informers may write."""
        with self._lock:
            source = next(self._numbers)
            self._sources.add(source)
            return source

    def close_source(self, source: int) -> None:
        """Forget what informers of a source have written, and what they write later.

        Another source may have written of the same objects, and keeps that.
        """
        with self._lock:
            self._sources.remove(source)
            ended = {key: of for key, of in self._owners.items() if key[2] == source}
            for key, attempt in ended.items():
                del self._owners[key]
                objects = self._attempts[attempt]
                objects.drop([key])
                self._drop_if_empty(attempt, objects)

    def writer(
        self, resource: Resource, source: int
    ) -> Callable[[str, JsonObject | None], None]:
        """Return the callback for changes of an informer.

        Args:
            resource: The kind.
            source: Of the informer: an object that one reports as deleted may
                have been created again, and reported by another, before.
        """

        def write(name: str, body: JsonObject | None) -> None:
            key = (resource.plural, name, source)
            with self._lock:
                if source not in self._sources:
                    return
                attempt = self._owners.get(key) if body is None else attempt_of(body)
                if attempt is None:
                    return
                objects = self._attempts.setdefault(attempt, AttemptObjects())
                objects.put(key, body)
                if body is not None or objects.is_retained:
                    self._owners[key] = attempt
                else:
                    del self._owners[key]
                    self._drop_if_empty(attempt, objects)

        return write

    def _drop_if_empty(self, attempt: Attempt, objects: AttemptObjects) -> None:
        if not objects.is_retained and objects.is_empty():
            del self._attempts[attempt]


def _freshness(entry: Entry) -> tuple[bool, str]:
    return not entry.is_gone, entry.object["metadata"]["creationTimestamp"]
