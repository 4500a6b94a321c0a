"""Lets a little dear work be done at once, and keeps the rest from piling up.

Checking a password costs 50 ms and more by design, and a large body takes many
times its size of memory. Who sends them without end would otherwise have all
threads, or all memory, and nobody else be served.
"""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from tesk_model.errors import ResourceExhaustedError

_COME_BACK = timedelta(seconds=1)


class Turnstile:
    """Some inside, some waiting for a short while in order, the others sent away."""

    def __init__(
        self, *, inside: int, waiting: int, patience: timedelta, refusal: str
    ) -> None:
        """Begin empty.

        Args:
            inside: Most weight that is inside; what alone is heavier gets in
                alone.
            waiting: Most who wait for their turn; each holds a thread.
            patience: How long they wait at most.
            refusal: What those are told that are sent away.
        """
        self._capacity = inside
        self._free = inside
        self._places = waiting
        self._patience = patience.total_seconds()
        self._refusal = refusal
        self._changed = threading.Condition()
        self._queue: deque[object] = deque()

    @contextmanager
    def turn(self, weight: int = 1) -> Iterator[None]:
        """Do the block when it is our turn.

        Raises:
            ResourceExhaustedError: Too many are here, or it took too long.
        """
        weight = min(weight, self._capacity)
        self._enter(weight)
        try:
            yield
        finally:
            with self._changed:
                self._free += weight
                self._changed.notify_all()

    def _enter(self, weight: int) -> None:
        with self._changed:
            if not self._queue and weight <= self._free:
                self._free -= weight
                return
            if len(self._queue) >= self._places:
                raise ResourceExhaustedError(self._refusal, _COME_BACK)
            ticket = object()
            self._queue.append(ticket)
            try:
                if not self._changed.wait_for(
                    lambda: self._queue[0] is ticket and weight <= self._free,
                    self._patience,
                ):
                    raise ResourceExhaustedError(self._refusal, _COME_BACK)
                self._free -= weight
            finally:
                self._queue.remove(ticket)
                self._changed.notify_all()
