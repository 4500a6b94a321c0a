"""Taskmasters and queues."""

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from builders.scheduler_tasks import NOON, make_demand, make_new_task
from tesk_model.errors import UnavailableError
from tesk_model.names import Attempt
from tesk_model.quantities import ByteCount
from tesk_model.reasons import NO_REASON, Reason, ReasonCode
from tesk_model.states import TaskState
from tesk_model.task import TaskId
from tesk_scheduler.adapters.store.engines import open_engines
from tesk_scheduler.adapters.store.store import SqlTaskStore
from tesk_scheduler.domain.dimensions import GPU
from tesk_scheduler.domain.fleet import Taskmaster
from tesk_scheduler.domain.initializing import Commitments, InitializingTask
from tesk_scheduler.domain.quota import Usage
from tesk_scheduler.domain.records import AssignedAttempt, UnassignedAttempt
from tesk_scheduler.domain.taskmaster_reasons import full_reason
from tesk_scheduler.domain.transitions import admitted, requeued, with_state
from tesk_scheduler.ports.store import TaskStore, Transaction

DAY = timedelta(days=1)
LATER = NOON + timedelta(seconds=10)
SOON = NOON + timedelta(seconds=5)
TM = Taskmaster(
    id="tm-1",
    slots=3,
    assigned=0,
    lease_until=LATER,
    seen=False,
    started_at=NOON,
    revision="r1",
)


def begin(store: TaskStore, *ids: str) -> None:
    """Admit tasks to tm-1."""

    def unit(tx: Transaction) -> None:
        for record in tx.records([TaskId(each) for each in ids]).values():
            tx.save(record, admitted(record, "tm-1", NOON))

    store.write(unit)


@pytest.fixture
def busy(store: TaskStore) -> TaskStore:
    """Give tm-1 two of three tasks."""
    store.write(lambda tx: tx.put_taskmaster(TM))
    tasks = [make_new_task(f"t-{number}") for number in (1, 2, 3)]
    store.write(lambda tx: tx.add_tasks(tasks))
    begin(store, "t-1", "t-2")
    return store


def test_assigned_attempts_are_counted(busy: TaskStore) -> None:
    assert busy.fleet() == [replace(TM, assigned=2)]
    assert [record.id for record in busy.assigned("tm-1")] == ["t-1", "t-2"]
    assert busy.assigned("tm-2") == []


def test_of_assigned_attempts_is_read_what_orders_follow_from(busy: TaskStore) -> None:
    stop = Reason(ReasonCode.CANCELED, "by an operator")

    def unit(tx: Transaction) -> None:
        record = tx.records([TaskId("t-2")])[TaskId("t-2")]
        tx.save(record, record.replaced(inputs_finished=True, stop=stop))

    busy.write(unit)

    runs = AssignedAttempt(
        attempt=Attempt(TaskId("t-1"), 1),
        state=TaskState.INITIALIZING,
        inputs_finished=False,
        outputs_finished=False,
        stop_code=ReasonCode.NONE,
    )
    stopped = runs._replace(
        attempt=Attempt(TaskId("t-2"), 1), inputs_finished=True, stop_code=stop.code
    )
    assert busy.assigned_attempts("tm-1") == [runs, stopped]
    assert busy.assigned_attempts("tm-2") == []


def test_a_taskmaster_is_read_alone(busy: TaskStore) -> None:
    other = replace(TM, id="tm-2")
    busy.write(lambda tx: tx.put_taskmaster(other))

    assert busy.taskmaster("tm-1") == replace(TM, assigned=2)
    assert busy.write(lambda tx: tx.taskmaster("tm-2")) == other
    assert busy.taskmaster("tm-3") is None


def test_a_taskmaster_is_replaced_by_what_is_newer(busy: TaskStore) -> None:
    seen = replace(TM, seen=True, slots=1)

    busy.write(lambda tx: tx.put_taskmaster(seen))

    assert busy.fleet() == [replace(seen, assigned=2)]


def test_the_attempts_of_a_removed_taskmaster_are_unassigned(busy: TaskStore) -> None:
    removed = busy.write(lambda tx: tx.remove_taskmaster("tm-1", only_idle=False))

    assert removed
    assert busy.fleet() == []
    assert [each.id for each in busy.unassigned()] == ["t-1", "t-2"]


def test_an_unassigned_attempt_is_read_with_its_reason(busy: TaskStore) -> None:
    busy.write(lambda tx: tx.remove_taskmaster("tm-1", only_idle=False))
    before = busy.record(TaskId("t-1"))
    assert before is not None
    reason = full_reason(4)
    after = before.replaced(takeovers=2, reason=reason)
    busy.write(lambda tx: tx.save(before, after))

    first = busy.unassigned()[0]

    assert first == UnassignedAttempt(
        id=before.id, attempt=1, state=before.state, takeovers=2, reason=reason
    )
    assert first.attempt_runs


def test_a_taskmaster_with_attempts_is_not_removed_as_idle(busy: TaskStore) -> None:
    assert not busy.write(lambda tx: tx.remove_taskmaster("tm-1", only_idle=True))
    assert busy.fleet() == [replace(TM, assigned=2)]


def test_an_idle_taskmaster_is_removed_once(store: TaskStore) -> None:
    store.write(lambda tx: tx.put_taskmaster(TM))

    assert store.write(lambda tx: tx.remove_taskmaster("tm-1", only_idle=True))
    assert not store.write(lambda tx: tx.remove_taskmaster("tm-1", only_idle=True))


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
@pytest.mark.engine
def test_no_attempt_is_assigned_to_a_taskmaster_that_another_scheduler_removes(
    url: str, store: SqlTaskStore
) -> None:
    store.write(lambda tx: tx.put_taskmaster(TM))
    store.write(lambda tx: tx.add_tasks([make_new_task("t-1")]))
    other = SqlTaskStore.open(url)
    removed: list[bool] = []

    def remove() -> None:
        idle = other.write(lambda tx: tx.remove_taskmaster("tm-1", only_idle=True))
        removed.append(idle)

    removal = threading.Thread(target=remove)

    def assign(tx: Transaction) -> None:
        (member,) = tx.taskmasters()
        (record,) = tx.records([TaskId("t-1")]).values()
        tx.save(record, admitted(record, member.id, NOON))
        removal.start()
        removal.join(1)  # it waits for this one, or has removed it

    store.write(assign)
    removal.join(10)

    assert removed == [False]
    assert [record.id for record in store.assigned("tm-1")] == ["t-1"]
    assert store.fleet() == [replace(TM, assigned=1)]
    other.close()


def test_queues_are_cut_by_owner_in_order(store: TaskStore) -> None:
    owners = ["alice", "bob", "alice", "alice", "bob"]
    tasks = [make_new_task(f"t-{n}", owner=owner) for n, owner in enumerate(owners)]
    store.write(lambda tx: tx.add_tasks(tasks))
    begin(store, "t-0")

    queues = store.queues(1)

    assert [[task.id for task in queue] for queue in queues] == [["t-2"], ["t-1"]]
    assert queues[0][0].demand == tasks[2].demand


def test_an_unreleased_task_does_not_queue(busy: TaskStore) -> None:
    def lose(tx: Transaction) -> None:
        record = tx.records([TaskId("t-1")])[TaskId("t-1")]
        tx.save(record, requeued(record, LATER))

    busy.write(lose)

    assert [[task.id for task in queue] for queue in busy.queues(9)] == [["t-3"]]


def test_older_tasks_are_counted_up_to_a_limit(store: TaskStore) -> None:
    tasks = [make_new_task(f"t-{number}") for number in range(6)]
    store.write(lambda tx: tx.add_tasks(tasks))
    last = store.record(TaskId("t-5"))
    assert last is not None

    assert store.count_queued_before("alice", last.seq, limit=100) == 5
    assert store.count_queued_before("alice", last.seq, limit=3) == 3
    assert store.count_queued_before("bob", last.seq, limit=100) == 0


def test_reasons_are_set_for_queued_tasks_only(busy: TaskStore) -> None:
    full = Reason(ReasonCode.CAPACITY_FULL, "waiting for 4 cpu: 2 free")
    reasons = {TaskId("t-1"): full, TaskId("t-3"): full}

    busy.write(lambda tx: tx.set_reasons(reasons, now=NOON))

    tasks = busy.tasks(list(reasons), owner=None, full=True, max_bytes=2**20).tasks
    assert {task.id: task.reason for task in tasks} == {
        "t-1": NO_REASON,
        "t-3": full,
    }


def test_a_server_has_a_clock_of_its_own(store: SqlTaskStore) -> None:
    time = store.time()

    # One clock for all replicas, if there can be several.
    assert (time is None) == store.exclusive
    assert time is None or abs(time - datetime.now(UTC)) < DAY


def test_a_store_that_works_is_healthy(store: TaskStore) -> None:
    store.check_health()
    store.check_health()


def test_a_store_whose_writes_do_not_end_is_not_healthy(url: str) -> None:
    SqlTaskStore.open(url).close()
    hanging = SqlTaskStore(open_engines(url), probe_timeout=0.05)
    begun, end = threading.Event(), threading.Event()

    def hang(_tx: Transaction) -> None:
        begun.set()
        end.wait()

    write = threading.Thread(target=hanging.write, args=[hang])
    write.start()
    begun.wait()
    with pytest.raises(UnavailableError, match="nothing could be written for"):
        hanging.check_health()
    end.set()
    write.join()

    hanging.check_health()
    hanging.close()


def test_tasks_in_progress_are_added_up_each_with_the_minimum(
    busy: TaskStore,
) -> None:
    least = make_demand(cpu_millis=250, ram=ByteCount(2**31), disk=ByteCount(3))

    counted = Usage(running=2, cpu_millis=2000, ram=ByteCount(2**32), disk=ByteCount(6))
    assert busy.committed(least, admitted_before=NOON) == Commitments(
        counted=counted, initializing=()
    )


def test_tasks_that_did_not_start_for_long_are_listed(busy: TaskStore) -> None:
    least = make_demand(cpu_millis=250, ram=ByteCount(1))

    def start(tx: Transaction) -> None:
        (record,) = tx.records([TaskId("t-1")]).values()
        tx.save(record, with_state(record, TaskState.RUNNING, NOON))

    busy.write(start)
    waits = InitializingTask(demand=make_demand(), ready_at=NOON, moves_inputs=False)

    assert busy.committed(least, admitted_before=LATER) == Commitments(
        counted=Usage(running=1, cpu_millis=1000, ram=ByteCount(2**30)),
        initializing=(waits,),
    )


def test_tasks_with_moving_inputs_and_arrivals_are_known(busy: TaskStore) -> None:
    def report(tx: Transaction) -> None:
        records = tx.records([TaskId("t-1"), TaskId("t-2")])
        for record in records.values():
            tx.merge_metadata(record.seq, {"inputs": "1 of 2 files"})
        arrived = records[TaskId("t-2")]
        tx.save(
            arrived,
            arrived.replaced(inputs_finished=True, inputs_ended_at=SOON),
        )

    busy.write(report)
    found = busy.committed(make_demand(), admitted_before=LATER)

    assert sorted(
        (task.moves_inputs, task.ready_at) for task in found.initializing
    ) == [
        (False, SOON),
        (True, NOON),
    ]


def test_tasks_that_wait_or_ended_take_nothing(store: TaskStore) -> None:
    store.write(lambda tx: tx.add_tasks([make_new_task("t-1")]))

    nothing = Commitments(counted=Usage(), initializing=())
    assert store.committed(make_demand(), admitted_before=LATER) == nothing


def test_gpus_in_progress_are_added_up_by_type(store: TaskStore) -> None:
    types = {"t-1": "a100", "t-2": "a100", "t-3": "", "t-4": "t4"}
    tasks = [
        make_new_task(name, gpu_type=gpu_type, demand=make_demand(gpu=2))
        for name, gpu_type in types.items()
    ]
    store.write(lambda tx: tx.add_tasks(tasks))
    begin(store, "t-1", "t-2", "t-3")

    found = store.committed(make_demand(), admitted_before=NOON)

    assert found.gpus == {"a100": 4}
    assert found.counted[GPU] == 6
