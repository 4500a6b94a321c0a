"""Writes together what several callers wait to write.

Each unit of work costs statements of its own, however little it writes. Of calls of one
kind that wait for their turn, the first one's unit takes the others along.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Generic, TypeVar

from tesk_scheduler.ports.store import TaskStore, Transaction

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


class _Turn(Enum):
    """What a caller that waits is to do itself."""

    LEAD = auto()  # write, with those that wait behind
    ALONE = auto()  # write it alone: together it failed


@dataclass(slots=True)
class _Waiting(Generic[ItemT, ResultT]):
    item: ItemT
    size: int
    told: Future[ResultT | _Turn] = field(default_factory=Future)


class BatchedWrites(Generic[ItemT, ResultT]):
    """Writes items; those that wait at the same time in one unit of work."""

    def __init__(
        self,
        store: TaskStore,
        write: Callable[[Transaction, Sequence[ItemT]], Sequence[ResultT]],
        *,
        size: Callable[[ItemT], int],
        largest: int,
    ) -> None:
        """Prepare.

        Args:
            store: Where to write.
            write: Writes items in their order and returns a result for each. Called
                again, maybe with one of them, if the transaction fails.
            size: Of an item; what it costs to write.
            largest: Size of what is written together; a larger item is written alone.
        """
        self._store = store
        self._write = write
        self._size = size
        self._largest = largest
        self._lock = threading.Lock()
        # The first one's unit of work waits for its turn, or its caller is told to lead.
        self._line: deque[_Waiting[ItemT, ResultT]] = deque()

    def run(self, item: ItemT) -> ResultT:
        """Write an item and return when it is durable.

        Raises:
            TeskError: As ``TaskStore.write``; nothing of the item was written, or
                whether it was is not known.
        """
        with self._lock:
            mine = _Waiting[ItemT, ResultT](item, self._size(item))
            self._line.append(mine)
            is_first = len(self._line) == 1
        turn = _Turn.LEAD if is_first else mine.told.result()
        if turn is _Turn.LEAD:
            return self._lead(mine)
        if turn is _Turn.ALONE:
            return self._alone(mine)
        return turn

    def _lead(self, mine: _Waiting[ItemT, ResultT]) -> ResultT:
        """Write this one and those that wait behind it when its turn comes."""
        taken: list[_Waiting[ItemT, ResultT]] = []

        def write(tx: Transaction) -> Sequence[ResultT]:
            if not taken:  # it runs again after a failure
                taken.extend(self._take())
            return self._write(tx, [each.item for each in taken])

        try:
            results = self._store.write(write)
        except Exception:  # whatever it is, the others must not wait for ever
            others = (taken or self._take())[1:]
            for each in others:
                each.told.set_result(_Turn.ALONE)
            if not others:
                raise
            return self._alone(mine)
        for each, result in zip(taken[1:], results[1:], strict=True):
            each.told.set_result(result)
        return results[0]

    def _alone(self, mine: _Waiting[ItemT, ResultT]) -> ResultT:
        return self._store.write(lambda tx: self._write(tx, [mine.item]))[0]

    def _take(self) -> list[_Waiting[ItemT, ResultT]]:
        """Take the first of the line and what fits with it; the next one leads."""
        with self._lock:
            taken = [self._line.popleft()]
            size = taken[0].size
            while self._line:
                size += self._line[0].size
                if size > self._largest:
                    self._line[0].told.set_result(_Turn.LEAD)
                    break
                taken.append(self._line.popleft())
        return taken
