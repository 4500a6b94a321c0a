"""What several callers wait to write is written together, and each hears its own result."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from programs.waiting import eventually
from tesk_model.errors import ConflictError, TeskError, UnavailableError
from tesk_scheduler.adapters.store.store import SqlTaskStore
from tesk_scheduler.ports.store import Transaction
from tesk_scheduler.usecases.batched_writes import BatchedWrites

LARGEST = 4


class Items:
    """Writes items, and keeps which were written together.

    Attributes:
        batches: In the order of their attempts.
        arrived: How many items have come to wait.
        hold: While it is not set, the first batch is not finished.
        bad: It cannot be written.
    """

    def __init__(self, store: SqlTaskStore) -> None:
        """Write to ``store``."""
        self.batches: list[list[str]] = []
        self.arrived = 0
        self.hold = threading.Event()
        self.bad = ""
        self._writes = BatchedWrites(
            store, self._write, size=self._size, largest=LARGEST
        )
        self._threads = ThreadPoolExecutor(16)

    def _size(self, item: str) -> int:
        self.arrived += 1
        return len(item)

    def _write(self, tx: Transaction, items: Sequence[str]) -> list[str]:
        del tx
        self.batches.append(list(items))
        self.hold.wait(30)
        if self.bad in items:
            raise ConflictError(self.bad)
        return [item.upper() for item in items]

    def run(self, item: str) -> str:
        """Write one in this thread."""
        return self._writes.run(item)

    def gather(self, *items: str) -> list[Future[str]]:
        """Let the first be written, and the others wait meanwhile, in their order."""
        futures = []
        for number, item in enumerate(items, start=1):
            futures.append(self._threads.submit(self.run, item))
            eventually(lambda n=number: self.arrived == n, what="an arrival")  # type: ignore[misc]
            eventually(lambda: bool(self.batches), what="the first batch")
        return futures

    def close(self) -> None:
        """Let all end."""
        self.hold.set()
        self._threads.shutdown()


@pytest.fixture
def items(store: SqlTaskStore) -> Iterator[Items]:
    items = Items(store)
    yield items
    items.close()


def test_who_finds_nobody_writes_alone(items: Items) -> None:
    items.hold.set()

    assert [items.run("a"), items.run("b")] == ["A", "B"]
    assert items.batches == [["a"], ["b"]]


def test_those_that_wait_are_written_together_in_their_order(items: Items) -> None:
    futures = items.gather("a", "b", "c", "d")
    items.hold.set()

    assert [each.result(30) for each in futures] == ["A", "B", "C", "D"]
    assert items.batches == [["a"], ["b", "c", "d"]]


def test_a_batch_is_bounded_and_the_next_follows(items: Items) -> None:
    futures = items.gather("a", "bb", "cc", "dd", "eeeeee", "f")
    items.hold.set()

    assert [each.result(30) for each in futures][-2:] == ["EEEEEE", "F"]
    assert items.batches == [["a"], ["bb", "cc"], ["dd"], ["eeeeee"], ["f"]]


def test_what_fails_together_is_written_one_by_one(items: Items) -> None:
    items.bad = "c"
    futures = items.gather("a", "b", "c", "d")
    items.hold.set()

    assert [each.result(30) for each in (futures[0], futures[1], futures[3])] == [
        *("A", "B", "D"),
    ]
    with pytest.raises(ConflictError, match="c"):
        futures[2].result(30)


def test_a_failure_of_one_alone_is_raised(items: Items) -> None:
    items.bad = "a"
    items.hold.set()

    with pytest.raises(ConflictError):
        items.run("a")
    assert items.run("b") == "B"


def test_each_hears_that_nothing_can_be_written(
    items: Items, store: SqlTaskStore
) -> None:
    futures = items.gather("a", "b", "c")
    with ThreadPoolExecutor(1) as closing:
        closed = closing.submit(store.close)
        items.hold.set()
        closed.result(30)
    outcomes = [_outcome(each) for each in futures[1:]]

    assert set(outcomes) <= {"B", "C", UnavailableError}
    with pytest.raises(UnavailableError):
        items.run("d")


def _outcome(future: Future[str]) -> object:
    try:
        return future.result(30)
    except TeskError as error:
        return type(error)
