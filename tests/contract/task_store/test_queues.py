"""Queues of owners: in which order, and by which index they are read."""

from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, event, text

from builders.scheduler_tasks import make_new_task
from tesk_model.task import TaskId
from tesk_scheduler.adapters.store import queries
from tesk_scheduler.adapters.store.store import SqlTaskStore
from tesk_scheduler.ports.store import TaskStore, Transaction

PRIORITIES = {"t-1": 0, "t-2": 100, "t-3": -5, "t-4": 100, "t-5": 0}


@pytest.fixture
def waiting(store: SqlTaskStore) -> SqlTaskStore:
    """Let alice have tasks of several priorities, and bob one."""
    tasks = [
        make_new_task(task_id, priority=priority)
        for task_id, priority in PRIORITIES.items()
    ]
    store.write(lambda tx: tx.add_tasks([*tasks, make_new_task("t-6", owner="bob")]))
    return store


def test_a_queue_is_in_order_of_priority_and_then_of_arrival(
    waiting: TaskStore,
) -> None:
    read = waiting.queues(9)

    assert [[task.id for task in queue] for queue in read] == [
        ["t-2", "t-4", "t-1", "t-5", "t-3"],
        ["t-6"],
    ]
    assert [task.priority for task in read[0]] == [100, 100, 0, 0, -5]


def test_a_window_holds_the_highest_priorities(waiting: TaskStore) -> None:
    assert [task.id for task in waiting.queues(2)[0]] == ["t-2", "t-4"]


def test_the_tasks_before_one_are_those_that_are_read_before_it(
    waiting: TaskStore,
) -> None:
    def before(task_id: str) -> int:
        record = waiting.record(TaskId(task_id))
        assert record is not None
        return waiting.count_queued_before("alice", record.seq, limit=99)

    assert [before(task_id) for task_id in PRIORITIES] == [2, 0, 4, 1, 3]


def test_a_priority_can_be_changed(waiting: TaskStore) -> None:
    def raise_it(tx: Transaction) -> None:
        [record] = tx.records([TaskId("t-3")]).values()
        tx.save(record, record.replaced(priority=200))

    waiting.write(raise_it)

    record = waiting.record(TaskId("t-3"))
    assert record is not None
    assert record.priority == 200
    assert waiting.queues(1)[0][0].id == "t-3"


def test_a_queue_is_read_by_an_index_of_queued_tasks_alone(
    url: str, waiting: SqlTaskStore
) -> None:
    engine = create_engine(url)
    with engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            # There are too few rows for it to choose an index by cost.
            connection.execute(text("SET enable_seqscan = off"))
            connection.execute(text("SET enable_bitmapscan = off"))
        plan = explained(connection)
    engine.dispose()

    assert "ix_task_queue" in plan
    assert "temp b-tree" not in plan.lower()
    assert "sort" not in plan.lower()
    assert waiting.queues(1)


def explained(connection: Connection) -> str:
    """Return how the database would read the queue of an owner."""
    sent: list[tuple[str, Any]] = []
    event.listen(
        connection,
        "before_cursor_execute",
        lambda _connection, _cursor, statement, parameters, *_rest: sent.append(
            (statement, parameters)
        ),
    )
    connection.execute(queries.QUEUE, {"owner": "alice", "window": 9})
    [(statement, parameters)] = sent
    is_sqlite = connection.dialect.name == "sqlite"
    explain = "EXPLAIN QUERY PLAN " if is_sqlite else "EXPLAIN "
    rows = connection.exec_driver_sql(explain + statement, parameters)
    return "\n".join(str(row) for row in rows)
