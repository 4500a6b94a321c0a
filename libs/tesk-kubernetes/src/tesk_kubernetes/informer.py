"""Caches objects of the cluster by list and watch.

The only watch loop of TESK. It recovers: it lists again when its resource version has
expired (410) and at intervals, and it resumes the watch after any failure. While the
API server is unavailable, the cache stays as it is.

Source:
    Kubernetes API concepts, "Efficient detection of changes".
"""

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Generic, TypeVar

from tesk_kubernetes.api import (
    EventType,
    ExpiredError,
    JsonObject,
    KubernetesApi,
    KubernetesError,
    Resource,
    Stream,
    WatchEvent,
)
from tesk_model.backoff import Backoff

T = TypeVar("T")

_logger = logging.getLogger(__name__)
_BACKOFF = Backoff(first=timedelta(seconds=0.5), longest=timedelta(seconds=20))


@dataclass(frozen=True, slots=True)
class InformerTiming:
    """Intervals of an informer.

    Attributes:
        relist: Interval between two lists of all objects.
        backoff: Pause after failures in a row. Up to half is added as jitter.
    """

    relist: timedelta = timedelta(minutes=15)
    backoff: Backoff = _BACKOFF


class Informer(Generic[T]):
    """Caches the objects of one kind that match a selector, in one namespace or in all."""

    def __init__(  # noqa: PLR0913 - what to watch, and what to do with it
        self,
        api: KubernetesApi,
        resource: Resource,
        namespace: str,
        labels: str,
        *,
        prune: Callable[[JsonObject], T],
        on_change: Callable[[str, T | None], None],
        timing: InformerTiming | None = None,
    ) -> None:
        """Make it; ``start`` runs it.

        Args:
            api: Of the cluster.
            resource: Kind of the objects.
            namespace: Where they are; "": everywhere. What has a namespace is then
                cached, and told, by it and the name: ``default/web``.
            labels: Selector; "": all.
            prune: Returns what is cached of an object. Two versions with an equal
                result are not a change.
            on_change: Called on the informer's thread with the name and the cached
                value (None: deleted), after the cache has changed.
            timing: Intervals.
        """
        self._api = api
        self._resource = resource
        self._namespace = namespace
        self._labels = labels
        self._prune = prune
        self._on_change = on_change
        self._timing = timing or InformerTiming()
        self._cached: dict[str, T] = {}
        self._lock = threading.Lock()
        self._synced = threading.Event()
        self._stopped = threading.Event()
        self._stream: Stream[WatchEvent] | None = None
        self._failures = 0
        self._problem = ""
        self._thread = threading.Thread(
            target=self._run, name=f"informer-{resource.plural}", daemon=True
        )

    def start(self) -> None:
        """Start to list and watch, on a thread of its own."""
        self._thread.start()

    def close(self) -> None:
        """Stop; the cache stays readable. May be called twice, or before start."""
        with self._lock:
            self._stopped.set()
            stream = self._stream
        if stream is not None:
            stream.close()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout=5)

    def wait_synced(self, timeout: timedelta) -> bool:
        """Wait until all objects were listed once; False if that took too long."""
        return self._synced.wait(timeout.total_seconds())

    def problem(self) -> str:
        """Return why the cache may be stale, for people; "" if it is not."""
        return self._problem

    def snapshot(self) -> dict[str, T]:
        """Return all cached values, by name."""
        with self._lock:
            return dict(self._cached)

    def get(self, name: str) -> T | None:
        """Return the cached value of one object; None if there is none."""
        with self._lock:
            return self._cached.get(name)

    def _run(self) -> None:
        position = _Position()
        while not self._stopped.is_set():
            try:
                self._list_and_watch(position)
            except ExpiredError as error:
                if not position.heard:  # so soon after a list: pause before another
                    self._pause(str(error))
                position.version = ""
            except KubernetesError as error:
                self._pause(str(error))
            except Exception as error:
                _logger.exception("informer callback failed", extra=self._names())
                position.version = ""
                self._pause(str(error))

    def _list_and_watch(self, position: "_Position") -> None:
        """List if that is due, and watch until the stream ends or a list is due."""
        if not position.version or time.monotonic() >= position.list_due:
            position.version = self._list()
            position.list_due = time.monotonic() + self._timing.relist.total_seconds()
            position.heard = False
            self._clear_problem()
        heard = False
        with self._open(position.version) as stream:
            for event in stream:
                heard = position.heard = True
                self._take(event)
                position.version = event.object["metadata"]["resourceVersion"]
                self._clear_problem()
                if time.monotonic() >= position.list_due:
                    return
        if not heard:
            self._pause("the API server ended the watch")

    def _open(self, version: str) -> Stream[WatchEvent]:
        stream = self._api.watch(
            self._resource, self._namespace, labels=self._labels, since=version
        )
        with self._lock:
            self._stream = stream
            stopped = self._stopped.is_set()
        if stopped:
            stream.close()
        return stream

    def _take(self, event: WatchEvent) -> None:
        if event.type is EventType.BOOKMARK:
            return
        name = self._key(event.object)
        # The last version may be the first that says how an object ended.
        self._store(name, self._prune(event.object))
        if event.type is EventType.DELETED:
            self._store(name, None)

    def _list(self) -> str:
        listing = self._api.list(self._resource, self._namespace, labels=self._labels)
        found = {self._key(item): self._prune(item) for item in listing.items}
        for name in self.snapshot().keys() - found.keys():
            self._store(name, None)
        for name, kept in found.items():
            self._store(name, kept)
        self._synced.set()
        return listing.resource_version

    def _key(self, body: JsonObject) -> str:
        metadata = body["metadata"]
        name: str = metadata["name"]
        place = "" if self._namespace else metadata.get("namespace", "")
        return f"{place}/{name}" if place else name

    def _store(self, name: str, kept: T | None) -> None:
        with self._lock:
            if self._cached.get(name) == kept:
                return
            if kept is None:
                del self._cached[name]
            else:
                self._cached[name] = kept
        self._on_change(name, kept)

    def _clear_problem(self) -> None:
        if self._problem:
            _logger.info("informer recovered", extra=self._names())
        self._failures, self._problem = 0, ""

    def _pause(self, problem: str) -> None:
        if self._stopped.is_set():
            return
        if problem != self._problem:
            _logger.warning("informer failed", extra=self._names() | {"cause": problem})
        self._problem = problem
        self._failures += 1
        pause = self._timing.backoff.pause(self._failures).total_seconds()
        self._stopped.wait(pause * random.uniform(1, 1.5))  # noqa: S311 - jitter

    def _names(self) -> dict[str, str]:
        return {"resource": self._resource.plural, "namespace": self._namespace}


@dataclass(slots=True)
class _Position:
    """Position of an informer in the history of its objects.

    Attributes:
        version: Resource version to watch from; "": list first.
        list_due: When all objects are to be listed again.
        heard: Whether an event has come since the last list.
    """

    version: str = ""
    list_due: float = 0.0
    heard: bool = False
