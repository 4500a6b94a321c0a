"""What arrived of inputs, as the store keeps it."""

from collections.abc import Sequence

import pytest

from builders.scheduler_tasks import make_new_task
from tesk_model.task import InputSize, TaskId
from tesk_scheduler.domain.records import TaskQuery
from tesk_scheduler.ports.store import TaskStore, Transaction

T1 = TaskId("t-1")
SIZES = [
    InputSize(index=0, files=1, size_bytes=2**62),
    InputSize(index=9999, files=0, size_bytes=0),
]


@pytest.fixture
def seq(store: TaskStore) -> int:
    return add(store, "t-1")


def add(store: TaskStore, task_id: str) -> int:
    """Create a task; return its number."""

    def work(tx: Transaction) -> int:
        tx.add_tasks([make_new_task(task_id)])
        return tx.records([TaskId(task_id)])[TaskId(task_id)].seq

    return store.write(work)


def put(store: TaskStore, seq: int, sizes: Sequence[InputSize]) -> None:
    store.write(lambda tx: tx.put_input_sizes(seq, sizes))


def shown(store: TaskStore, *, full: bool = True) -> Sequence[InputSize]:
    (task,) = store.tasks([T1], owner=None, full=full, max_bytes=0).tasks
    return task.input_sizes


def test_the_last_sizes_are_shown_in_the_full_view(store: TaskStore, seq: int) -> None:
    assert shown(store) == []
    put(store, seq, SIZES[:1])
    put(store, seq, SIZES)

    assert shown(store) == SIZES
    assert shown(store, full=False) == []


def test_another_attempt_begins_without_them(store: TaskStore, seq: int) -> None:
    put(store, seq, SIZES)

    store.write(lambda tx: tx.clear_attempt(seq))

    assert shown(store) == []


def test_a_list_counts_what_they_take(store: TaskStore) -> None:
    most = [InputSize(index=n, files=1, size_bytes=2**60) for n in range(10_000)]
    for number in range(3):
        put(store, add(store, f"t-{number}"), most)
    query = TaskQuery(owner=None, limit=10)

    some = store.list_tasks(query, full=True, max_bytes=400_000)
    all_of_them = store.list_tasks(query, full=False, max_bytes=400_000)

    assert (len(some.tasks), some.is_truncated) == (1, True)
    assert len(all_of_them.tasks) == 3
