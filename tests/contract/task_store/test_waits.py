"""What a task waits for is stored as data, with what it has waited for before."""

from datetime import timedelta

import pytest
from sqlalchemy import create_engine, text

from builders.scheduler_tasks import NOON, make_new_task
from tesk_model.reasons import NO_REASON, Reason, ReasonCode
from tesk_model.states import TaskState
from tesk_model.task import TaskId
from tesk_model.waits import NodeCause, WaitDetails, WaitScope
from tesk_scheduler.adapters.store.store import SqlTaskStore
from tesk_scheduler.domain.records import (
    PassedOver,
    StoredTask,
    TaskRecord,
    WaitingTasks,
)
from tesk_scheduler.domain.transitions import admitted, with_reason
from tesk_scheduler.domain.waits import LASTING
from tesk_scheduler.ports.store import TaskStore, Transaction

TASK = TaskId("t-1")
MINUTE = timedelta(minutes=1)
DETAILS = WaitDetails(
    scope=WaitScope.USER,
    subject="alice é",
    dimension="running",
    used=50,
    limit=50,
    needed=1,
    remedy="starts when 1 task of alice é has ended",
)
LIMITED = Reason(ReasonCode.QUOTA_FULL, "alice é: 50 of 50 tasks running", DETAILS)
FULL = Reason(ReasonCode.CAPACITY_FULL, "waiting for 4 cpu: 2 free")


def record(store: TaskStore, task_id: TaskId = TASK) -> TaskRecord:
    found = store.record(task_id)
    assert found is not None
    return found


def shown(store: TaskStore) -> StoredTask:
    [task] = store.tasks([TASK], owner=None, full=True, max_bytes=2**20).tasks
    return task


def put(store: TaskStore, reason: Reason, *, after: timedelta) -> None:
    reasons = {TASK: reason}
    store.write(lambda tx: tx.set_reasons(reasons, now=NOON + after))


def waiting_store(store: TaskStore) -> TaskStore:
    store.write(lambda tx: tx.add_tasks([make_new_task(TASK)]))
    return store


def test_details_come_back_as_they_were_set(store: TaskStore) -> None:
    put(waiting_store(store), LIMITED, after=MINUTE)

    for found in (record(store), shown(store)):
        assert found.reason.details == DETAILS
        assert found.history.since == NOON + MINUTE


def test_nodes_come_back_bounded(store: TaskStore) -> None:
    nodes = tuple(NodeCause("x" * 1000, number) for number in range(50))
    details = WaitDetails(scope=WaitScope.NODE, remedy="y" * 9999, nodes=nodes)
    reason = Reason(ReasonCode.UNSCHEDULABLE, "no node can take it", details)

    put(waiting_store(store), reason, after=MINUTE)

    found = record(store).reason.details
    assert found == details.bounded()
    assert len(found.nodes) == 10


def test_a_cause_keeps_its_begin_while_its_numbers_change(store: TaskStore) -> None:
    put(waiting_store(store), LIMITED, after=MINUTE)
    fewer = Reason(ReasonCode.QUOTA_FULL, "alice é: 51 of 50 tasks running", DETAILS)

    put(store, fewer, after=2 * MINUTE)

    found = record(store)
    assert found.reason.text == fewer.text
    assert found.history.since == NOON + MINUTE


def test_the_time_of_each_cause_is_kept(store: TaskStore) -> None:
    put(waiting_store(store), LIMITED, after=MINUTE)
    put(store, FULL, after=3 * MINUTE)

    history = record(store).history
    assert history.since == NOON + 3 * MINUTE
    assert [(each.code, each.text, each.time) for each in history.spent] == [
        ("ADMISSION_PENDING", "", MINUTE),
        ("QUOTA_FULL", LIMITED.text, 2 * MINUTE),
    ]


def test_a_cause_that_lasts_is_in_system_logs_once(store: TaskStore) -> None:
    waiting_store(store)
    for minutes in range(1, 12):
        put(store, LIMITED, after=minutes * MINUTE)

    assert minutes * MINUTE > LASTING
    assert shown(store).lines == [f"waiting since 2026-01-01 12:01 UTC: {LIMITED.text}"]


def test_details_are_dropped_when_another_release_wrote_the_sentence(
    url: str, store: SqlTaskStore
) -> None:
    put(waiting_store(store), LIMITED, after=MINUTE)
    put(store, FULL, after=3 * MINUTE)
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE task SET reason = 'x', reason_code = ''"))
    engine.dispose()

    found = record(store)

    assert found.reason.details is None
    assert found.history.since is None
    assert len(found.history.spent) == 2


def begin(tx: Transaction) -> None:
    before = tx.records([TASK])[TASK]
    tx.save(before, admitted(before, "tm-1", NOON + 2 * MINUTE))


def test_an_admitted_task_begins_anew(store: TaskStore) -> None:
    put(waiting_store(store), LIMITED, after=MINUTE)
    store.write(begin)
    before = record(store)
    pulling = Reason(
        ReasonCode.IMAGE_PULLING, "pulling", WaitDetails(scope=WaitScope.NODE)
    )

    store.write(lambda tx: tx.save(before, with_reason(before, pulling, NOON)))

    assert (before.reason.text, before.history.spent) == ("", ())
    after = record(store)
    assert after.reason.details == pulling.details
    assert after.history.since == NOON


def test_a_reason_that_is_cleared_leaves_its_time_behind(store: TaskStore) -> None:
    put(waiting_store(store), LIMITED, after=MINUTE)

    for minutes in (3, 60):
        put(store, NO_REASON, after=minutes * MINUTE)

    found = record(store)
    assert (found.reason, found.history.since) == (NO_REASON, NOON + 3 * MINUTE)
    assert [each.code for each in found.history.spent] == [
        "ADMISSION_PENDING",
        "QUOTA_FULL",
    ]
    assert shown(store).lines == []


def test_tasks_with_a_reason_are_listed_but_not_those_that_pause(
    store: TaskStore,
) -> None:
    ids = [TaskId(f"t-{number}") for number in range(1, 5)]
    store.write(lambda tx: tx.add_tasks([make_new_task(each) for each in ids]))
    paused = Reason(ReasonCode.RETRY_BACKOFF, "attempt 2 waits")

    def begin_and_pause(tx: Transaction) -> None:
        found = tx.records(ids)
        tx.save(found[ids[2]], admitted(found[ids[2]], "tm-1", NOON))
        pauses = found[ids[3]].replaced(not_before=NOON + MINUTE, reason=paused)
        tx.save(found[ids[3]], pauses)

    store.write(lambda tx: tx.set_reasons({ids[1]: LIMITED}, now=NOON))
    store.write(begin_and_pause)
    store.write(lambda tx: tx.set_reasons(dict.fromkeys(ids[2:], FULL), now=NOON))

    assert store.explained() == [ids[1]]
    assert record(store, ids[3]).reason == paused


def test_the_head_of_a_queue_is_the_next_of_its_owner(store: TaskStore) -> None:
    tasks = [
        make_new_task("t-0", priority=-1),
        make_new_task(TASK),
        make_new_task("t-2"),
        make_new_task("t-3", owner="bob"),
    ]
    store.write(lambda tx: tx.add_tasks(tasks))
    put(store, LIMITED, after=MINUTE)

    head = store.queue_head("alice")

    assert head is not None
    assert (head.id, head.reason, head.since) == (TASK, LIMITED, NOON + MINUTE)
    assert head.reason.details == DETAILS
    assert store.queue_head("nobody") is None


PAUSED = Reason(ReasonCode.RETRY_BACKOFF, "attempt 2 waits")
NEVER = Reason(ReasonCode.LIMIT_EXCEEDED, "can never run")
TOO_LARGE = Reason(ReasonCode.NODES_TOO_SMALL, "waiting for a larger node")


@pytest.mark.parametrize("reason", [PAUSED, NEVER, TOO_LARGE])
def test_what_holds_up_no_other_is_no_head_and_is_listed(
    store: TaskStore, reason: Reason
) -> None:
    first, second = TaskId("t-0"), make_new_task("t-2", priority=-1)
    store.write(lambda tx: tx.add_tasks([make_new_task(first), second]))
    store.write(lambda tx: tx.set_reasons({first: reason}, now=NOON))

    head = store.queue_head("alice")

    assert head is not None
    assert head.id == "t-2"
    assert store.passed_over(9) == [PassedOver("alice", 0, record(store, first).seq)]
    assert store.passed_over(0) == []


def test_waiting_tasks_are_counted_by_what_they_wait_for(store: TaskStore) -> None:
    tasks = [make_new_task(f"t-{number}") for number in range(1, 6)]
    store.write(lambda tx: tx.add_tasks(tasks))
    assert [each.tasks for each in store.waiting()] == [5]
    put(store, LIMITED, after=MINUTE)

    assert store.waiting() == [
        WaitingTasks(
            state=TaskState.QUEUED, reason=ReasonCode.QUOTA_FULL, tasks=1, oldest=NOON
        ),
        WaitingTasks(
            state=TaskState.QUEUED,
            reason=ReasonCode.ADMISSION_PENDING,
            tasks=4,
            oldest=NOON,
        ),
    ]
    store.write(begin)
    assert [each.tasks for each in store.waiting()] == [4]
