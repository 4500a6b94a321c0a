"""Runs informers: one for each kind, namespace and taskmaster.

A taskmaster watches the objects with its own label, and those of predecessors
whose attempts it has adopted, as long as it holds them.
"""

import threading
from collections.abc import Iterable
from dataclasses import dataclass
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
_Creator = tuple[str, str]  # namespace, taskmaster


@dataclass(frozen=True, slots=True)
class _Running:
    """The informers of what one taskmaster created, and their source in the cache."""

    source: int
    informers: list[Informer[JsonObject]]

    def close(self) -> None:
        for informer in self.informers:
            informer.close()


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
        self._running: dict[_Creator, _Running] = {}
        self._wanted: dict[Attempt, set[_Creator]] = {}

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
            informers = self._start((namespace, creator)).informers
        waits = 1
        for informer in informers:
            while not informer.wait_synced(_SYNC_TIMEOUT.pause(waits)):
                waits += 1
                text = f"waiting for the Kubernetes API: {informer.problem()}"
                report_reason(Reason(ReasonCode.API_SERVER_UNREACHABLE, text))

    def unwatch(self, attempt: Attempt) -> None:
        """Stop the informers that only this attempt needs; forget what they cached."""
        with self._lock:
            self._wanted.pop(attempt, None)
            wanted = set().union(*self._wanted.values())
            ended = [
                creator
                for creator in self._running
                if creator not in wanted and creator[1] != self._taskmaster
            ]
            closing = [self._running.pop(creator) for creator in ended]
            # Before anybody watches the same again, who would take it for current.
            for each in closing:
                self._cache.close_source(each.source)
        for each in closing:
            each.close()

    def problem(self, namespace: str) -> str:
        """Return why the cache may be old; "" if it is current.

        Whoever created what is in it: informers recover one after another.
        """
        with self._lock:
            running = [
                each
                for creator, each in self._running.items()
                if creator[0] == namespace
            ]
        found = [informer for each in running for informer in each.informers]
        return next((text for i in found if (text := i.problem())), "")

    def close(self) -> None:
        """Stop all informers."""
        with self._lock:
            closing = list(self._running.values())
            self._running.clear()
        for each in closing:
            each.close()

    def _start(self, creator: _Creator) -> _Running:
        found = self._running.get(creator)
        if found is None:
            source = self._cache.open_source()
            found = _Running(
                source, [self._informer(kind, *creator, source) for kind in _KINDS]
            )
            self._running[creator] = found
            for informer in found.informers:
                informer.start()
        return found

    def _informer(
        self, kind: Resource, namespace: str, taskmaster: str, source: int
    ) -> Informer[JsonObject]:
        return Informer(
            self._api,
            kind,
            namespace,
            selector({INSTANCE: self._instance, TASKMASTER: taskmaster}),
            prune=pruned,
            on_change=self._cache.writer(kind, source),
        )
