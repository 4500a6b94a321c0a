"""Runs batches of small files, in as many threads as there is something to wait for."""

import threading
import time
from collections.abc import Callable
from functools import partial

from tesk_filer.domain.batch_load import BatchLoad
from tesk_filer.usecases.worker_pool import WorkerPool


class BatchThreads:
    """Runs batches; used by the thread that plans them.

    When enough threads have one, that thread runs the next one itself.
    """

    def __init__(self, workers: WorkerPool, most: int) -> None:
        """Use up to ``most`` threads of ``workers``."""
        self._workers = workers
        self._load = BatchLoad(most)
        self._lock = threading.Lock()
        self._busy = 0

    def run(self, name: object, work: Callable[[], None]) -> None:
        """Run ``work`` now or soon; see ``WorkerPool.submit``.

        Raises:
            HaltedError: The transfer was stopped.
        """
        with self._lock:
            is_free = self._busy < self._load.threads
            self._busy += is_free
        if is_free:
            self._workers.submit(name, partial(self._run_elsewhere, work))
        else:
            self._workers.run(name, partial(self._measure, work))

    def _run_elsewhere(self, work: Callable[[], None]) -> None:
        try:
            self._measure(work)
        finally:
            with self._lock:
                self._busy -= 1

    def _measure(self, work: Callable[[], None]) -> None:
        began, computed = time.monotonic(), time.thread_time()
        work()
        taken = time.monotonic() - began, time.thread_time() - computed
        with self._lock:
            self._load.measured(*taken)
