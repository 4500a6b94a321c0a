"""Tracks pending starts, so that a cancel can end one that waits.

A start may wait for a pull of many gigabytes. Stopping or removing the run must not
wait for that, and nothing may start afterwards.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tesk_taskmaster.domain.executor_run import ExecutorRun
from tesk_taskmaster.ports import StepFailedError


class PendingStart:
    """One start; cancelled once ``cancelled`` is set."""

    def __init__(self, run: ExecutorRun) -> None:
        self.run = run
        self.cancelled = threading.Event()
        self._lock = threading.Lock()

    @contextmanager
    def unless_cancelled(self) -> Iterator[None]:
        """Block a cancel while the container is created and started.

        Raises:
            StepFailedError: The start was cancelled before.
        """
        with self._lock:
            if self.cancelled.is_set():
                raise StepFailedError(f"{self.run.name} was stopped before it started")
            yield

    def cancel(self) -> None:
        """Cancel; returns when the start is over or will not happen."""
        self.cancelled.set()
        with self._lock:
            pass


class PendingStarts:
    """All starts of this process that have not returned yet."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._starts: set[PendingStart] = set()

    @contextmanager
    def register(self, run: ExecutorRun) -> Iterator[PendingStart]:
        """Register a start for as long as it takes."""
        start = PendingStart(run)
        with self._lock:
            self._starts.add(start)
        try:
            yield start
        finally:
            with self._lock:
                self._starts.discard(start)

    def cancel(self, wanted: Callable[[ExecutorRun], bool]) -> None:
        """Cancel the starts of the runs that ``wanted`` selects."""
        with self._lock:
            starts = [start for start in self._starts if wanted(start.run)]
        for start in starts:
            start.cancel()
