"""Collects what is to be told to the scheduler, and tells it in batches."""

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")

_BATCH = 1000  # with one call, as the contract says; far below the limit of a message


class BatchedReports(Generic[T]):
    """Tells items in batches; thread-safe."""

    def __init__(self, send: Callable[[Sequence[T]], None]) -> None:
        """Tell them by ``send``."""
        self._send = send
        self._lock = threading.Lock()
        self._items: list[T] = []

    def add(self, item: T) -> None:
        """Tell an item, now or with later ones."""
        with self._lock:
            self._items.append(item)
            full = self._items if len(self._items) >= _BATCH else []
            if full:
                self._items = []
        if full:
            self._send(full)

    def flush(self) -> None:
        """Tell all that wait."""
        with self._lock:
            rest, self._items = self._items, []
        if rest:
            self._send(rest)
