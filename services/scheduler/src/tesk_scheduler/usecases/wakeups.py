"""Threads that wait and threads that have something to say to them.

Only hints: whoever is woken looks at the store, so that a lost or needless
wake-up does no harm.
"""

import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


class Wakeups:
    """Wakes those who listen for a key."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: defaultdict[str, set[threading.Event]] = defaultdict(set)
        self._draining = False
        self._closed = False

    @contextmanager
    def listening(self, key: str) -> Iterator[threading.Event]:
        """Give an event that is set whenever ``key`` is notified."""
        woken = threading.Event()
        with self._lock:
            self._listeners[key].add(woken)
            if self._closed or self._draining:
                woken.set()
        try:
            yield woken
        finally:
            with self._lock:
                self._listeners[key].discard(woken)
                if not self._listeners[key]:
                    del self._listeners[key]

    def notify(self, keys: Iterable[str]) -> None:
        """Wake everybody who listens for one of ``keys``."""
        with self._lock:
            for key in set(keys):
                for woken in self._listeners.get(key, ()):
                    woken.set()

    @property
    def draining(self) -> bool:
        """Tell whether whoever has nothing to do should go."""
        return self._draining

    def drain(self) -> None:
        """Wake everybody once, to find out who should go."""
        with self._lock:
            self._draining = True
            self._wake_all()

    @property
    def closed(self) -> bool:
        """Tell whether nobody should wait any more."""
        return self._closed

    def close(self) -> None:
        """Wake everybody for good."""
        with self._lock:
            self._closed = True
            self._wake_all()

    def _wake_all(self) -> None:
        for listeners in self._listeners.values():
            for woken in listeners:
                woken.set()


class Doorbell:
    """Wakes one loop; says whether it is urgent."""

    def __init__(self) -> None:
        self._rung = threading.Event()
        self._urgent = threading.Event()

    def ring(self, *, urgent: bool) -> None:
        """Wake the loop; at once, or when it has caught its breath."""
        if urgent:
            self._urgent.set()
        self._rung.set()

    def wait(self, timeout: float, *, breath: float) -> None:
        """Wait to be rung, then for what is not urgent another ``breath``.

        Args:
            timeout: Seconds to wait at most for a ring.
            breath: Seconds.
        """
        if self._rung.wait(timeout) and breath > 0:
            self._urgent.wait(breath)
        self._urgent.clear()
        self._rung.clear()


@dataclass(frozen=True, slots=True)
class Chimes:
    """Both: for those who wait to be called, and for the leader's loop."""

    wakeups: Wakeups = field(default_factory=Wakeups)
    bell: Doorbell = field(default_factory=Doorbell)
