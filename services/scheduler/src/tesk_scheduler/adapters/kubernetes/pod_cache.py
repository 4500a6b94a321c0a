"""Caches the pods of taskmasters by name.

It merges three sources: the watch, which is late; pods that were created a moment
ago, which the watch does not have yet; and pods that were removed a moment ago,
which it still has.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from tesk_scheduler.adapters.kubernetes.pods import Liveness, PodStatus

_CAPACITY = 1000


class TaskmasterPodCache:
    """Keeps the status of each pod, and the last one of past pods. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._present: dict[str, PodStatus] = {}
        self._has_started: OrderedDict[str, PodStatus] = OrderedDict()
        self._removed: OrderedDict[str, None] = OrderedDict()

    def get(self, name: str) -> PodStatus | None:
        """Return the status of an existing pod."""
        with self._lock:
            return self._present.get(name)

    def last(self, name: str) -> PodStatus | None:
        """Return the status of an existing or past pod."""
        with self._lock:
            return self._present.get(name) or self._has_started.get(name)

    def with_liveness(self, liveness: Liveness) -> set[str]:
        """Return the ids of taskmasters whose pods exist with that liveness."""
        with self._lock:
            return {
                status.taskmaster
                for status in self._present.values()
                if status.liveness is liveness
            }

    def update(self, name: str, status: PodStatus | None) -> bool:
        """Apply an event of the watch; return whether the status changed."""
        with self._lock:
            before = self._present.get(name)
            if status is None:
                self._move_to_past(name, otherwise="its pod was deleted")
            elif status.uid in self._removed or not status.taskmaster:
                return False
            else:
                self._present[name] = status
            return status != before

    @contextmanager
    def expecting(
        self, name: str, taskmaster_id: str, namespace: str
    ) -> Iterator[Callable[[PodStatus], None]]:
        """Count a pod as existing while it is being created.

        Yields:
            A function to call with the created pod. If it is not called, the pod
            exists only if the watch reports it.
        """
        expected = PodStatus(
            taskmaster=taskmaster_id,
            namespace=namespace,
            uid="",
            liveness=Liveness.ALIVE,
        )
        with self._lock:
            self._present.setdefault(name, expected)

        def settle(status: PodStatus | None) -> None:
            with self._lock:
                # An event of the watch in the meantime is newer.
                if self._present.get(name) is not expected:
                    return
                if status is None:
                    del self._present[name]
                else:
                    self._present[name] = status

        try:
            yield settle
        finally:
            settle(None)

    def remove(self, name: str, status: PodStatus) -> None:
        """Count a pod as removed."""
        with self._lock:
            self._removed[status.uid] = None
            while len(self._removed) > _CAPACITY:
                self._removed.popitem(last=False)
            self._present.setdefault(name, status)
            if self._present[name].uid == status.uid:
                self._move_to_past(name)

    def _move_to_past(self, name: str, *, otherwise: str = "") -> None:
        status = self._present.pop(name, None)
        if status is None:
            return
        if status.liveness is not Liveness.ENDED and not status.message:
            status = replace(status, message=otherwise)
        self._has_started[name] = status
        while len(self._has_started) > _CAPACITY:
            self._has_started.popitem(last=False)
