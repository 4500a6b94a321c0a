"""Threads that answer complete requests, with a bounded queue.

Of the idle threads the one that worked last is taken: its memory is still in the
processor's caches. Taking turns cost a third of the CPU of a small request.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")

_Item = tuple[Callable[[float], T], Callable[[T], None], float]


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
        self._lock = threading.Lock()
        self._waiting: deque[_Item[T]] = deque()
        self._idle: list[SimpleQueue[_Item[T]]] = []
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
        item = work, deliver, time.monotonic()
        with self._lock:
            if not self._idle:
                self._waiting.append(item)
                return True
            inbox = self._idle.pop()
        inbox.put(item)
        return True

    def _next(self, inbox: "SimpleQueue[_Item[T]]") -> "_Item[T]":
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            self._idle.append(inbox)
        return inbox.get()

    def _work(self) -> None:
        inbox: SimpleQueue[_Item[T]] = SimpleQueue()
        while True:
            work, deliver, since = self._next(inbox)
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
            try:
                deliver(result)
            except BaseException:
                # The loop tells of it; the other results must not wait for a next one.
                self._loop.call_soon(self._deliver)
                raise
