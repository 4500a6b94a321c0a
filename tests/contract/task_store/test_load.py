"""What happened when, counted by indices."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import event

from builders.scheduler_tasks import NOON, make_new_task
from tesk_model.reasons import ReasonCode
from tesk_model.states import TaskState
from tesk_model.task import TaskId
from tesk_scheduler.adapters.store.store import SqlTaskStore
from tesk_scheduler.domain.load import Interval, IntervalCounts
from tesk_scheduler.domain.transitions import admitted, requeued, with_state
from tesk_scheduler.ports.store import TaskStore, Transaction

MINUTE = timedelta(minutes=1)
NONE = IntervalCounts()


def at(minutes: float) -> datetime:
    return NOON + minutes * MINUTE


def minutes_from(first: int, count: int) -> list[Interval]:
    return [Interval(at(n), at(n + 1)) for n in range(first, first + count)]


def add(store: TaskStore, task_id: str, *, owner: str = "alice", when: float) -> None:
    task = make_new_task(task_id, owner=owner, created_at=at(when), name=task_id)
    store.write(lambda tx: tx.add_tasks([task]))


def start(store: TaskStore, task_id: str, when: float) -> None:
    def work(tx: Transaction) -> None:
        record = tx.records([TaskId(task_id)])[TaskId(task_id)]
        tx.save(record, admitted(record, "tm-1", at(when)))

    store.write(work)


def end(
    store: TaskStore,
    task_id: str,
    when: float,
    state: TaskState = TaskState.COMPLETE,
    cause: ReasonCode = ReasonCode.NONE,
) -> None:
    def work(tx: Transaction) -> None:
        record = tx.records([TaskId(task_id)])[TaskId(task_id)]
        if state is not TaskState.CANCELED:
            runs = with_state(record, TaskState.RUNNING, at(when))
            tx.save(record, runs)
            record = runs
        tx.save(record, with_state(record, state, at(when), cause=cause))

    store.write(work)


def test_tasks_are_counted_where_they_were_queued_started_and_ended(
    store: TaskStore,
) -> None:
    add(store, "t-1", when=0)
    add(store, "t-2", when=0.5)
    start(store, "t-1", 1)
    start(store, "t-2", 1.9)
    end(store, "t-1", 2)
    end(store, "t-2", 2.5, TaskState.EXECUTOR_ERROR)

    counts = store.interval_counts(minutes_from(0, 4), owner=None)

    assert counts == [
        IntervalCounts(queued=2),
        IntervalCounts(
            started=2,
            waited=timedelta(minutes=2.4),
            longest_wait=timedelta(minutes=1.4),
        ),
        IntervalCounts(complete=1, failed=1),
        NONE,
    ]


def test_what_was_canceled_in_the_queue_never_started(store: TaskStore) -> None:
    add(store, "t-1", when=0)
    end(store, "t-1", 0.5, TaskState.CANCELED)

    [counts] = store.interval_counts(minutes_from(0, 1), owner="alice")

    assert counts == IntervalCounts(queued=1, canceled=1, unstarted=1)


def test_of_several_attempts_the_latest_counts(store: TaskStore) -> None:
    add(store, "t-1", when=0)
    start(store, "t-1", 1)

    def lose(tx: Transaction) -> None:
        record = tx.records([TaskId("t-1")])[TaskId("t-1")]
        tx.save(record, requeued(record, at(2)))

    store.write(lose)
    counts = store.interval_counts(minutes_from(0, 3), owner=None)
    end(store, "t-1", 2.5, TaskState.CANCELED)
    [last] = store.interval_counts(minutes_from(2, 1), owner=None)

    assert counts == [NONE, NONE, IntervalCounts(queued=1)]
    assert last == IntervalCounts(queued=1, canceled=1, unstarted=1)


def test_others_count_for_all_alone(store: TaskStore) -> None:
    add(store, "t-1", when=0)
    add(store, "t-2", owner="bob", when=0)

    def queued(owner: str | None) -> int:
        [counts] = store.interval_counts(minutes_from(0, 1), owner=owner)
        return counts.queued

    assert [queued(each) for each in (None, "alice", "bob", "eve")] == [2, 1, 1, 0]


def test_failed_tasks_are_listed_by_their_end(store: TaskStore) -> None:
    cases = {
        "t-1": (TaskState.SYSTEM_ERROR, ReasonCode.NODE_LOST, "alice", 4.0),
        "t-2": (TaskState.EXECUTOR_ERROR, ReasonCode.OUT_OF_MEMORY, "alice", 3.0),
        "t-3": (TaskState.COMPLETE, ReasonCode.NONE, "alice", 5.0),
        "t-4": (TaskState.EXECUTOR_ERROR, ReasonCode.EXECUTOR_FAILED, "bob", 6.0),
    }
    for task_id, (state, code, owner, ended) in cases.items():
        add(store, task_id, owner=owner, when=0)
        start(store, task_id, 1)
        end(store, task_id, ended, state, code)

    of_alice = store.last_failed(9, owner="alice")
    of_all = store.last_failed(2, owner=None)

    assert [(each.id, each.reason_code, each.ended) for each in of_alice] == [
        ("t-1", "NODE_LOST", at(4)),
        ("t-2", "OUT_OF_MEMORY", at(3)),
    ]
    assert [each.id for each in of_all] == ["t-4", "t-2"]


@pytest.mark.parametrize("owner", [None, "alice"])
def test_sqlite_counts_by_indices_alone(store: SqlTaskStore, owner: str | None) -> None:
    if not store.exclusive:
        pytest.skip("PostgreSQL chooses by statistics, which an empty table has not")
    statements: list[tuple[str, tuple[object, ...]]] = []

    def keep(
        _c: object, _cursor: object, text: str, values: object, *_: object
    ) -> None:
        assert isinstance(values, tuple)
        statements.append((text, values))

    engine = store._engines.reader
    event.listen(engine, "before_cursor_execute", keep)
    store.interval_counts(minutes_from(0, 1), owner=owner)
    event.remove(engine, "before_cursor_execute", keep)

    [(text, values)] = statements
    with engine.connect() as connection:
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", values).all()
    reads = [row[3] for row in rows if " task" in row[3]]
    assert len(reads) == 3
    assert all(read.startswith("SEARCH task USING COVERING INDEX") for read in reads)
