"""Which informers run: one for each kind, namespace and taskmaster.

A taskmaster watches what carries its own label, and what carries that of a
predecessor whose objects it has adopted, for as long as it has them.
"""

import threading
from collections.abc import Collection
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
from tesk_taskmaster.adapters.kubernetes.book import Book, pruned
from tesk_taskmaster.ports import Say

_KINDS = (PODS, JOBS, VOLUME_CLAIMS)
_STEP = timedelta(seconds=1)


class Watching:
    """The informers of one taskmaster; thread-safe."""

    def __init__(self, api: KubernetesApi, book: Book, *, instance: str) -> None:
        """Write into ``book`` what is heard of objects of ``instance``."""
        self._api = api
        self._book = book
        self._instance = instance
        self._guard = threading.Lock()
        self._informers: dict[tuple[str, str], list[Informer[JsonObject]]] = {}

    def begin(self, namespace: str, taskmaster: str) -> list[Informer[JsonObject]]:
        """Watch what a taskmaster made in a namespace; returns at once."""
        with self._guard:
            found = self._informers.get((namespace, taskmaster))
            if found is None:
                found = [self._informer(kind, namespace, taskmaster) for kind in _KINDS]
                self._informers[namespace, taskmaster] = found
                for informer in found:
                    informer.start()
            return found

    def ensure(self, namespace: str, taskmaster: str, say: Say) -> None:
        """Return when everything that a taskmaster made there is in the book."""
        for informer in self.begin(namespace, taskmaster):
            while not informer.wait_synced(_STEP):
                say(f"waiting for the Kubernetes API: {informer.problem()}")

    def problem(self, namespace: str, taskmaster: str) -> str:
        """Return why the book may be old; "" if it is not."""
        with self._guard:
            found = self._informers.get((namespace, taskmaster), [])
        return next((text for i in found if (text := i.problem())), "")

    def keep_only(self, wanted: Collection[tuple[str, str]]) -> None:
        """Stop what watches any other namespace and taskmaster."""
        with self._guard:
            ended = [key for key in self._informers if key not in wanted]
            closing = [i for key in ended for i in self._informers.pop(key)]
        for informer in closing:
            informer.close()

    def _informer(
        self, kind: Resource, namespace: str, taskmaster: str
    ) -> Informer[JsonObject]:
        return Informer(
            self._api,
            kind,
            namespace,
            selector({INSTANCE: self._instance, TASKMASTER: taskmaster}),
            keep=pruned,
            changed=self._book.writer(kind, taskmaster),
        )
