"""How far the transfers of a task are, as the store keeps it."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from builders.scheduler_tasks import NOON
from schedulers.units_of_work import begin_new
from tesk_model.states import TaskState
from tesk_model.task import TaskId, TransferStatus
from tesk_scheduler.ports.store import TaskStore, Transaction

T1 = TaskId("t-1")
INPUTS = TransferStatus(
    direction="inputs",
    files_done=1,
    files_total=2,
    bytes_done=2**62,
    bytes_total=2**62 + 1,
    bytes_per_second=2**40,
    path="/in/a\0b",
    url="s3://b/ä",
)
STORED = replace(INPUTS, path="/in/a\ufffdb")
OUTPUTS = TransferStatus(direction="outputs")


@pytest.fixture
def seq(store: TaskStore) -> int:
    """Begin a task; return its number."""
    return begin_new(store, T1)


def put(store: TaskStore, seq: int, *statuses: TransferStatus) -> None:
    def put_all(tx: Transaction) -> None:
        for status in statuses:
            tx.put_transfer(seq, status)

    store.write(put_all)


def shown(store: TaskStore, *, full: bool = True) -> Sequence[TransferStatus]:
    (task,) = store.tasks([T1], owner=None, full=full, max_bytes=0).tasks
    return task.transfers


def test_the_last_status_of_each_direction_is_shown(store: TaskStore, seq: int) -> None:
    put(store, seq, OUTPUTS, replace(INPUTS, files_done=0), INPUTS)

    assert shown(store) == [STORED, OUTPUTS]
    assert shown(store, full=False) == []


def test_a_transfer_that_has_ended_is_not_shown(store: TaskStore, seq: int) -> None:
    put(store, seq, INPUTS, OUTPUTS)

    store.write(lambda tx: tx.remove_transfer(seq, "inputs"))

    assert shown(store) == [OUTPUTS]


def test_another_attempt_begins_without_transfers(store: TaskStore, seq: int) -> None:
    put(store, seq, INPUTS)

    store.write(lambda tx: tx.clear_attempt(seq))

    assert shown(store) == []


def test_a_task_that_has_ended_has_no_transfers(store: TaskStore, seq: int) -> None:
    put(store, seq, INPUTS)

    def end(tx: Transaction) -> None:
        record = tx.records([T1])[T1]
        tx.save(record, record.replaced(state=TaskState.CANCELED, ended_at=NOON))

    store.write(end)

    assert shown(store) == []


def test_long_names_are_elided(store: TaskStore, seq: int) -> None:
    put(store, seq, replace(INPUTS, path="/" + "p" * 9000, url="s3://" + "u" * 9000))

    [status] = shown(store)
    assert (len(status.path), len(status.url)) == (256, 256)
