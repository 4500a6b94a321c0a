"""Starts that are under way, so that a cancel can end one that waits.

A start may wait for a pull of many gigabytes. Whoever stops or removes the run
meanwhile must not wait for that, and must be sure that nothing starts later.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tesk_taskmaster.ports import ExecutorRun, StepFailedError


class PendingStart:
    """One start; given up once ``halted`` is set."""

    def __init__(self, run: ExecutorRun) -> None:
        self.run = run
        self.halted = threading.Event()
        self._lock = threading.Lock()

    @contextmanager
    def unless_halted(self) -> Iterator[None]:
        """Hold off a halt while the container is created and started.

        Raises:
            StepFailedError: The start was halted before.
        """
        with self._lock:
            if self.halted.is_set():
                raise StepFailedError(f"{self.run.name} was stopped before it started")
            yield

    def halt(self) -> None:
        """Give up; returns when the start is over or will not happen."""
        self.halted.set()
        with self._lock:
            pass


class PendingStarts:
    """All starts of this process that have not returned yet."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._starts: set[PendingStart] = set()

    @contextmanager
    def begun(self, run: ExecutorRun) -> Iterator[PendingStart]:
        """Count a start in for as long as it takes."""
        start = PendingStart(run)
        with self._lock:
            self._starts.add(start)
        try:
            yield start
        finally:
            with self._lock:
                self._starts.discard(start)

    def halt(self, wanted: Callable[[ExecutorRun], bool]) -> None:
        """Give up the starts of the runs that ``wanted`` picks."""
        with self._lock:
            starts = [start for start in self._starts if wanted(start.run)]
        for start in starts:
            start.halt()
