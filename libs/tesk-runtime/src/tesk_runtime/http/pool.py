"""Threads that answer complete requests, with a bounded queue."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")


class WorkerPool(Generic[T]):
    """A fixed number of threads beside an event loop, and a bounded queue.

    Used from the thread of the loop only.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        name: str,
        threads: int,
        waiting: int,
    ) -> None:
        """Start the threads.

        Args:
            loop: Delivers the results.
            name: Prefix of the names of the threads.
            threads: Number of requests that are answered at once.
            waiting: Maximum of requests that wait for a thread.
        """
        self._loop = loop
        self._free_slots = threads + waiting
        self._queue: SimpleQueue[
            tuple[Callable[[float], T], Callable[[T], None], float]
        ] = SimpleQueue()
        self._results: deque[tuple[Callable[[T], None], T]] = deque()
        self._woken = False
        for number in range(threads):
            threading.Thread(
                target=self._work, name=f"{name}-{number}", daemon=True
            ).start()

    def submit(self, work: Callable[[float], T], deliver: Callable[[T], None]) -> bool:
        """Run ``work(waited)`` in a thread; the loop passes its result to ``deliver``.

        Args:
            work: Never raises; ``waited`` is its time in the queue, in seconds.
            deliver: Called in the loop.

        Returns:
            False if the queue is full; then nothing is run.
        """
        if self._free_slots == 0:
            return False
        self._free_slots -= 1
        self._queue.put((work, deliver, time.monotonic()))
        return True

    def _work(self) -> None:
        while True:
            work, deliver, since = self._queue.get()
            self._results.append((deliver, work(time.monotonic() - since)))
            # An idle thread must not keep a request alive.
            del work, deliver
            # Several results need the loop to wake up only once.
            if not self._woken:
                self._woken = True
                with suppress(RuntimeError):  # the loop has ended before us
                    self._loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        self._woken = False
        while self._results:
            deliver, result = self._results.popleft()
            self._free_slots += 1
            deliver(result)
