"""What the stores keep for the call cache."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from builders.scheduler_tasks import NOON, make_new_task
from tesk_model.identities import FileIdentity
from tesk_model.states import TaskState
from tesk_model.task import OutputFileLog, TaskId
from tesk_scheduler.domain.bounds import Retained
from tesk_scheduler.domain.calls import CallRecord, NewCall
from tesk_scheduler.domain.records import ExecutorLogChange
from tesk_scheduler.domain.transitions import admitted, with_state
from tesk_scheduler.ports.store import TaskStore, Transaction

A = FileIdentity(
    direction="inputs", url="s3://b/ä", path="/in\0", size_bytes=2**40, identity="e 1"
)
B = FileIdentity(
    direction="outputs", url="s3://b/x", path="/out", size_bytes=0, identity="e 2"
)
SHARED = NewCall(scope="owner ada", key="k")


def add(
    store: TaskStore, task_id: str, *, call: NewCall | None = SHARED, name: str = "n"
) -> int:
    """Create a task that is COMPLETE; return its number."""

    def work(tx: Transaction) -> int:
        tx.add_tasks(
            [replace(make_new_task(task_id, owner="ada"), call=call, name=name)]
        )
        record = tx.records([TaskId(task_id)])[TaskId(task_id)]
        began = admitted(record, "tm-1", NOON)
        tx.save(record, began)
        runs = with_state(began, TaskState.RUNNING, NOON)
        tx.save(began, runs)
        tx.save(runs, with_state(runs, TaskState.COMPLETE, NOON))
        return record.seq

    return store.write(work)


def change(store: TaskStore, task_id: str, **fields: object) -> CallRecord:
    call = store.call(TaskId(task_id))
    assert call is not None
    after: CallRecord = replace(call, **fields)  # type: ignore[arg-type]
    store.write(lambda tx: tx.save_call(after))
    return after


def test_a_call_is_stored_and_changed(store: TaskStore) -> None:
    add(store, "t-1")

    assert store.call(TaskId("t-1")) == CallRecord(seq=1, scope="owner ada", key="k")
    after = change(
        store,
        "t-1",
        problem="a\0b",
        inputs_identified=True,
        identities=Retained(3, 2**40),
        candidate=TaskId("t-0"),
        difference="",
        hit=True,
    )

    assert store.call(TaskId("t-1")) == replace(after, problem="a\ufffdb")


def test_a_task_of_before_has_none(store: TaskStore) -> None:
    add(store, "t-1", call=None)

    assert store.call(TaskId("t-1")) is None
    assert store.call(TaskId("t-2")) is None
    assert store.identities(TaskId("t-1")) is None
    assert list(store.image_digests(TaskId("t-1"))) == []
    assert store.write(lambda tx: tx.calls([1])) == {}


def test_the_newest_reusable_task_of_the_scope_is_the_candidate(
    store: TaskStore,
) -> None:
    for task_id in ("t-1", "t-2", "t-3"):
        add(store, task_id)
    add(store, "t-4", call=replace(SHARED, scope="owner bob"))
    add(store, "t-5", call=replace(SHARED, key="other"))
    for task_id in ("t-1", "t-2", "t-4", "t-5"):
        change(store, task_id, reusable=True)
    call = store.call(TaskId("t-3"))
    assert call is not None

    assert store.write(lambda tx: tx.newest_reusable(call)) == "t-2"
    none = replace(call, key="none")
    assert store.write(lambda tx: tx.newest_reusable(none)) is None


def identify(store: TaskStore, seq: int, *batches: Sequence[FileIdentity]) -> None:
    for batch in batches:
        store.write(lambda tx, batch=batch: tx.add_identities(seq, batch))  # type: ignore[misc]


def test_identities_come_back_each_once(store: TaskStore) -> None:
    seq = add(store, "t-1")
    newer = replace(A, identity="e 3")

    identify(store, seq, [A, B], [newer], [newer])
    assert store.identities(TaskId("t-1")) is None
    change(store, "t-1", reusable=True)

    assert store.identities(TaskId("t-1")) == [newer, B]
    identify(store, seq, [A, B])
    assert store.identities(TaskId("t-1")) == [A, B]


def digest(index: int, text: str | None) -> ExecutorLogChange:
    return ExecutorLogChange(index=index, exit_code=0, image_digest=text)


def test_digests_are_read_in_the_order_of_executors(store: TaskStore) -> None:
    seq = add(store, "t-1")

    def work(tx: Transaction) -> Sequence[str]:
        tx.change_executor_log(seq, digest(1, None))
        tx.change_executor_log(seq, digest(0, "sha256:0"))
        return tx.image_digests(seq)

    assert list(store.write(work)) == ["sha256:0", ""]
    store.write(lambda tx: tx.change_executor_log(seq, digest(0, None)))
    assert list(store.image_digests(TaskId("t-1"))) == ["sha256:0", ""]


def test_another_attempt_begins_with_nothing(store: TaskStore) -> None:
    seq = add(store, "t-1")
    identify(store, seq, [A])
    change(
        store,
        "t-1",
        inputs_identified=True,
        outputs_identified=True,
        identities=Retained(1, 1),
        candidate=TaskId("t-0"),
        difference="",
    )
    store.write(lambda tx: tx.change_executor_log(seq, digest(0, "sha256:0")))

    store.write(lambda tx: tx.clear_attempt(seq))

    assert store.call(TaskId("t-1")) == CallRecord(seq=seq, scope="owner ada", key="k")
    assert list(store.image_digests(TaskId("t-1"))) == []
    change(store, "t-1", reusable=True)
    assert store.identities(TaskId("t-1")) == []


def test_results_are_copied(store: TaskStore) -> None:
    source, target = add(store, "t-1"), add(store, "t-2")
    file = OutputFileLog(url="s3://b/x", path="/out", size_bytes=7)

    def run(tx: Transaction) -> None:
        tx.put_output_files(source, [file])
        log = replace(digest(0, "sha256:0"), stdout="hello", started_at=NOON)
        tx.change_executor_log(source, log)

    store.write(run)
    store.write(lambda tx: tx.copy_results(source, target))

    first, second = (
        store.tasks([TaskId(name)], owner=None, full=True, max_bytes=0).tasks[0]
        for name in ("t-1", "t-2")
    )
    assert second.executors == first.executors
    assert second.outputs == [file]
    assert list(store.image_digests(TaskId("t-2"))) == ["sha256:0"]


def test_what_belongs_to_a_deleted_task_is_gone(store: TaskStore) -> None:
    seq = add(store, "t-1")
    identify(store, seq, [A])
    change(store, "t-1", reusable=True)
    call = store.call(TaskId("t-1"))
    assert call is not None

    def release(tx: Transaction) -> None:
        record = tx.records([TaskId("t-1")])[TaskId("t-1")]
        tx.save(record, record.replaced(released=True))

    store.write(release)
    after = NOON + timedelta(seconds=1)
    store.write(lambda tx: tx.delete_tasks(ended_before=after, limit=9))

    assert store.call(TaskId("t-1")) is None
    assert store.write(lambda tx: tx.newest_reusable(call)) is None


def test_equal_and_comparable_tasks_are_earlier_ones(store: TaskStore) -> None:
    add(store, "t-1")
    add(store, "t-2", call=None)
    add(store, "t-3", name="other")
    add(store, "t-4")
    add(store, "t-5")
    call = store.call(TaskId("t-4"))
    assert call is not None

    assert store.equal_call(call) == "t-3"
    change(store, "t-3", hit=True)
    assert store.equal_call(call) == "t-1"
    assert list(store.comparable(TaskId("t-4"), 9)) == ["t-2", "t-1"]
    assert list(store.comparable(TaskId("t-4"), 1)) == ["t-2"]
    assert list(store.comparable(TaskId("t-9"), 9)) == []
