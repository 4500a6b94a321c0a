"""What operators change and read: holds, drained taskmasters, counters."""

import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import create_engine, insert, text

from builders.scheduler_tasks import NOON, make_demand, make_new_task
from tesk_model.quantities import ByteCount
from tesk_model.reasons import Reason, ReasonCode
from tesk_model.states import TaskState
from tesk_model.task import TaskId
from tesk_scheduler.adapters.store.schema import USAGE
from tesk_scheduler.adapters.store.store import SqlTaskStore
from tesk_scheduler.domain.dimensions import DIMENSIONS
from tesk_scheduler.domain.fleet import Taskmaster
from tesk_scheduler.domain.holds import Hold
from tesk_scheduler.domain.quota import EVERYBODY, Subject, SubjectKind, Usage
from tesk_scheduler.domain.transitions import admitted, with_state
from tesk_scheduler.domain.verification import usage_differences
from tesk_scheduler.ports.store import TaskStore, Transaction

ALICE = Subject(SubjectKind.USER, "alice")
ADA = Hold(subject=ALICE, reason="why", operator="ada", since=NOON)
TM = Taskmaster(
    id="tm-1", slots=3, assigned=0, lease_until=NOON, seen=True, started_at=NOON
)


def test_holds_are_kept_replaced_and_removed(store: TaskStore) -> None:
    everybody = replace(ADA, subject=EVERYBODY)
    later = replace(ADA, reason="other", since=NOON + timedelta(hours=1))

    for hold in (ADA, everybody, later):
        store.write(lambda tx, hold=hold: tx.put_hold(hold))  # type: ignore[misc]
    there = store.holds()
    store.write(lambda tx: tx.remove_hold(ALICE))
    store.write(lambda tx: tx.remove_hold(ALICE))

    assert there == [everybody, later]
    assert store.holds() == store.write(lambda tx: tx.holds()) == [everybody]


def test_a_hold_waits_for_admissions_where_there_is_a_leader(store: TaskStore) -> None:
    store.write(lambda tx: tx.lock_admission())
    store.write(lambda tx: tx.acquire_lead("a", now=NOON, until=NOON, force=False))

    store.write(lambda tx: tx.lock_admission())


def test_queued_tasks_that_wait_for_one_cause_are_listed(store: TaskStore) -> None:
    store.write(lambda tx: tx.add_tasks([make_new_task("t-1"), make_new_task("t-2")]))
    reasons = {
        TaskId("t-1"): Reason(ReasonCode.HELD, "held"),
        TaskId("t-2"): Reason(ReasonCode.QUOTA_FULL, "full"),
    }
    store.write(lambda tx: tx.set_reasons(reasons, now=NOON))

    found = store.write(lambda tx: tx.waiting_for(ReasonCode.HELD, 9))

    assert found == ["t-1"]
    assert store.write(lambda tx: tx.waiting_for(ReasonCode.HELD, 0)) == []


def test_a_taskmaster_that_drains_does_so_whatever_it_reports(store: TaskStore) -> None:
    store.write(lambda tx: tx.put_taskmaster(TM))
    store.write(lambda tx: tx.drain_taskmaster("tm-1"))

    # As a lease that is renewed meanwhile.
    store.write(lambda tx: tx.put_taskmaster(replace(TM, slots=9)))

    assert store.fleet() == [replace(TM, slots=9, draining=True)]


def test_queued_tasks_have_the_groups_of_their_owners(store: TaskStore) -> None:
    store.write(lambda tx: tx.add_tasks([make_new_task("t-1", groups=("g", "h"))]))

    [[task]] = store.queues(1)

    assert task.groups == ("g", "h")


@pytest.fixture
def used(store: SqlTaskStore) -> SqlTaskStore:
    """Give alice and bob tasks in all states that count."""
    tasks = [
        make_new_task("t-1"),
        make_new_task("t-2", group="g"),
        make_new_task("t-3", owner="bob", group="g", demand=make_demand(cpu_millis=5)),
        make_new_task("t-4", owner="bob"),
    ]
    store.write(lambda tx: tx.add_tasks(tasks))

    def move(tx: Transaction) -> None:
        records = tx.records([TaskId("t-2"), TaskId("t-3"), TaskId("t-4")])
        for task_id in ("t-2", "t-3"):
            record = records[TaskId(task_id)]
            tx.save(record, admitted(record, "tm-1", NOON))
        ended = records[TaskId("t-4")]
        tx.save(ended, with_state(ended, TaskState.CANCELED, NOON))

    store.write(move)
    return store


def test_what_is_counted_is_what_the_tasks_use(used: SqlTaskStore) -> None:
    counted, counters = used.recounted()

    assert not usage_differences(counted, counters)
    assert counted[EVERYBODY] == Usage(
        queued=1, running=2, cpu_millis=1005, ram=ByteCount(2**31)
    )
    assert counted[Subject(SubjectKind.GROUP, "g")][0] == 2
    assert used.write(lambda tx: tx.recount()) == (counted, counters)


def test_counters_are_replaced(used: SqlTaskStore, url: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE usage SET running = 7 WHERE name = 'alice'"))
        connection.execute(text("DELETE FROM usage WHERE kind = 'group'"))
    engine.dispose()
    counted, counters = used.recounted()
    wrong = usage_differences(counted, counters)

    used.write(lambda tx: tx.set_usage(wrong))

    assert list(wrong) == [Subject(SubjectKind.GROUP, "g"), ALICE]
    assert not usage_differences(*used.recounted())


UNREADABLE = {
    "an unknown kind": ("galaxy", "alice"),
    "a name that is no JSON": ("all", "x"),
    "a name that is no list": ("all", "7"),
    "too short a name": ("all", '["user"]'),
    "an unknown kind in the name": ("all", '["galaxy", "alice", ""]'),
    "a name that is no text": ("all", '["namespace", 7, [1]]'),
    "another spelling of what has a row": ("all", '["user", "alice", ""]'),
}


@pytest.mark.parametrize(("kind", "name"), UNREADABLE.values(), ids=UNREADABLE)
def test_a_counter_of_no_subject_is_left_out_until_it_is_deleted(
    used: SqlTaskStore,
    url: str,
    caplog: pytest.LogCaptureFixture,
    kind: str,
    name: str,
) -> None:
    right = used.usage_of_all()
    _insert_counter(url, kind, name)

    assert used.usage_of_all() == used.usage_of_all() == right
    assert used.recounted()[1] == used.write(lambda tx: tx.recount())[1] == right
    assert used.unreadable_usage() == [f"{kind} {name}"]
    assert len(caplog.records) == 1
    assert used.write(lambda tx: tx.delete_unreadable_usage()) == [f"{kind} {name}"]
    assert used.unreadable_usage() == []
    assert used.usage_of_all() == right


def test_the_counters_of_who_uses_nothing_are_deleted(
    used: SqlTaskStore, url: str
) -> None:
    _insert_counter(url, "user", "ghost")

    ghost = Subject(SubjectKind.USER, "ghost")
    used.write(lambda tx: tx.set_usage({ghost: Usage(), EVERYBODY: Usage()}))

    assert ghost not in used.usage_of_all()
    assert used.usage_of_all()[EVERYBODY] == Usage()


def _insert_counter(url: str, kind: str, name: str) -> None:
    values = {each.column: 1 for each in DIMENSIONS} | {"kind": kind, "name": name}
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(insert(USAGE).values(values))
    engine.dispose()


def test_attempts_and_what_is_left_of_them_are_known(used: SqlTaskStore) -> None:
    known = used.known_attempts([TaskId("t-1"), TaskId("t-2"), TaskId("t-9")])

    assert known == {"t-1": (0, True), "t-2": (1, False)}
    assert used.count_unreleased() == 2


def test_tasks_in_progress_that_nobody_has_are_listed(
    used: SqlTaskStore, url: str
) -> None:
    none = used.stranded(9)
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE task SET state = 4 WHERE id <> 't-4'"))
    engine.dispose()

    # The attempts of the others are not released.
    assert none == []
    assert [record.id for record in used.stranded(9)] == ["t-1"]
    assert used.stranded(0) == []


def test_tasks_are_counted_that_ended_before(used: SqlTaskStore) -> None:
    assert used.count_expired(NOON + timedelta(seconds=1)) == 1
    assert used.count_expired(NOON) == 0
    assert used.write(lambda tx: tx.count_tasks(3)) == 3


def test_a_hold_is_put_when_admissions_before_it_are_written(
    store: SqlTaskStore, url: str
) -> None:
    store.write(lambda tx: tx.add_tasks([make_new_task("t-1")]))
    store.write(lambda tx: tx.acquire_lead("a", now=NOON, until=NOON, force=False))
    # The scheduler that is asked is another one than the leader, if there can be two.
    other = store if store.exclusive else SqlTaskStore.open(url)
    begun, go_on = threading.Event(), threading.Event()
    order: list[str] = []

    def admit(tx: Transaction) -> None:
        tx.check_epoch(1)
        begun.set()
        assert go_on.wait(30)
        (record,) = tx.records([TaskId("t-1")]).values()
        tx.save(record, admitted(record, "tm-1", NOON))
        order.append("admitted")

    def hold(tx: Transaction) -> None:
        tx.lock_admission()
        (record,) = tx.records([TaskId("t-1")]).values()
        order.append(f"held, and the task is {record.state.value}")
        tx.put_hold(ADA)

    admission = threading.Thread(target=store.write, args=[admit])
    holding = threading.Thread(target=other.write, args=[hold])
    admission.start()
    assert begun.wait(30)
    holding.start()
    holding.join(0.2)
    waits = holding.is_alive()
    go_on.set()
    admission.join()
    holding.join()
    if other is not store:
        other.close()

    assert waits
    assert order == ["admitted", "held, and the task is INITIALIZING"]
