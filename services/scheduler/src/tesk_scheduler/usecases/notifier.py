"""Notifies waiting threads: the calls of taskmasters, and the leader's loop.

A notification is only a hint: the woken thread reads the store, so that a lost
or needless one does no harm.
"""

import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


class TaskmasterWakeups:
    """Wakes the calls that wait for something to do, by taskmaster."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: defaultdict[str, set[threading.Event]] = defaultdict(set)
        self._draining = False
        self._closed = False

    @contextmanager
    def listening(self, taskmaster_id: str) -> Iterator[threading.Event]:
        """Give an event that is set whenever the taskmaster is notified."""
        woken = threading.Event()
        with self._lock:
            self._listeners[taskmaster_id].add(woken)
            if self._closed or self._draining:
                woken.set()
        try:
            yield woken
        finally:
            with self._lock:
                self._listeners[taskmaster_id].discard(woken)
                if not self._listeners[taskmaster_id]:
                    del self._listeners[taskmaster_id]

    def notify(self, taskmaster_ids: Iterable[str]) -> None:
        """Wake every call of these taskmasters."""
        with self._lock:
            for taskmaster_id in set(taskmaster_ids):
                for woken in self._listeners.get(taskmaster_id, ()):
                    woken.set()

    @property
    def draining(self) -> bool:
        """Tell whether idle taskmasters are to exit."""
        return self._draining

    def drain(self) -> None:
        """Wake every call once, so that idle taskmasters are told to exit."""
        with self._lock:
            self._draining = True
            self._wake_all()

    @property
    def closed(self) -> bool:
        """Tell whether no call is to wait any more."""
        return self._closed

    def close(self) -> None:
        """Wake every call for good."""
        with self._lock:
            self._closed = True
            self._wake_all()

    def _wake_all(self) -> None:
        for listeners in self._listeners.values():
            for woken in listeners:
                woken.set()


class LeaderWakeup:
    """Wakes the leader's loop; at once, or debounced."""

    def __init__(self) -> None:
        self._notified = threading.Event()
        self._urgent = threading.Event()
        self._never = threading.Event()
        self._freed = threading.Event()
        self._awaits_room = True

    def notify(self, *, urgent: bool) -> None:
        """Wake the loop; at once if ``urgent``, else after its debounce."""
        if urgent:
            self._urgent.set()
        self._notified.set()

    def notify_freed(self) -> None:
        """Wake the loop at once if anything waits for the room of what has ended."""
        self._freed.set()
        if self._awaits_room:  # read last: ``wait`` sets it before it looks
            self.notify(urgent=True)

    def wait(
        self, timeout: float, debounce: float, pause: float, *, awaits_room: bool = True
    ) -> None:
        """Wait for a notification; one that is not urgent waits for more of them.

        Args:
            timeout: Seconds to wait at most for a notification.
            debounce: Seconds to wait after one that is not urgent.
            pause: Seconds to wait after any, so that several become one.
            awaits_room: Something waits for room; else ``notify_freed`` does not wake.
        """
        self._awaits_room = awaits_room
        if awaits_room and self._freed.is_set():
            self.notify(urgent=True)
        if self._notified.wait(timeout):
            if debounce > 0:
                self._urgent.wait(debounce)
            if pause > 0:
                self._never.wait(pause)
        for each in (self._urgent, self._notified, self._freed):
            each.clear()


@dataclass(frozen=True, slots=True)
class Notifier:
    """Notifies taskmasters and the leader of this process."""

    taskmasters: TaskmasterWakeups = field(default_factory=TaskmasterWakeups)
    leader: LeaderWakeup = field(default_factory=LeaderWakeup)
