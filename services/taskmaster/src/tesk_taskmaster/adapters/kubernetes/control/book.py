"""What the cluster last said of the objects of each attempt.

Fed by informers alone, each on its thread, so that it is never older than what
was read from it. The last version of a deleted object is kept for as long as
its attempt is in hand: a pod's end may be told in its last version only.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from tesk_kubernetes.api import PODS, JsonObject, Resource
from tesk_kubernetes.labels import attempt_of
from tesk_model.names import Attempt


@dataclass(frozen=True, slots=True)
class Entry:
    """One object: its last version, and whether it is gone since."""

    object: JsonObject
    is_gone: bool = False

    @property
    def uid(self) -> str:
        """Tell this object from another of its name."""
        return str(self.object["metadata"]["uid"])


def pruned(body: JsonObject) -> JsonObject:
    """Keep of an object what steps are judged by; a tenth of a pod."""
    metadata, spec = body["metadata"], body.get("spec", {})
    kept = ("name", "uid", "labels", "creationTimestamp", "deletionTimestamp")
    return {
        "metadata": {key: metadata[key] for key in kept if key in metadata}
        | {
            "ownerReferences": [
                {key: owner[key] for key in ("kind", "name", "uid")}
                for owner in metadata.get("ownerReferences") or ()
            ]
        },
        "spec": {key: spec[key] for key in ("nodeName",) if key in spec},
        "status": body.get("status") or {},
    }


def is_pod_of(pod: JsonObject, job_uid: str) -> bool:
    """Tell whether a pruned pod is of a Job."""
    return any(owner["uid"] == job_uid for owner in pod["metadata"]["ownerReferences"])


_Key = tuple[str, str, str]  # kind, name, and who tells of it


class Book:
    """Objects by attempt, kind and name; thread-safe."""

    def __init__(self) -> None:
        """Begin with nothing known."""
        self._lock = threading.Lock()
        self._pages: dict[Attempt, dict[_Key, Entry]] = {}
        self._owners: dict[_Key, Attempt] = {}
        self._held: dict[Attempt, threading.Condition] = {}
        self._versions: dict[Attempt, int] = {}

    def hold(self, attempt: Attempt) -> None:
        """Keep what is deleted, too, and let ``wait`` hear of changes."""
        with self._lock:
            self._held.setdefault(attempt, threading.Condition(self._lock))

    def drop(self, attempt: Attempt) -> None:
        """Forget what is gone of an attempt; wakes who waits."""
        with self._lock:
            condition = self._held.pop(attempt, None)
            self._versions.pop(attempt, None)
            if condition is not None:
                condition.notify_all()
            for key, entry in list(self._pages.get(attempt, {}).items()):
                if entry.is_gone:
                    self._remove(attempt, key)

    def writer(
        self, resource: Resource, source: str
    ) -> Callable[[str, JsonObject | None], None]:
        """Return what an informer of this kind tells its changes to.

        Args:
            resource: The kind.
            source: Which informer: an object that one sees go may have been
                made again, and seen by another, before.
        """

        def write(name: str, body: JsonObject | None) -> None:
            key = (resource.plural, name, source)
            with self._lock:
                attempt = self._write(key, body)
                condition = self._held.get(attempt) if attempt else None
                if attempt is not None and condition is not None:
                    self._versions[attempt] = self._versions.get(attempt, 0) + 1
                    condition.notify_all()

        return write

    def get(self, attempt: Attempt, resource: Resource, name: str) -> Entry | None:
        """Return an object of an attempt; None if it was never seen."""
        found = [
            entry
            for entry in self.all(attempt, resource)
            if entry.object["metadata"]["name"] == name
        ]
        return max(found, key=_freshness, default=None)

    def all(self, attempt: Attempt, resource: Resource) -> list[Entry]:
        """Return the objects of a kind, in the order of their names."""
        with self._lock:
            page = sorted(self._pages.get(attempt, {}).items(), key=_place)
        return [entry for (plural, _, _), entry in page if plural == resource.plural]

    def pod_of(self, attempt: Attempt, job: JsonObject) -> Entry | None:
        """Return the pod of a Job; the youngest, should there ever be two."""
        uid = job["metadata"]["uid"]
        pods = self.all(attempt, PODS)
        found = [entry for entry in pods if is_pod_of(entry.object, uid)]
        return max(found, key=_freshness, default=None)

    def version(self, attempt: Attempt) -> int:
        """Return a number that grows with each change of the attempt."""
        with self._lock:
            return self._versions.get(attempt, 0)

    def wait(self, attempt: Attempt, since: int, timeout: timedelta) -> None:
        """Wait until something changes after version ``since``, or it is dropped."""
        with self._lock:
            condition = self._held.get(attempt)
            if condition is not None:
                condition.wait_for(
                    lambda: (
                        self._versions.get(attempt, 0) != since
                        or attempt not in self._held
                    ),
                    timeout.total_seconds(),
                )

    def _write(self, key: _Key, body: JsonObject | None) -> Attempt | None:
        if body is not None:
            attempt = attempt_of(body)
            if attempt is not None:
                self._pages.setdefault(attempt, {})[key] = Entry(body)
                self._owners[key] = attempt
            return attempt
        attempt = self._owners.get(key)
        if attempt is None:
            return None
        if attempt in self._held:
            page = self._pages[attempt]
            page[key] = Entry(page[key].object, is_gone=True)
        else:
            self._remove(attempt, key)
        return attempt

    def _remove(self, attempt: Attempt, key: _Key) -> None:
        self._owners.pop(key, None)
        page = self._pages.get(attempt, {})
        page.pop(key, None)
        if not page:
            self._pages.pop(attempt, None)


def _place(item: tuple[_Key, Entry]) -> _Key:
    return item[0]


def _freshness(entry: Entry) -> tuple[bool, str]:
    return not entry.is_gone, entry.object["metadata"]["creationTimestamp"]
