"""Threads that run calls, and of which there may be more later."""

import threading
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue

_Calls = SimpleQueue[Callable[[], None] | None]


class WorkerThreads:
    """Runs calls in order, each in a thread that has nothing else to do; thread-safe.

    ``concurrent.futures`` has no pool that grows, and makes a future for each call.
    """

    def __init__(self, size: int, name: str) -> None:
        """Start up to ``size`` threads, when there are calls for them."""
        self._size = size
        self._name = name
        self._calls: _Calls = SimpleQueue()
        self._lock = threading.Lock()
        self._started = 0
        self._idle = 0
        self._closed = False

    def submit(self, call: Callable[[], None]) -> None:
        """Run ``call`` soon, never if this is closed; it raises nothing."""
        with self._lock:
            if self._closed:
                return
            self._calls.put(call)
            if self._idle:
                self._idle -= 1  # that one takes it
                return
            if self._started == self._size:
                return
            self._started += 1
            name = f"{self._name}_{self._started}"
        threading.Thread(target=self._work, name=name, daemon=True).start()

    def grow(self, size: int) -> None:
        """Start up to ``size`` threads from now on."""
        with self._lock:
            self._size = max(size, self._size)

    def close(self) -> None:
        """Forget the calls that have not begun, and wait for none."""
        with self._lock:
            self._closed = True
            with suppress(Empty):
                while True:
                    self._calls.get_nowait()
            for _ in range(self._started):
                self._calls.put(None)

    def _work(self) -> None:
        while (call := self._next()) is not None:
            call()
            del call  # what it holds is not kept until the next one

    def _next(self) -> Callable[[], None] | None:
        with self._lock:
            with suppress(Empty):
                return self._calls.get_nowait()
            self._idle += 1
        return self._calls.get()
