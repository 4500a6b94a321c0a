"""Wakes the thread that delivers webhooks."""

import threading

from tesk_scheduler.domain.occurrences import (
    Occurrence,
    TaskAdmitted,
    TaskCreated,
    TaskEnded,
    TaskStateChanged,
)
from tesk_scheduler.ports.observer import NoObserver

# So that what happens in a row is looked at once.
_DEBOUNCE = 0.05


class DispatchWakeup(NoObserver):
    """Is notified of new states, and of ended tries; an ``Observer`` of the store.

    A notification is only a hint: the thread reads the store.
    """

    def __init__(self) -> None:
        self._notified = threading.Event()
        self._never = threading.Event()

    def happened(self, occurrence: Occurrence) -> None:
        """Wake the thread if a task got a new state."""
        if isinstance(
            occurrence, TaskCreated | TaskAdmitted | TaskStateChanged | TaskEnded
        ):
            self._notified.set()

    def notify(self) -> None:
        """Wake the thread."""
        self._notified.set()

    def wait(self, timeout: float) -> None:
        """Wait for a notification, and a little for more of them."""
        if self._notified.wait(timeout):
            self._never.wait(min(timeout, _DEBOUNCE))
        self._notified.clear()
