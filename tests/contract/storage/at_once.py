"""Threads that begin together."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tesk_filer.ports import StorageError

THREADS = 16


def failures_at_once(ask: Callable[[], object]) -> int:
    """Return how many of the threads that ``ask`` are told what may pass."""
    begin = threading.Barrier(THREADS)

    def fails(_number: int) -> bool:
        begin.wait()
        try:
            ask()
        except StorageError as error:
            return error.transient
        return False

    with ThreadPoolExecutor(THREADS) as pool:
        return sum(pool.map(fails, range(THREADS)))
