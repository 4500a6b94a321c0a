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

from tesk_scheduler.adapters.kubernetes.pods import Glimpse, Life

_MOST = 1000


class Roll:
    """Knows each pod that is there, and how the last ones were that are not."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._present: dict[str, Glimpse] = {}
        self._past: OrderedDict[str, Glimpse] = OrderedDict()
        self._removed: OrderedDict[str, None] = OrderedDict()

    def get(self, name: str) -> Glimpse | None:
        """Return a pod that is there."""
        with self._lock:
            return self._present.get(name)

    def last(self, name: str) -> Glimpse | None:
        """Return a pod that is or was there."""
        with self._lock:
            return self._present.get(name) or self._past.get(name)

    def with_life(self, life: Life) -> set[str]:
        """Return the ids of taskmasters whose pods are there and in that state."""
        with self._lock:
            return {
                glimpse.taskmaster
                for glimpse in self._present.values()
                if glimpse.life is life
            }

    def note(self, name: str, glimpse: Glimpse | None) -> bool:
        """Take down what the watch says; return whether that is news."""
        with self._lock:
            before = self._present.get(name)
            if glimpse is None:
                self._leave(name, otherwise="its pod was deleted")
            elif glimpse.uid in self._removed or not glimpse.taskmaster:
                return False
            else:
                self._present[name] = glimpse
            return glimpse != before

    @contextmanager
    def expecting(
        self, name: str, taskmaster_id: str, namespace: str
    ) -> Iterator[Callable[[Glimpse], None]]:
        """Count a pod as there while it is being made.

        Yields:
            To be called with the pod as made. If that does not happen, it is
            there only if the watch says so.
        """
        expected = Glimpse(
            taskmaster=taskmaster_id, namespace=namespace, uid="", life=Life.LIVES
        )
        with self._lock:
            self._present.setdefault(name, expected)

        def settle(glimpse: Glimpse | None) -> None:
            with self._lock:
                # What the watch said meanwhile is newer, even if it has gone.
                if self._present.get(name) is not expected:
                    return
                if glimpse is None:
                    del self._present[name]
                else:
                    self._present[name] = glimpse

        try:
            yield settle
        finally:
            settle(None)

    def remove(self, name: str, glimpse: Glimpse) -> None:
        """Count a pod as gone."""
        with self._lock:
            self._removed[glimpse.uid] = None
            while len(self._removed) > _MOST:
                self._removed.popitem(last=False)
            self._present.setdefault(name, glimpse)
            if self._present[name].uid == glimpse.uid:
                self._leave(name)

    def _leave(self, name: str, *, otherwise: str = "") -> None:
        glimpse = self._present.pop(name, None)
        if glimpse is None:
            return
        if glimpse.life is not Life.ENDED and not glimpse.words:
            glimpse = replace(glimpse, words=otherwise)
        self._past[name] = glimpse
        while len(self._past) > _MOST:
            self._past.popitem(last=False)
