"""The threads that answer complete requests, and how many may wait for one."""

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

    Used from the thread of the loop alone.
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
            loop: Where results are delivered.
            name: Of the threads, for whoever looks at the process.
            threads: How many work at once.
            waiting: How many requests wait for one of them at most.
        """
        self._loop = loop
        self._places = threads + waiting
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
        """Let a thread do ``work(waited)``, and the loop ``deliver`` its result.

        Args:
            work: Never raises; ``waited`` for a thread so many seconds.
            deliver: Called in the loop.

        Returns:
            False if too many wait; nothing is done then.
        """
        if self._places == 0:
            return False
        self._places -= 1
        self._queue.put((work, deliver, time.monotonic()))
        return True

    def _work(self) -> None:
        while True:
            work, deliver, since = self._queue.get()
            self._results.append((deliver, work(time.monotonic() - since)))
            # Until the next one comes, a thread must not keep a request alive.
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
            self._places += 1
            deliver(result)
