"""What attempts tell is stored and read again: streams, lines, outputs, metadata."""

from dataclasses import replace

from builders.scheduler_tasks import NOON, make_new_task
from schedulers.units_of_work import add, begin, change, full
from tesk_model.events import MAX_MEMORY_BYTES
from tesk_model.task import OutputFileLog, TaskId
from tesk_scheduler.domain.records import ExecutorLogChange
from tesk_scheduler.ports.store import TaskStore, Transaction

T1 = TaskId("t-1")


def test_executor_logs_grow(store: TaskStore) -> None:
    add(store, make_new_task("t-1"))
    begin(store, "t-1")
    first = ExecutorLogChange(index=0, started_at=NOON)
    live = ExecutorLogChange(index=0, stdout="a\0ä", stderr="")
    last = ExecutorLogChange(
        index=0,
        ended_at=NOON,
        exit_code=0,
        stdout="done",
        cpu_seconds=1.25,
        max_memory_bytes=MAX_MEMORY_BYTES,
    )
    for step in (first, live, last, ExecutorLogChange(index=1)):
        change(
            store,
            "t-1",
            lambda tx, record, step=step: tx.change_executor_log(record.seq, step),
        )

    logs = full(store, "t-1").executors

    assert [(log.position, log.exit_code, log.stdout) for log in logs] == [
        (0, 0, b"done"),
        (1, None, b""),
    ]
    assert logs[0].started == logs[0].ended
    assert [(log.cpu, log.max_memory) for log in logs] == [
        (1_250_000, MAX_MEMORY_BYTES),
        (None, None),
    ]
    record = store.record(T1)
    assert record is not None
    assert store.executors(record.seq) == [(0, 0), (1, None)]
    assert store.executors(record.seq + 1) == []


def test_streams_keep_every_character(store: TaskStore) -> None:
    add(store, make_new_task("t-1"))
    begin(store, "t-1")
    output = ExecutorLogChange(index=0, stdout="a\0ä", stderr="\n")

    change(store, "t-1", lambda tx, record: tx.change_executor_log(record.seq, output))

    (log,) = full(store, "t-1").executors
    assert (log.stdout.decode(), log.stderr) == ("a\0ä", b"\n")


def test_only_full_shows_streams_and_lines(store: TaskStore) -> None:
    add(store, make_new_task("t-1", lines=("a",)))
    begin(store, "t-1")
    output = ExecutorLogChange(index=0, stdout="secret")
    change(store, "t-1", lambda tx, record: tx.change_executor_log(record.seq, output))

    (task,) = store.tasks([T1], owner=None, full=False, max_bytes=0).tasks

    assert (task.lines, task.executors[0].stdout) == ([], b"")


def test_lines_of_a_source_replace_each_other(store: TaskStore) -> None:
    add(store, make_new_task("t-1", lines=("first",)))
    for lines, source in (
        (("try 1",), "inputs:1"),
        (("a note",), ""),
        (("try 2", "NUL \0"), "inputs:1"),
    ):
        change(
            store,
            "t-1",
            lambda tx, record, lines=lines, source=source: tx.add_lines(
                record.seq, lines, source=source
            ),
        )

    assert full(store, "t-1").lines == ["first", "a note", "try 2", "NUL �"]


def test_metadata_is_merged_and_outputs_are_kept_once(store: TaskStore) -> None:
    add(store, make_new_task("t-1"))
    begin(store, "t-1")
    long = "s3://b/" + "x" * 5000
    one = OutputFileLog(url=long, path="/o/a", size_bytes=2**40)
    two = OutputFileLog(url=long, path="/o/b", size_bytes=1)

    def put(tx: Transaction, record: object) -> None:
        seq = getattr(record, "seq")  # noqa: B009 - the helper gives any record
        tx.merge_metadata(seq, {"a": "1", "b": "1"})
        tx.merge_metadata(seq, {"b": "2"})
        tx.put_output_files(seq, [one])
        tx.put_output_files(seq, [two, replace(one, size_bytes=7)])

    change(store, "t-1", put)

    task = full(store, "t-1")
    assert task.metadata == {"a": "1", "b": "2"}
    assert task.outputs == [replace(one, size_bytes=7), two]


def test_a_cleared_attempt_keeps_its_lines(store: TaskStore) -> None:
    add(store, make_new_task("t-1", lines=("stays",)))
    begin(store, "t-1")

    def forget(tx: Transaction, record: object) -> None:
        seq = getattr(record, "seq")  # noqa: B009 - the helper gives any record
        tx.change_executor_log(seq, ExecutorLogChange(index=0))
        tx.merge_metadata(seq, {"a": "1"})
        tx.put_output_files(seq, [OutputFileLog(url="u", path="p", size_bytes=1)])
        tx.clear_attempt(seq)

    change(store, "t-1", forget)

    task = full(store, "t-1")
    assert (task.executors, task.metadata, task.outputs) == ([], {}, [])
    assert task.lines == ["stays"]
