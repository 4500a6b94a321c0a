"""The pods of taskmasters as last heard of, by name. Thread-safe.

Three sources agree here: the watch, which is late; what was made a moment ago,
which the watch does not know yet; and what was removed a moment ago, which it
still does.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from tesk_scheduler.adapters.kubernetes.pods import Liveness, PodStatus

_MOST = 1000


class TaskmasterPodCache:
    """Knows each pod that is there, and how the last ones were that are not."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._present: dict[str, PodStatus] = {}
        self._has_started: OrderedDict[str, PodStatus] = OrderedDict()
        self._removed: OrderedDict[str, None] = OrderedDict()

    def get(self, name: str) -> PodStatus | None:
        """Return a pod that is there."""
        with self._lock:
            return self._present.get(name)

    def last(self, name: str) -> PodStatus | None:
        """Return a pod that is or was there."""
        with self._lock:
            return self._present.get(name) or self._has_started.get(name)

    def with_liveness(self, liveness: Liveness) -> set[str]:
        """Return the ids of taskmasters whose pods are there and in that state."""
        with self._lock:
            return {
                status.taskmaster
                for status in self._present.values()
                if status.liveness is liveness
            }

    def note(self, name: str, status: PodStatus | None) -> bool:
        """Take down what the watch says; return whether that is news."""
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
        """Count a pod as there while it is being made.

        Yields:
            To be called with the pod as made. If that does not happen, it is
            there only if the watch says so.
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
                # What the watch said meanwhile is newer, even if it has gone.
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
        """Count a pod as gone."""
        with self._lock:
            self._removed[status.uid] = None
            while len(self._removed) > _MOST:
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
        while len(self._has_started) > _MOST:
            self._has_started.popitem(last=False)
