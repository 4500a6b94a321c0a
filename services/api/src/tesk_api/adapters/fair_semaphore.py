"""Bounds expensive work, and the number of threads that wait for it.

Checking a password costs 50 ms and more by design, and a large body takes many
times its size of memory. Without a bound, one client could occupy all threads or
all memory.
"""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from tesk_model.errors import ResourceExhaustedError

_RETRY_AFTER = timedelta(seconds=1)


class FairSemaphore:
    """A weighted semaphore that is first in, first out, and has a bounded queue."""

    def __init__(
        self, *, capacity: int, max_waiting: int, timeout: timedelta, message: str
    ) -> None:
        """Start with nothing acquired.

        Args:
            capacity: Weight that may be held at once; a larger weight is let in alone.
            max_waiting: Length of the queue; each entry holds a thread.
            timeout: Longest wait.
            message: Message of the error of a refused caller.
        """
        self._capacity = capacity
        self._free = capacity
        self._max_waiting = max_waiting
        self._timeout = timeout.total_seconds()
        self._message = message
        self._changed = threading.Condition()
        self._queue: deque[object] = deque()

    @contextmanager
    def acquire(self, weight: int = 1) -> Iterator[None]:
        """Hold ``weight`` for the duration of the block.

        Raises:
            ResourceExhaustedError: The queue is full, or the wait took too long.
        """
        weight = min(weight, self._capacity)
        self._take(weight)
        try:
            yield
        finally:
            with self._changed:
                self._free += weight
                self._changed.notify_all()

    def _take(self, weight: int) -> None:
        with self._changed:
            if not self._queue and weight <= self._free:
                self._free -= weight
                return
            if len(self._queue) >= self._max_waiting:
                raise ResourceExhaustedError(self._message, _RETRY_AFTER)
            ticket = object()
            self._queue.append(ticket)
            try:
                if not self._changed.wait_for(
                    lambda: self._queue[0] is ticket and weight <= self._free,
                    self._timeout,
                ):
                    raise ResourceExhaustedError(self._message, _RETRY_AFTER)
                self._free -= weight
            finally:
                self._queue.remove(ticket)
                self._changed.notify_all()
