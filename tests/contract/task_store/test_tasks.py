"""Changes of tasks are stored, counted and read again."""

import threading
from datetime import timedelta

import pytest

from builders.scheduler_tasks import NOON, make_new_task
from schedulers.units_of_work import add, begin, change, full
from tesk_model.errors import ConflictError, TeskError
from tesk_model.reasons import Reason, ReasonCode
from tesk_model.states import TaskState
from tesk_model.task import OutputFileLog, TaskId
from tesk_scheduler.domain.dimensions import QUEUED
from tesk_scheduler.domain.quota import EVERYBODY, Subject, SubjectKind
from tesk_scheduler.domain.records import TaskSummary
from tesk_scheduler.domain.transitions import canceled, with_state
from tesk_scheduler.ports.store import TaskStore, Transaction

GROUPS = ('lab, with "signs"', "é", "")
ALICE = Subject(SubjectKind.USER, "alice")
T1 = TaskId("t-1")


def summaries(
    store: TaskStore, *ids: TaskId, owner: str | None = None
) -> dict[TaskId, TaskSummary]:
    """Read what MINIMAL shows."""
    return store.summaries(ids, owner=owner)


def test_a_record_has_the_groups_of_the_owner(store: TaskStore) -> None:
    add(store, make_new_task("t-1", groups=GROUPS), make_new_task("t-2"))

    records = [store.record(TaskId(each)) for each in ("t-1", "t-2")]

    assert [record and record.groups for record in records] == [GROUPS, ()]


def test_the_oldest_tasks_are_the_first_that_waits_and_the_first_that_ended(
    store: TaskStore,
) -> None:
    nothing = store.oldest()
    later = [NOON + timedelta(seconds=each) for each in range(5)]
    names = ("t-1", "t-2", "t-3", "t-4")
    new = [make_new_task(each, created_at=later[n]) for n, each in enumerate(names)]
    add(store, *new)
    waiting = store.oldest()
    change(store, "t-2", lambda tx, it: tx.save(it, canceled(it, later[3])))
    change(store, "t-1", lambda tx, it: tx.save(it, canceled(it, later[4])))

    assert nothing == (None, None)
    assert waiting == (later[0], None)
    assert store.oldest() == (later[2], later[3])


def test_records_are_saved_together_or_not_at_all(store: TaskStore) -> None:
    add(store, make_new_task("t-1"), make_new_task("t-2"), make_new_task("t-3"))
    before = store.usage_of_all()
    ids = [TaskId(each) for each in ("t-1", "t-2", "t-3")]

    def cancel(tx: Transaction, *, changed: bool) -> None:
        records = [tx.records([each])[each] for each in ids]
        if changed:
            records[1] = records[1].replaced(attempt=7)
        tx.save_all([(each, canceled(each, NOON)) for each in records])

    with pytest.raises(ConflictError, match="meanwhile"):
        store.write(lambda tx: cancel(tx, changed=True))
    unchanged = store.usage_of_all()
    store.write(lambda tx: cancel(tx, changed=False))

    assert unchanged == before
    assert {each.state for each in summaries(store, *ids).values()} == {
        TaskState.CANCELED
    }
    assert store.usage_of_all()[ALICE][QUEUED] == 0


def test_a_summary_is_for_the_owner(store: TaskStore) -> None:
    add(store, make_new_task("t-1"), make_new_task("t-2", owner="bob"))
    t2 = TaskId("t-2")

    assert summaries(store, T1, t2, owner="alice").keys() == {T1}
    assert summaries(store, T1, t2, owner="").keys() == set()
    assert summaries(store, T1, t2).keys() == {T1, t2}
    assert summaries(store) == {}


@pytest.mark.parametrize(
    ("owner", "seen"), [("alice", ["t-1"]), ("", []), (None, ["t-2", "t-1"])]
)
def test_a_task_is_read_for_its_owner(
    store: TaskStore, owner: str | None, seen: list[str]
) -> None:
    add(store, make_new_task("t-1"), make_new_task("t-2", owner="bob"))
    ids = [T1, TaskId("t-2"), TaskId("t-3")]

    found, is_truncated = store.tasks(ids, owner=owner, full=True, max_bytes=2**20)

    assert ([task.id for task in found], is_truncated) == (seen, False)


def test_a_new_task_is_there(store: TaskStore) -> None:
    add(store, make_new_task("t-1", name="md5", lines=("dropped: cpuCores",)))

    task = full(store, "t-1")

    assert (task.owner, task.state, task.attempt) == ("alice", TaskState.QUEUED, 0)
    assert task.document == make_new_task("t-1").document
    assert task.lines == ["dropped: cpuCores"]
    assert summaries(store, T1)[T1].state is TaskState.QUEUED
    assert store.document(T1) == task.document
    assert store.documents([T1, TaskId("t-2")]) == {T1: task.document}


def test_a_missing_task_is_left_out(store: TaskStore) -> None:
    assert summaries(store, T1) == {}
    assert store.tasks([T1], owner=None, full=True, max_bytes=9) == ([], False)
    assert store.record(T1) is None
    assert store.document(T1) is None
    assert store.documents([T1]) == {}


def test_tasks_have_the_order_of_their_batch(store: TaskStore) -> None:
    add(store, *(make_new_task(f"t-{number}") for number in (3, 1, 2)))

    records = [store.record(TaskId(f"t-{number}")) for number in (3, 1, 2)]
    seqs = [record.seq for record in records if record is not None]

    assert seqs == sorted(seqs)
    assert len(seqs) == 3


def test_a_key_leads_to_its_task(store: TaskStore) -> None:
    add(store, make_new_task("t-1", idempotency_key="k"))
    keys = [("alice", "k"), ("bob", "k"), ("alice", "other")]

    found = store.write(lambda tx: tx.task_ids_by_key(keys))

    assert found == {("alice", "k"): "t-1"}


def test_a_key_is_used_once_for_each_owner(store: TaskStore) -> None:
    add(store, make_new_task("t-1", idempotency_key="k"))
    add(store, make_new_task("t-2", idempotency_key="k", owner="bob"))

    with pytest.raises(ConflictError):
        add(store, make_new_task("t-3", idempotency_key="k"))


def test_a_record_comes_back_as_it_was_saved(store: TaskStore) -> None:
    add(store, make_new_task("t-1", group="genomics"))
    begin(store, "t-1")
    before = store.record(T1)
    assert before is not None
    want = with_state(before, TaskState.RUNNING, NOON).replaced(
        last_sequence=7,
        reason=Reason(ReasonCode.IMAGE_PULLING, "pulling"),
        inputs_finished=True,
        outputs_finished=True,
    )

    store.write(lambda tx: tx.save(before, want))

    # It is known of what was changed, and not stored.
    assert store.record(T1) == want.replaced(state_changed_at=None)


def test_a_record_that_moved_on_is_not_overwritten(store: TaskStore) -> None:
    add(store, make_new_task("t-1"))
    old = store.record(T1)
    assert old is not None
    begin(store, "t-1")

    with pytest.raises(ConflictError, match="was changed meanwhile"):
        store.write(lambda tx: tx.save(old, canceled(old, NOON)))


def test_a_unit_that_fails_leaves_nothing(store: TaskStore) -> None:
    def fail(tx: Transaction) -> None:
        tx.add_tasks([make_new_task("t-1")])
        raise ConflictError("no")

    with pytest.raises(ConflictError, match="no"):
        store.write(fail)

    assert summaries(store, T1) == {}
    assert store.usage_of_all() == {}


def test_a_bug_in_a_unit_is_raised_at_its_caller_alone(store: TaskStore) -> None:
    def fail(tx: Transaction) -> None:
        tx.add_tasks([make_new_task("t-1")])
        raise KeyError("bug")

    with pytest.raises(KeyError):
        store.write(fail)

    add(store, make_new_task("t-2"))
    assert summaries(store, T1, TaskId("t-2")).keys() == {"t-2"}


def test_writers_share_transactions_and_each_gets_its_result(
    store: TaskStore,
) -> None:
    answers: dict[int, str] = {}

    def create(number: int) -> None:
        def unit(tx: Transaction) -> int:
            tx.add_tasks([make_new_task(f"t-{number}")])
            if number % 5 == 0:
                raise ConflictError(f"no {number}")
            return number

        try:
            answers[number] = f"yes {store.write(unit)}"
        except TeskError as error:
            answers[number] = error.message

    threads = [threading.Thread(target=create, args=(each,)) for each in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    refused = {number for number in range(50) if number % 5 == 0}
    assert answers == {
        number: f"{'no' if number in refused else 'yes'} {number}"
        for number in range(50)
    }
    ids = [TaskId(f"t-{number}") for number in range(50)]
    assert len(summaries(store, *ids)) == 40
    assert store.usage_of_all()[EVERYBODY][QUEUED] == 40


def test_only_old_finished_tasks_are_deleted(store: TaskStore) -> None:
    add(store, *(make_new_task(f"t-{number}", tags={"a": "b"}) for number in range(5)))
    for number, ended in ((0, 0), (1, 1), (2, 100)):
        change(
            store,
            f"t-{number}",
            lambda tx, record, ended=ended: tx.save(
                record, canceled(record, NOON + timedelta(seconds=ended))
            ),
        )
    before = NOON + timedelta(seconds=50)

    def delete(tx: Transaction) -> int:
        return tx.delete_tasks(ended_before=before, limit=1)

    counts = [store.write(delete) for _ in range(3)]

    ids = [TaskId(f"t-{number}") for number in range(5)]
    assert counts == [1, 1, 0]
    assert summaries(store, *ids).keys() == {"t-2", "t-3", "t-4"}


def test_tasks_with_many_outputs_are_deleted_a_few_at_once(store: TaskStore) -> None:
    names = [f"t-{number}" for number in range(3)]
    add(store, *map(make_new_task, names))
    files = [
        OutputFileLog(url=f"s3://b/{number}", path=f"/out/{number}", size_bytes=1)
        for number in range(11_000)
    ]
    for name in names:
        change(store, name, lambda tx, record: tx.put_output_files(record.seq, files))
        change(store, name, lambda tx, record: tx.save(record, canceled(record, NOON)))
    later = NOON + timedelta(seconds=1)

    def delete(tx: Transaction) -> int:
        return tx.delete_tasks(ended_before=later, limit=3)

    counts = [store.write(delete) for _ in range(4)]

    assert counts == [1, 1, 1, 0]
