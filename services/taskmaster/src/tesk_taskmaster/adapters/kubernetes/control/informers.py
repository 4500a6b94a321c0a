"""Runs informers: one for each kind, namespace and taskmaster.

A taskmaster watches the objects with its own label, and those of predecessors
whose attempts it has adopted, as long as it holds them.
"""

import threading
from collections.abc import Iterable
from datetime import timedelta

from tesk_kubernetes.api import (
    JOBS,
    PODS,
    VOLUME_CLAIMS,
    JsonObject,
    KubernetesApi,
    Resource,
)
from tesk_kubernetes.informer import Informer
from tesk_kubernetes.labels import INSTANCE, TASKMASTER, selector
from tesk_model.backoff import Backoff
from tesk_model.names import Attempt
from tesk_model.reasons import Reason, ReasonCode
from tesk_taskmaster.adapters.kubernetes.control.cache import ObjectCache, pruned
from tesk_taskmaster.ports import ReportReason

_KINDS = (PODS, JOBS, VOLUME_CLAIMS)
# Before the wait is reported; hundreds of attempts may wait for the same lists.
_SYNC_TIMEOUT = Backoff(first=timedelta(seconds=1), longest=timedelta(seconds=5))
_Source = tuple[str, str]  # namespace, taskmaster


class Informers:
    """The informers of one taskmaster; thread-safe."""

    def __init__(
        self, api: KubernetesApi, cache: ObjectCache, *, instance: str, taskmaster: str
    ) -> None:
        """Write changes of objects of ``instance`` into ``cache``."""
        self._api = api
        self._cache = cache
        self._instance = instance
        self._taskmaster = taskmaster
        self._lock = threading.Lock()
        self._running: dict[_Source, list[Informer[JsonObject]]] = {}
        self._wanted: dict[Attempt, set[_Source]] = {}

    def open(self, namespaces: Iterable[str]) -> None:
        """Begin to watch the objects of this taskmaster; returns at once."""
        with self._lock:
            for namespace in namespaces:
                self._start((namespace, self._taskmaster))

    def watch(
        self,
        attempt: Attempt,
        namespace: str,
        creator: str,
        report_reason: ReportReason,
    ) -> None:
        """Return when all that ``creator`` created in a namespace is in the cache.

        It is watched until ``unwatch``.
        """
        with self._lock:
            self._wanted.setdefault(attempt, set()).add((namespace, creator))
            informers = self._start((namespace, creator))
        waits = 1
        for informer in informers:
            while not informer.wait_synced(_SYNC_TIMEOUT.pause(waits)):
                waits += 1
                text = f"waiting for the Kubernetes API: {informer.problem()}"
                report_reason(Reason(ReasonCode.API_SERVER_UNREACHABLE, text))

    def unwatch(self, attempt: Attempt) -> None:
        """Stop the informers that only this attempt needs."""
        with self._lock:
            self._wanted.pop(attempt, None)
            wanted = {source for sources in self._wanted.values() for source in sources}
            ended = [
                source
                for source in self._running
                if source not in wanted and source[1] != self._taskmaster
            ]
            closing = [i for source in ended for i in self._running.pop(source)]
        for informer in closing:
            informer.close()

    def problem(self, namespace: str) -> str:
        """Return why the cache may be old; "" if it is current.

        Whoever created what is in it: informers recover one after another.
        """
        with self._lock:
            sources = [source for source in self._running if source[0] == namespace]
            found = [i for source in sources for i in self._running[source]]
        return next((text for i in found if (text := i.problem())), "")

    def close(self) -> None:
        """Stop all informers."""
        with self._lock:
            closing = [i for found in self._running.values() for i in found]
            self._running.clear()
        for informer in closing:
            informer.close()

    def _start(self, source: _Source) -> list[Informer[JsonObject]]:
        found = self._running.get(source)
        if found is None:
            found = [self._informer(kind, *source) for kind in _KINDS]
            self._running[source] = found
            for informer in found:
                informer.start()
        return found

    def _informer(
        self, kind: Resource, namespace: str, taskmaster: str
    ) -> Informer[JsonObject]:
        return Informer(
            self._api,
            kind,
            namespace,
            selector({INSTANCE: self._instance, TASKMASTER: taskmaster}),
            prune=pruned,
            on_change=self._cache.writer(kind, taskmaster),
        )
