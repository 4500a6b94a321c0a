"""Exports of one store are imports of another, on both databases."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builders.scheduler_tasks import NOON, make_demand, make_new_task
from tesk_model.errors import InvalidRequestError
from tesk_model.reasons import Reason, ReasonCode
from tesk_model.states import TaskState
from tesk_model.task import OutputFileLog, TaskId, TransferStatus
from tesk_scheduler.adapters.store.engines import sqlite_url
from tesk_scheduler.adapters.store.store import SqlTaskStore
from tesk_scheduler.domain.fleet import Taskmaster
from tesk_scheduler.domain.holds import Hold
from tesk_scheduler.domain.quota import EVERYBODY
from tesk_scheduler.domain.records import Document, ExecutorLogChange
from tesk_scheduler.domain.transitions import admitted, with_state
from tesk_scheduler.domain.verification import usage_differences
from tesk_scheduler.ports.store import Transaction

LATER = NOON + timedelta(hours=1)
TM = Taskmaster(
    id="tm-1", slots=3, assigned=0, lease_until=LATER, seen=True, started_at=NOON
)
SMALL = 1000


@pytest.fixture
def source(tmp_path: Path) -> Iterator[SqlTaskStore]:
    """Open a store with tasks in all states and all that can belong to them."""
    store = SqlTaskStore.open(sqlite_url(tmp_path / "source.db"))
    fill(store)
    yield store
    store.close()


def fill(store: SqlTaskStore) -> None:
    tasks = [
        make_new_task(
            f"t-{number}",
            name=f"näme {number}",
            tags={"run": str(number), "ü": ""},
            groups=("g", "h"),
            group="g" if number % 2 else None,
            idempotency_key=f"key {number}",
            demand=make_demand(cpu_millis=100 * (number + 1)),
            document=Document(bytes(range(256)) * (number + 1)),
            lines=(f"line {number}", "second"),
        )
        for number in range(5)
    ]
    store.write(lambda tx: tx.add_tasks(tasks))
    store.write(lambda tx: tx.put_taskmaster(TM))
    hold = Hold(subject=EVERYBODY, reason="r", operator="ada", since=NOON)
    store.write(lambda tx: tx.put_hold(hold))
    store.write(run_some)


def run_some(tx: Transaction) -> None:
    """Leave t-0 queued; t-1 initializes, t-2 runs, t-3 ended, t-4 was canceled."""
    records = tx.records([TaskId(f"t-{number}") for number in range(1, 5)])
    for number in (1, 2, 3):
        record = records[TaskId(f"t-{number}")]
        begun = admitted(record, "tm-1", NOON)
        tx.save(record, begun)
        if number == 1:
            continue
        runs = with_state(begun, TaskState.RUNNING, NOON)
        tx.save(begun, runs)
        change = ExecutorLogChange(index=0, started_at=NOON, stdout="out\0", stderr="ü")
        tx.change_executor_log(record.seq, change)
        tx.merge_metadata(record.seq, {"node": "n-1"})
        tx.put_transfer(record.seq, TransferStatus(direction="inputs", files_done=1))
        if number == 3:
            files = [OutputFileLog(url="s3://b/ö", path="/o", size_bytes=7)]
            tx.put_output_files(record.seq, files)
            ended = with_state(runs, TaskState.COMPLETE, LATER)
            tx.save(runs, ended.replaced(released=True))
    canceled = records[TaskId("t-4")]
    tx.save(canceled, with_state(canceled, TaskState.CANCELED, LATER))


def export(store: SqlTaskStore, max_bytes: int = SMALL) -> list[bytes]:
    """Export part by part; return the lines."""
    data, cursor = b"", ""
    while True:
        part = store.export_part(cursor, max_bytes)
        assert len(part.data) <= max_bytes
        data += part.data
        cursor = part.next_cursor
        if not cursor:
            return data.splitlines()


def test_what_is_imported_is_what_was_exported_also_back_again(
    source: SqlTaskStore, store: SqlTaskStore, tmp_path: Path
) -> None:
    lines = export(source)
    back = SqlTaskStore.open(sqlite_url(tmp_path / "back.db"))

    count = store.write(lambda tx: tx.import_lines(lines))
    there = export(store)
    back.write(lambda tx: tx.import_lines(there))
    again = export(back)
    recounted = [each.recounted() for each in (store, back)]
    back.close()

    assert count == (5, 0)
    assert there == lines == again
    assert not any(usage_differences(*each) for each in recounted)
    assert recounted[0] == source.recounted()
    assert store.fleet() == source.fleet()
    assert store.holds() == source.holds()
    for number in range(5):
        task_id = TaskId(f"t-{number}")
        assert shown(store, task_id) == shown(source, task_id)


def shown(store: SqlTaskStore, task_id: TaskId) -> Any:
    listing = store.tasks([task_id], owner=None, full=True, max_bytes=2**30)
    return [replace(task, seq=0, size=0) for task in listing.tasks]


@pytest.mark.parametrize("max_bytes", [300, 5000, 10**6])
def test_parts_of_any_size_make_up_the_same_export(
    source: SqlTaskStore, max_bytes: int
) -> None:
    assert export(source, max_bytes) == export(source)


def test_the_header_says_what_follows(source: SqlTaskStore) -> None:
    header = json.loads(source.export_header())

    assert (header["tesk_export"], header["tasks"]) == (1, 5)
    assert header["schema"].isdecimal()


def test_what_is_there_already_stays_as_it_is(
    source: SqlTaskStore, store: SqlTaskStore
) -> None:
    lines = export(source)
    store.write(lambda tx: tx.import_lines(lines[:4]))  # as if it was killed then
    first = export(store)

    count = store.write(lambda tx: tx.import_lines(lines))

    assert count.imported + count.present == 5
    assert count.present > 0
    assert export(store) == lines
    assert first == lines[:4]
    assert not usage_differences(*store.recounted())


def test_all_lines_are_stored_or_none(
    source: SqlTaskStore, store: SqlTaskStore
) -> None:
    lines = export(source)

    with pytest.raises(InvalidRequestError):
        store.write(lambda tx: tx.import_lines([*lines, b"{}"]))

    assert store.write(lambda tx: tx.count_tasks(9)) == 0
    assert not usage_differences(*store.recounted())


def changed(line: bytes, **values: Any) -> bytes:
    found = json.loads(line)
    return json.dumps(found | values).encode()


def changed_row(line: bytes, **values: Any) -> bytes:
    return changed(line, row=json.loads(line)["row"] | values)


BROKEN = {
    "no JSON": lambda _line: b"{",
    "no object": lambda _line: b"[]",
    "a table that is not known": lambda line: changed(line, table="other"),
    "a column of a later release": lambda line: changed_row(line, colour="red"),
    "a state of a later release": lambda line: changed_row(line, state=99),
    "a part of a later release": lambda line: changed(line, of_task={"notes": []}),
    "another type": lambda line: changed_row(line, attempt="1"),
    "an id that is missing": lambda line: changed(line, row={"state": 2}),
    "rows that are none": lambda line: changed(line, of_task={"tag": {}}),
    "bytes that are none": lambda line: changed(
        line, of_task={"document": [{"body": "*"}]}
    ),
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=list(BROKEN))
def test_a_line_that_cannot_be_read_is_refused(
    source: SqlTaskStore, store: SqlTaskStore, broken: Any
) -> None:
    line = broken(export(source)[-1])

    with pytest.raises(InvalidRequestError):
        store.write(lambda tx: tx.import_lines([line]))


def test_a_column_that_a_line_lacks_gets_its_default(
    source: SqlTaskStore, store: SqlTaskStore
) -> None:
    line = json.loads(export(source)[-1])
    for name in ("takeovers", "owner_groups", "held_up_since"):
        del line["row"][name]

    store.write(lambda tx: tx.import_lines([json.dumps(line).encode()]))

    record = store.record(TaskId("t-4"))
    assert record is not None
    assert (record.takeovers, record.groups, record.held_up_since) == (0, (), None)


def test_parts_of_a_line_are_joined_in_order_and_once(store: SqlTaskStore) -> None:
    for index, data in ((1, b"b"), (0, b"old"), (0, b"a")):
        store.write(lambda tx, i=index, d=data: tx.put_line_part("x", i, d))  # type: ignore[misc]
    store.write(lambda tx: tx.put_line_part("y", 0, b"left"))

    line = store.write(lambda tx: tx.take_line("x"))
    again = store.write(lambda tx: tx.take_line("x"))
    store.write(lambda tx: tx.clear_line_parts())

    assert (line, again) == (b"ab", b"")
    assert store.write(lambda tx: tx.take_line("y")) == b""


def test_a_large_line_that_changes_between_its_parts_begins_anew(
    source: SqlTaskStore,
) -> None:
    cursor = ""
    while not cursor.startswith("task:") or cursor.endswith(":"):
        cursor = source.export_part(cursor, 300).next_cursor
    unchanged = source.export_part(cursor, 300)
    reasons = {TaskId("t-0"): Reason(ReasonCode.HELD, "x")}

    source.write(lambda tx: tx.set_reasons(reasons, now=NOON))

    part = source.export_part(cursor, 300)
    (line,) = [line for line in export(source) if b'"id":"t-0"' in line]
    assert (unchanged.restart, part.restart) == (False, True)
    assert part.data == line[:300]
    assert not source.export_part(part.next_cursor, 300).restart


@pytest.mark.parametrize("cursor", ["x", "task", "task:1", "task:a:0:", "hold:-1"])
def test_a_cursor_of_something_else_is_refused(
    source: SqlTaskStore, cursor: str
) -> None:
    with pytest.raises(InvalidRequestError, match="cursor"):
        source.export_part(cursor, SMALL)


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)


@given(
    names=st.lists(TEXTS, max_size=3),
    tags=st.dictionaries(TEXTS, TEXTS, max_size=3),
    body=st.binary(max_size=300),
    size=st.integers(300, 4000),
)
@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_task_survives_the_journey(
    store: SqlTaskStore,
    tmp_path: Path,
    names: list[str],
    tags: dict[str, str],
    body: bytes,
    size: int,
) -> None:
    path = tmp_path / "any.db"
    for each in tmp_path.glob("any.db*"):
        each.unlink()
    source = SqlTaskStore.open(sqlite_url(path))
    tasks = [
        make_new_task(
            f"t-{number}", name=name, tags=tags, lines=(name,), document=Document(body)
        )
        for number, name in enumerate(names)
    ]
    source.write(lambda tx: tx.add_tasks(tasks))
    lines = export(source, size)
    source.close()

    def journey(tx: Transaction) -> None:
        tx.import_lines(lines)
        raise RuntimeError  # leaves the store empty for the next example

    # Compared row by row within.
    with pytest.raises(RuntimeError):
        store.write(journey)
