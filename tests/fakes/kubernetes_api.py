"""A cluster's API in memory, that keeps the contract of ``KubernetesApi``.

It stores, lists, watches and collects garbage; it validates names alone, and
runs nothing: ``fakes.kubernetes_cluster`` does that.
"""

import copy
import itertools
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from fakes.kubernetes_faults import Faults
from fakes.kubernetes_logs import ENDED, Logs
from fakes.kubernetes_selectors import matches
from fakes.kubernetes_streams import Change, FakeStream, Watches
from tesk_kubernetes.api import (
    PODS,
    AlreadyExistsError,
    EventType,
    ExpiredError,
    JsonObject,
    KubernetesError,
    Listing,
    Propagation,
    QuotaExceededError,
    RefusedError,
    Resource,
    WatchEvent,
)

_NAME = re.compile(r"[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?")
_Key = tuple[Resource, str, str]
Bodies = list[JsonObject]


class FakeKubernetesApi:
    """The API, and knobs for tests: faults, quotas, logs, cut watches.

    ``listeners`` are called with each change, at once and on the caller's
    thread; they may call the fake themselves. ``listed`` is the number of objects
    that lists have returned.
    """

    def __init__(self) -> None:
        self.listeners: list[Callable[[Resource, WatchEvent], None]] = []
        self.faults = Faults()
        self.listed = 0
        self.quotas: dict[tuple[Resource, str], int] = {}
        self._objects: dict[_Key, JsonObject] = {}
        self._uids = itertools.count(1)
        self._version = 1
        self._watches = Watches()
        self._logs = Logs()
        self._lock = threading.RLock()

    # The port.

    def create(
        self, resource: Resource, namespace: str, body: Mapping[str, Any]
    ) -> JsonObject:
        with self._lock:
            return self.faults.call(
                "create", resource, lambda: self._create(resource, namespace, body)
            )

    def get(self, resource: Resource, namespace: str, name: str) -> JsonObject | None:
        with self._lock:
            return self.faults.call(
                "get", resource, lambda: self.peek(resource, namespace, name)
            )

    def list(
        self, resource: Resource, namespace: str, *, labels: str = "", fields: str = ""
    ) -> Listing:
        def find() -> Listing:
            found = [
                _without_kind(copy.deepcopy(body))
                for body in self._of(resource, namespace)
                if matches(body, labels=labels, fields=fields)
            ]
            self.listed += len(found)
            return Listing(found, str(self._version))

        with self._lock:
            return self.faults.call("list", resource, find)

    def watch(
        self, resource: Resource, namespace: str, *, labels: str, since: str
    ) -> FakeStream[WatchEvent]:
        with self._lock:
            return self.faults.call(
                "watch",
                resource,
                lambda: self._watches.open(resource, namespace, labels, int(since)),
            )

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
        def remove() -> bool:
            body = self._objects.get((resource, namespace, name))
            if body is None or (uid and body["metadata"]["uid"] != uid):
                return False
            self._delete((resource, namespace, name), grace, propagation)
            return True

        with self._lock:
            return self.faults.call("delete", resource, remove)

    def logs(
        self, namespace: str, pod: str, *, container: str, follow: bool, tail_lines: int
    ) -> FakeStream[bytes]:
        with self._lock:
            return self.faults.call(
                "logs",
                PODS,
                lambda: self._logs.open(
                    (namespace, pod, container),
                    self._objects.get((PODS, namespace, pod)),
                    follow=follow,
                    tail_lines=tail_lines,
                ),
            )

    # Knobs.

    def fail_next(
        self,
        verb: str,
        resource: Resource,
        error: KubernetesError,
        *,
        times: int = 1,
        after: bool = False,
    ) -> None:
        """Let calls fail; ``after``: they are carried out and the answer is lost."""
        with self._lock:
            self.faults.fail_next(verb, resource, error, times=times, after=after)

    def down(self) -> None:
        """Answer nothing, and cut all streams."""
        with self._lock:
            self.faults.is_down = True
            self._watches.cut()
            self._logs.cut()

    def up(self) -> None:
        with self._lock:
            self.faults.is_down = False

    def watches(self) -> Watches:
        """Return the open watches: to cut, end, mute them."""
        return self._watches

    def forget(self) -> None:
        """Forget all changes so far: nobody can watch from before."""
        with self._lock:
            self._watches.forget(self._version)

    def expire(self) -> None:
        """Forget all changes so far, and tell all who watch to list again."""
        with self._lock:
            self._version += 1
            self._watches.forget(self._version)
            self._watches.end(ExpiredError("too old resource version"))

    def bookmark(self) -> None:
        with self._lock:
            self._watches.bookmark(self._version)

    def peek(self, resource: Resource, namespace: str, name: str) -> JsonObject | None:
        """Return a copy of an object; no call of the API."""
        with self._lock:
            return copy.deepcopy(self._objects.get((resource, namespace, name)))

    def all(self, resource: Resource, namespace: str = "") -> Bodies:
        """Return copies of all objects of a kind; no call of the API."""
        with self._lock:
            return [copy.deepcopy(body) for body in self._of(resource, namespace)]

    def plant(
        self, resource: Resource, namespace: str, body: Mapping[str, Any]
    ) -> JsonObject:
        """Create as a controller or an administrator does: past faults."""
        with self._lock:
            return self._create(resource, namespace, body)

    def change(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        edit: Callable[[JsonObject], None],
    ) -> JsonObject:
        """Edit an object as a controller does (status, conditions, deletion)."""
        with self._lock:
            key = (resource, namespace, name)
            new = copy.deepcopy(self._objects[key])
            edit(new)
            self._store(key, new, EventType.MODIFIED)
            return copy.deepcopy(new)

    def vanish(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        *,
        last: Callable[[JsonObject], None] | None = None,
    ) -> None:
        """Remove an object and what it owns at once, as finalizers come off.

        ``last`` edits the version that is told to go, which none came before.
        """
        with self._lock:
            if last is not None:
                last(self._objects[resource, namespace, name])
            self._remove((resource, namespace, name), Propagation.BACKGROUND)

    def add_log(
        self, namespace: str, pod: str, data: bytes, *, container: str = "main"
    ) -> None:
        """Add to the log of a container."""
        with self._lock:
            self._logs.say((namespace, pod, container), data)

    def add_log_late(
        self, namespace: str, pod: str, data: bytes, *, after_reads: int
    ) -> None:
        """Add to the log of ``main`` when it has been opened so many times more.

        As a container runtime does that writes a stream after the container's end.
        """
        with self._lock:
            key = (namespace, pod, "main")
            self._logs.say_late(key, data, after_reads=after_reads)

    # Within.

    def _of(self, resource: Resource, namespace: str) -> Iterator[JsonObject]:
        for (kind, place, _), body in sorted(
            self._objects.items(), key=lambda item: item[0][2]
        ):
            if kind == resource and namespace in ("", place):
                yield body

    def _create(
        self, resource: Resource, namespace: str, body: Mapping[str, Any]
    ) -> JsonObject:
        metadata = body.get("metadata", {})
        name = metadata.get("name") or f"{metadata['generateName']}{next(self._uids)}"
        if not _NAME.fullmatch(name):
            raise RefusedError(f'{resource.kind} "{name}" is invalid: metadata.name')
        quota = self.quotas.get((resource, namespace))
        if quota is not None and len(list(self._of(resource, namespace))) >= quota:
            raise QuotaExceededError(f'{resource.plural} "{name}": exceeded quota')
        key = (resource, namespace, name)
        if key in self._objects:
            raise AlreadyExistsError(f'{resource.plural} "{name}" already exists')
        new = copy.deepcopy(dict(body))
        new |= {"apiVersion": resource.api_version, "kind": resource.kind}
        new["metadata"] = dict(new.get("metadata", {})) | {
            "name": name,
            "namespace": namespace,
            "uid": f"uid-{next(self._uids)}",
            "creationTimestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        if resource == PODS:
            new.setdefault("status", {"phase": "Pending"})
        self._store(key, new, EventType.ADDED)
        created = copy.deepcopy(new)
        owners = new["metadata"].get("ownerReferences", [])
        if owners and not self._any_lives(owners):
            self._delete(key, None, Propagation.BACKGROUND)
        return created

    def _store(self, key: _Key, new: JsonObject, event: EventType) -> None:
        self._version += 1
        new["metadata"]["resourceVersion"] = str(self._version)
        old = self._objects.get(key)
        if event is EventType.DELETED:
            del self._objects[key]
        else:
            self._objects[key] = new
        seen = copy.deepcopy(new)
        self._watches.tell(Change(self._version, key[0], key[1], event, old, seen))
        if key[0] == PODS and (
            event is EventType.DELETED or new["status"].get("phase") in ENDED
        ):
            self._logs.end(key[1], key[2])
        elif key[0] == PODS:
            self._logs.end_of_containers(key[1], new)
        for listener in list(self.listeners):
            listener(key[0], WatchEvent(event, copy.deepcopy(new)))

    def _delete(
        self, key: _Key, grace: timedelta | None, propagation: Propagation
    ) -> None:
        """Remove, or of a pod on a node: ask its kubelet to."""
        body = self._objects[key]
        waits = (
            key[0] == PODS
            and body["spec"].get("nodeName")
            and body["status"].get("phase") not in ENDED
            and grace != timedelta(0)
        )
        if not (waits or body["metadata"].get("finalizers")):
            self._remove(key, propagation)
        elif "deletionTimestamp" not in body["metadata"]:
            due = datetime.now(UTC) + (grace or timedelta(seconds=30))
            new = copy.deepcopy(body)
            new["metadata"]["deletionTimestamp"] = due.strftime("%Y-%m-%dT%H:%M:%SZ")
            self._store(key, new, EventType.MODIFIED)

    def _remove(self, key: _Key, propagation: Propagation) -> None:
        body = copy.deepcopy(self._objects[key])
        self._store(key, body, EventType.DELETED)
        uid = body["metadata"]["uid"]
        for owned, dependent in list(self._objects.items()):
            owners = dependent["metadata"].get("ownerReferences", [])
            if owned not in self._objects or all(o["uid"] != uid for o in owners):
                continue
            if propagation is Propagation.ORPHAN:
                new = copy.deepcopy(dependent)
                new["metadata"]["ownerReferences"] = [
                    owner for owner in owners if owner["uid"] != uid
                ]
                self._store(owned, new, EventType.MODIFIED)
            elif not self._any_lives(owners):
                self._delete(owned, None, Propagation.BACKGROUND)

    def _any_lives(self, owners: Bodies) -> bool:
        living = {body["metadata"]["uid"] for body in self._objects.values()}
        return any(owner["uid"] in living for owner in owners)


def _without_kind(body: JsonObject) -> JsonObject:
    """Leave out what a list says once for all its items."""
    return {key: body[key] for key in body if key not in ("apiVersion", "kind")}
