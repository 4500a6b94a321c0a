"""Whatever is said of a task, it can be read: what has no room is counted."""

from collections.abc import Sequence

import pytest
from sqlalchemy import create_engine, text

from builders.scheduler_tasks import make_new_task
from schedulers.units_of_work import begin_new
from tesk_model.reasons import Reason, ReasonCode
from tesk_model.task import OutputFileLog, TaskId
from tesk_scheduler.adapters.store.store import SqlTaskStore
from tesk_scheduler.domain import bounds
from tesk_scheduler.domain.records import ExecutorLogChange, StoredTask
from tesk_scheduler.ports.store import TaskStore, Transaction

T1 = TaskId("t-1")


@pytest.fixture
def seq(store: TaskStore) -> int:
    """Begin a task; return its number."""
    return begin_new(store, T1)


def read(store: TaskStore, *, full: bool = True) -> StoredTask:
    """Read the task."""
    (task,) = store.tasks([T1], owner=None, full=full, max_bytes=0).tasks
    return task


def add_lines(store: TaskStore, seq: int, *lines: str) -> None:
    """Add lines in a unit of work."""
    store.write(lambda tx: tx.add_lines(seq, lines))


def add_files(store: TaskStore, seq: int, batch: Sequence[OutputFileLog]) -> None:
    """Add output files in a unit of work."""
    store.write(lambda tx: tx.put_output_files(seq, batch))


def print_much(store: TaskStore, seq: int, index: int) -> None:
    """Let an executor have printed 256 KiB."""
    change = ExecutorLogChange(index=index, stdout="y" * 2**18, exit_code=0)
    store.write(lambda tx: tx.change_executor_log(seq, change))


def files(count: int, *, size: int, first: int = 0) -> Sequence[OutputFileLog]:
    """Return files whose urls and paths have ``size`` bytes each."""
    return [
        OutputFileLog(
            url=f"{number:06}".ljust(size, "u"),
            path=f"{number:06}".ljust(size, "p"),
            size_bytes=1,
        )
        for number in range(first, first + count)
    ]


def test_lines_end_with_a_word_of_what_is_missing(store: TaskStore, seq: int) -> None:
    for first in range(0, 1200, 100):
        add_lines(store, seq, *(f"line {first + number}" for number in range(100)))
    store.write(lambda tx: tx.add_lines(seq, ["the end"], last=True))

    found = read(store).lines

    kept = [f"line {number}" for number in range(bounds.LINES)]
    assert found == [*kept, bounds.LINES_LEFT_OUT, "the end"]


def test_a_long_line_is_cut_and_says_so(store: TaskStore, seq: int) -> None:
    store.write(lambda tx: tx.add_lines(seq, ["é" * 10_000], last=True))

    (line,) = read(store).lines

    assert len(line.encode()) <= bounds.LINE_BYTES
    assert line.endswith("… (cut, 20,000 bytes in all)")


def test_metadata_beyond_its_bounds_is_counted(store: TaskStore, seq: int) -> None:
    many = {f"key-{number}": "v" for number in range(bounds.ENTRIES + 5)}
    store.write(lambda tx: tx.merge_metadata(seq, many))
    store.write(lambda tx: tx.merge_metadata(seq, {"key-0": "new", "k" * 300: "v"}))

    task = read(store)

    assert len(task.metadata) == bounds.ENTRIES
    assert task.metadata["key-0"] == "new"
    assert task.lines == [bounds.entries_left_out(1)]


def test_outputs_with_long_names_are_listed_until_full(
    store: TaskStore, seq: int
) -> None:
    batches = [files(1000, size=3800, first=first) for first in range(0, 4000, 1000)]
    for batch in [*batches, batches[0]]:  # the first is reported again
        add_files(store, seq, batch)

    for full in (False, True):
        task = read(store, full=full)
        assert task.outputs[:1000] == batches[0]
        assert 2700 < len(task.outputs) < 2800
        assert len(task.outputs) + task.unlisted == 4000


def test_the_number_of_unlisted_outputs_is_corrected_at_the_end(
    store: TaskStore, seq: int
) -> None:
    batch = files(3000, size=3800)
    store.write(lambda tx: tx.put_output_files(seq, batch))
    store.write(lambda tx: tx.put_output_files(seq, batch))  # by a second filer
    store.write(lambda tx: tx.count_outputs(seq, 3000))

    task = read(store)

    assert len(task.outputs) + task.unlisted == 3000


def test_a_new_attempt_has_room_again(store: TaskStore, seq: int) -> None:
    store.write(lambda tx: tx.put_output_files(seq, files(3000, size=3800)))
    store.write(lambda tx: tx.clear_attempt(seq))
    store.write(lambda tx: tx.put_output_files(seq, files(2, size=10)))

    task = read(store)

    assert (len(task.outputs), task.unlisted) == (2, 0)


def test_a_line_to_each_of_many_tasks_is_as_one_to_each_alone(
    store: TaskStore,
) -> None:
    ids = [TaskId(name) for name in ("none", "some", "full")]

    def fill(tx: Transaction) -> None:
        tx.add_tasks([make_new_task(each) for each in ids])
        seqs = {each: record.seq for each, record in tx.records(ids).items()}
        tx.add_lines(seqs[ids[1]], ["first"])
        tx.add_lines(seqs[ids[2]], ["x"] * bounds.LINES)
        tx.add_line_to_each({})
        tx.add_line_to_each({seq: f"to {each}" for each, seq in seqs.items()})

    store.write(fill)

    found = store.tasks(ids, owner=None, full=True, max_bytes=2**20).tasks
    lines = {str(task.id): task.lines for task in found}
    assert lines["none"] == ["to none"]
    assert lines["some"] == ["first", "to some"]
    assert lines["full"] == ["x"] * bounds.LINES + [bounds.LINES_LEFT_OUT]


def test_a_page_is_cut_also_by_outputs_and_metadata(store: TaskStore, seq: int) -> None:
    del seq
    names = [f"t-{number}" for number in (2, 3)]

    def fill(tx: Transaction) -> None:
        tx.add_tasks([make_new_task(name) for name in names])
        for record in tx.records([TaskId(name) for name in names]).values():
            tx.put_output_files(record.seq, files(10, size=100))
            tx.merge_metadata(record.seq, {"a": "b" * 1000})

    store.write(fill)
    ids = [TaskId(name) for name in names]
    found, is_truncated = store.tasks(ids, owner=None, full=False, max_bytes=8000)
    less = store.tasks(ids, owner=None, full=False, max_bytes=6000)

    assert all(3000 < task.size < 4000 for task in found)
    assert ([task.id for task in found], is_truncated) == (["t-3", "t-2"], False)
    assert ([task.id for task in less.tasks], less.is_truncated) == (["t-3"], True)


def test_a_task_of_an_older_release_without_bounds_is_truncated(
    url: str, store: SqlTaskStore, seq: int
) -> None:
    # As its rows look after the migration, which counts the outputs.
    engine = create_engine(url)
    long = files(3000, size=3800)
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO output_file VALUES (:seq, :print, :position, :url, "
                ":path, 1)"
            ),
            [
                {
                    "seq": seq,
                    "print": str(number),
                    "position": number,
                    "url": file.url,
                    "path": file.path,
                }
                for number, file in enumerate(long)
            ],
        )
        connection.execute(
            text("UPDATE task SET output_files = 3000, output_bytes = 7600 * 3000")
        )
        connection.execute(
            text("INSERT INTO system_log VALUES (:seq, :position, :line, '')"),
            [
                {"seq": seq, "position": position, "line": "x" * 10_000}
                for position in range(300)
            ],
        )
    engine.dispose()
    for index in range(100):
        print_much(store, seq, index)

    basic, full = read(store, full=False), read(store)

    assert len(basic.outputs) == len(full.outputs)
    assert 0 < len(full.outputs) == 3000 - full.unlisted
    assert len(full.executors) == len(basic.executors) == 100
    assert {len(executor.stdout) for executor in full.executors} == {2048}
    assert bounds.LINES_LEFT_OUT in full.lines
    assert any("of each stream only the last" in line for line in full.lines)
    shown = sum(len(line) for line in full.lines)
    assert shown < bounds.LINES_BYTES + bounds.LINE_BYTES


def test_a_reason_is_cut(store: TaskStore, seq: int) -> None:
    def explain(tx: Transaction) -> None:
        record = tx.records([T1])[T1]
        tx.save(
            record,
            record.replaced(reason=Reason(ReasonCode.NONE, "z" * 100_000)),
        )

    store.write(explain)
    del seq

    assert len(read(store).reason.text.encode()) <= bounds.REASON_BYTES
