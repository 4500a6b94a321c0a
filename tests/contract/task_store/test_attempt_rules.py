"""What retries and limits of time are decided on is stored, and found when it is due."""

from dataclasses import replace
from datetime import timedelta

from sqlalchemy import create_engine, text

from builders.scheduler_tasks import NOON, make_demand, make_new_task
from tesk_model.attempt_parameters import AttemptParameters
from tesk_model.quantities import GIB
from tesk_model.reasons import Reason, ReasonCode
from tesk_model.states import TaskState
from tesk_model.task import TaskId
from tesk_scheduler.adapters.store import queries
from tesk_scheduler.domain.dimensions import RAM
from tesk_scheduler.domain.fleet import Taskmaster
from tesk_scheduler.domain.quota import EVERYBODY
from tesk_scheduler.domain.records import TaskRecord
from tesk_scheduler.domain.transitions import admitted, requeued
from tesk_scheduler.ports.store import TaskStore, Transaction

T1 = TaskId("t-1")
MINUTE = timedelta(minutes=1)


def record(store: TaskStore, task_id: str = "t-1") -> TaskRecord:
    """Read a task that is there."""
    found = store.record(TaskId(task_id))
    assert found is not None
    return found


def save(store: TaskStore, after: TaskRecord) -> None:
    """Store a change of a task."""

    def unit(tx: Transaction) -> None:
        tx.save(tx.records([after.id])[after.id], after)

    store.write(unit)


def test_parameters_of_a_task_are_kept(store: TaskStore) -> None:
    asked = {"max_attempts": "7", "max_run_time": "2h"}
    store.write(lambda tx: tx.add_tasks([make_new_task("t-1", parameters=asked)]))

    assert record(store).parameters == AttemptParameters(
        max_attempts=7, max_run_time=timedelta(hours=2)
    )


def test_a_parameter_of_a_later_release_does_no_harm(store: TaskStore) -> None:
    asked = {"max_attempts": "as many as it takes"}
    store.write(lambda tx: tx.add_tasks([make_new_task("t-1", parameters=asked)]))

    assert record(store).parameters == AttemptParameters()


def test_what_happened_to_attempts_is_kept(store: TaskStore) -> None:
    store.write(lambda tx: tx.add_tasks([make_new_task("t-1")]))
    after = record(store).replaced(
        losses={ReasonCode.NODE_LOST: 2, ReasonCode.TRANSFER_FAILED: 1},
        last_exit_code=137,
        running_since=NOON,
        not_before=NOON + MINUTE,
        due_at=NOON + 2 * MINUTE,
        stop=Reason(ReasonCode.RUN_TIME_EXCEEDED, "ran for too long"),
    )

    save(store, after)

    assert record(store) == after


def test_what_is_due_is_found_in_order(store: TaskStore) -> None:
    due = {"t-1": NOON + 2 * MINUTE, "t-2": None, "t-3": NOON, "t-4": NOON + MINUTE}
    tasks = [make_new_task(name, due_at=time) for name, time in due.items()]
    store.write(lambda tx: tx.add_tasks(tasks))

    assert store.due_tasks(2) == [
        (TaskId("t-3"), NOON),
        (TaskId("t-4"), NOON + MINUTE),
    ]
    assert len(store.due_tasks(9)) == 3


def test_what_is_due_is_read_by_an_index(url: str, store: TaskStore) -> None:
    tasks = [make_new_task(f"t-{number}") for number in range(9)]
    store.write(lambda tx: tx.add_tasks([*tasks, make_new_task("t-x", due_at=NOON)]))
    engine = create_engine(url)
    with engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            # There are too few rows for it to choose an index by cost.
            connection.execute(text("SET enable_seqscan = off"))
            connection.execute(text("SET enable_bitmapscan = off"))
            explain = "EXPLAIN "
        else:
            explain = "EXPLAIN QUERY PLAN "
        options = {"literal_binds": True}
        query = queries.DUE.limit(9).compile(engine, compile_kwargs=options)
        rows = connection.execute(text(f"{explain}{query}"))
        plan = "\n".join(str(row) for row in rows)
    engine.dispose()

    assert "ix_task_due" in plan
    assert "sort" not in plan.lower()
    assert "temp b-tree" not in plan.lower()


def test_a_task_that_pauses_is_in_no_queue(store: TaskStore) -> None:
    store.write(lambda tx: tx.add_tasks([make_new_task("t-1"), make_new_task("t-2")]))
    save(store, record(store).replaced(not_before=NOON))

    assert [[each.id for each in queue] for queue in store.queues(9)] == [["t-2"]]


def test_more_memory_is_charged_from_the_next_attempt_on(store: TaskStore) -> None:
    store.write(lambda tx: tx.add_tasks([make_new_task("t-1")]))
    save(store, admitted(record(store), "tm-1", NOON))
    lost = requeued(record(store), NOON)
    save(store, lost.replaced(demand=make_demand(ram=4 * GIB), released=True))

    waiting = store.usage_of_all()[EVERYBODY]
    save(store, admitted(record(store), "tm-1", NOON))
    running = store.usage_of_all()[EVERYBODY]
    save(store, record(store).replaced(state=TaskState.CANCELED, ended_at=NOON))

    assert (waiting[RAM], running[RAM]) == (0, 4 * GIB)
    assert store.usage_of_all()[EVERYBODY][RAM] == 0


def test_entries_of_metadata_are_read(store: TaskStore) -> None:
    store.write(lambda tx: tx.add_tasks([make_new_task("t-1")]))
    seq = record(store).seq
    store.write(lambda tx: tx.merge_metadata(seq, {"node": "n1"}))

    assert store.write(lambda tx: tx.metadata(seq)) == {"node": "n1"}


def test_a_taskmaster_may_be_dedicated(store: TaskStore) -> None:
    shared = Taskmaster(
        id="tm-1",
        slots=2,
        assigned=0,
        lease_until=NOON,
        seen=True,
        started_at=NOON,
    )
    store.write(lambda tx: tx.put_taskmaster(shared))
    store.write(lambda tx: tx.put_taskmaster(replace(shared, dedicated=True)))

    assert store.fleet() == [replace(shared, dedicated=True)]
