"""What users and groups have used, as the store keeps it."""

from datetime import timedelta

import pytest
from sqlalchemy import create_engine, text

from builders.scheduler_tasks import NOON
from tesk_model.errors import ConflictError
from tesk_scheduler.adapters.store.store import SqlTaskStore
from tesk_scheduler.domain.quota import Amounts, Subject, SubjectKind
from tesk_scheduler.domain.usage_history import HistoryChange, PastUsage
from tesk_scheduler.ports.store import TaskStore, Transaction

ALICE = Subject(SubjectKind.USER, "alice")
LAB = Subject(SubjectKind.GROUP, "alice")  # names of users and groups may be equal
NOBODY = Subject(SubjectKind.USER, "")
THIRD = PastUsage(
    average=Amounts(running=1 / 3, cpu_millis=1000 / 3, ram=1e12 / 7),
    sampled_at=NOON + timedelta(microseconds=1),
    used_at=NOON,
)
LITTLE = PastUsage(average=Amounts(), sampled_at=NOON, used_at=NOON)


def test_a_new_store_has_no_history(store: TaskStore) -> None:
    assert store.usage_history() == {}


def test_a_history_is_read_as_it_was_written(url: str, store: SqlTaskStore) -> None:
    history = {ALICE: THIRD, LAB: LITTLE, NOBODY: THIRD}

    store.write(lambda tx: tx.change_usage_history(HistoryChange(changed=history)))

    store.close()
    again = SqlTaskStore.open(url)
    assert again.usage_history() == history
    again.close()


def test_rows_are_replaced_and_deleted(store: TaskStore) -> None:
    many = {Subject(SubjectKind.USER, f"u{number}"): LITTLE for number in range(1100)}
    first = HistoryChange(changed={ALICE: THIRD, LAB: THIRD, **many})
    second = HistoryChange(changed={LAB: LITTLE}, forgotten=frozenset({ALICE, *many}))

    store.write(lambda tx: tx.change_usage_history(first))
    store.write(lambda tx: tx.change_usage_history(second))

    assert store.usage_history() == {LAB: LITTLE}


def test_a_former_leader_changes_no_history(store: TaskStore) -> None:
    def lead(tx: Transaction) -> None:
        for holder in ("a", "b"):
            tx.acquire_lead(holder, now=NOON, until=NOON, force=True)

    store.write(lead)

    def write(tx: Transaction) -> None:
        tx.check_epoch(1)
        tx.change_usage_history(HistoryChange(changed={ALICE: THIRD}))

    with pytest.raises(ConflictError):
        store.write(write)

    assert store.usage_history() == {}


def test_a_dimension_of_a_later_release_is_left_out(
    url: str, store: SqlTaskStore
) -> None:
    store.write(
        lambda tx: tx.change_usage_history(HistoryChange(changed={ALICE: THIRD}))
    )
    engine = create_engine(url)
    with engine.begin() as connection:
        average = """{"qubits": 7, "cpu_millis": 5}"""
        connection.execute(
            text("UPDATE usage_history SET average = :average"), {"average": average}
        )
    engine.dispose()

    assert store.usage_history()[ALICE].average == Amounts(cpu_millis=5)
