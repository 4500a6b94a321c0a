"""Changes tasks within a transaction."""

import itertools
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select

from tesk_model.errors import ConflictError
from tesk_model.states import TaskState
from tesk_model.task import InputSize, OutputFileLog, TaskId, TransferStatus
from tesk_scheduler.adapters.store import (
    input_sizes,
    output_files,
    schema,
    statements,
    system_log,
    transfers,
)
from tesk_scheduler.adapters.store.calls import call_values
from tesk_scheduler.adapters.store.rows import (
    changing_values,
    demand_values,
    new_values,
    record_of,
)
from tesk_scheduler.adapters.store.schema import TASK, clean, index_form
from tesk_scheduler.adapters.store.state_changes import delete_changes
from tesk_scheduler.adapters.store.times import micros, micros_or_none
from tesk_scheduler.adapters.store.webhooks import insert_webhooks
from tesk_scheduler.domain import bounds
from tesk_scheduler.domain.accounting import UsageLedger
from tesk_scheduler.domain.records import ExecutorLogChange, NewTask, TaskRecord
from tesk_scheduler.domain.state_changes import NewChange, change_of, creations

_C = TASK.c
_QUEUED = schema.STATE_NUMBERS[TaskState.QUEUED]

# By one statement: all other writes wait for it, and it has a timeout.
_FILES_DELETED = 20_000

_UNCHANGED_LOG: Mapping[str, Any] = {
    **dict.fromkeys(("started", "ended", "exit_code", "cpu", "max_memory")),
    **dict.fromkeys(("stdout", "stderr"), b""),
    "image_digest": "",
}


class SqlTaskChanges:
    """See ``TaskChanges``.

    Attributes:
        state_changes: To be written to the feed, in their order, before the commit.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._dialect = connection.dialect.name
        self._usage_changes = UsageLedger()
        self._logs: dict[tuple[int, int], dict[str, Any]] = {}
        self.state_changes: list[NewChange] = []

    def task_ids_by_key(
        self, keys: Collection[tuple[str, str]]
    ) -> Mapping[tuple[str, str], TaskId]:
        """Look up keys."""
        if len(keys) == 1:
            [(owner, key)] = keys
            found = statements.ID_BY_KEY.rows(
                self._connection, {"owner": owner, "key": key}
            )
            return dict.fromkeys([(owner, key)], TaskId(found[0][0])) if found else {}
        by_owner: dict[str, list[str]] = {}
        for owner, key in keys:
            by_owner.setdefault(owner, []).append(key)
        return {
            (owner, str(key)): TaskId(task_id)
            for owner, owned in by_owner.items()
            for key, task_id in self._connection.execute(
                statements.IDS_BY_KEY, {"owner": owner, "keys": owned}
            )
        }

    def add_tasks(self, tasks: Sequence[NewTask]) -> None:
        """Insert tasks, their documents, tags and first lines."""
        if not tasks:
            return
        seqs = self._insert([new_values(task, _QUEUED) for task in tasks])
        statements.INSERT_DOCUMENT.run_all(
            self._connection,
            [{"task_seq": seqs[task.id], "body": task.document} for task in tasks],
        )
        tags = [
            {
                "task_seq": seqs[task.id],
                "key": index_form(key),
                "value": index_form(value),
                "owner": task.owner,
            }
            for task in tasks
            for key, value in task.tags.items()
        ]
        if tags:
            statements.INSERT_TAG.run_all(self._connection, tags)
        self.state_changes += creations(tasks, seqs, TaskState.QUEUED)
        calls = [call_values(seqs[each.id], each.call) for each in tasks if each.call]
        if calls:
            self._connection.execute(statements.INSERT_CALL, calls)
        insert_webhooks(self._connection, tasks, seqs)
        for task in tasks:
            self._usage_changes.created(task)
            if task.lines:
                self.add_lines(seqs[task.id], task.lines)

    def _insert(self, rows: Sequence[Mapping[str, Any]]) -> Mapping[TaskId, int]:
        """Insert rows of tasks; return their numbers by id."""
        if len(rows) == 1:
            inserted: Any = statements.INSERT_ONE_TASK.rows(self._connection, rows[0])
        else:
            inserted = self._connection.execute(statements.INSERT_TASK, rows)
        return {TaskId(task_id): seq for task_id, seq in inserted}

    def records(self, ids: Collection[TaskId]) -> dict[TaskId, TaskRecord]:
        """Read and lock records."""
        if not ids:
            return {}
        rows = self._connection.execute(statements.LOCKED_RECORDS, {"ids": list(ids)})
        found = map(record_of, rows)
        return {record.id: record for record in found}

    def save(self, before: TaskRecord, after: TaskRecord) -> None:
        """Update one record, guarded."""
        self.save_all([(before, after)])

    def save_all(self, changes: Sequence[tuple[TaskRecord, TaskRecord]]) -> None:
        """Update records, guarded, by one statement."""
        if not changes:
            return
        rows = [_guard(before) | changing_values(after) for before, after in changes]
        if statements.SAVE_TASK.run_all(self._connection, rows) != len(rows):
            names = ", ".join(before.id for before, _ in changes[:3])
            msg = f"task {names} was changed meanwhile"
            raise ConflictError(msg if len(changes) == 1 else f"one of {msg}")
        demands = [
            {"row": before.seq} | demand_values(after)
            for before, after in changes
            if after.demand != before.demand
        ]
        if demands:
            statements.SET_DEMAND.run_all(self._connection, demands)
        for before, after in changes:
            self._usage_changes.changed(before, after)
        found = (change_of(before, after) for before, after in changes)
        self.state_changes += filter(None, found)

    def pass_through(self, before: TaskRecord, after: TaskRecord) -> None:
        """Add it before what ``save_all`` will add."""
        change = change_of(before, after)
        if change is not None:
            self.state_changes.append(change)

    def add_lines(
        self, seq: int, lines: Sequence[str], *, source: str = "", last: bool = False
    ) -> None:
        """Append lines after the last one."""
        system_log.add_lines(self._connection, seq, lines, source=source, last=last)

    def add_line_to_each(self, lines: Mapping[int, str]) -> None:
        """Append a line to each of many tasks."""
        system_log.add_line_to_each(self._connection, lines)

    def change_executor_log(self, seq: int, change: ExecutorLogChange) -> None:
        """Merge a change of one log; ``flush`` writes it."""
        log = self._logs.setdefault((seq, change.index), dict(_UNCHANGED_LOG))
        news = {
            "started": micros_or_none(change.started_at),
            "ended": micros_or_none(change.ended_at),
            "exit_code": change.exit_code,
            "cpu": None
            if change.cpu_seconds is None
            else round(change.cpu_seconds * 1_000_000),
            "max_memory": change.max_memory_bytes,
            "stdout": None if change.stdout is None else change.stdout.encode(),
            "stderr": None if change.stderr is None else change.stderr.encode(),
            "image_digest": clean(change.image_digest or "") or None,
        }
        log |= {name: value for name, value in news.items() if value is not None}

    def flush(self) -> None:
        """Write the merged changes of executor logs."""
        if self._logs:
            rows = [
                {"task_seq": seq, "position": position, **values}
                for (seq, position), values in self._logs.items()
            ]
            statements.PUT_EXECUTOR_LOG.run_all(self._connection, rows)
            self._logs.clear()

    def merge_metadata(self, seq: int, entries: Mapping[str, str]) -> None:
        """Insert or update entries."""
        if not entries:
            return
        there = self._connection.execute(statements.STORED_ENTRIES, {"row": seq})
        cleaned = {clean(key): clean(value) for key, value in entries.items()}
        kept, left = bounds.fitting_entries(
            cleaned,
            {key: size for key, size in there},  # noqa: C416 - rows are no pairs to mypy
        )
        if kept:
            self._connection.execute(
                statements.PUT_ENTRY[self._dialect],
                [
                    {"task_seq": seq, "key": key, "value": value}
                    for key, value in kept.items()
                ],
            )
        if left:
            self.add_lines(seq, [bounds.entries_left_out(left)], source="metadata")

    def metadata(self, seq: int) -> Mapping[str, str]:
        """Read the entries."""
        rows = self._connection.execute(statements.ENTRIES, {"row": seq})
        return {row.key: row.value for row in rows}

    def put_transfer(self, seq: int, status: TransferStatus) -> None:
        """Insert or update the status of one direction."""
        transfers.put_transfer(self._connection, seq, status)

    def remove_transfer(self, seq: int, direction: str) -> None:
        """Delete the status of one direction."""
        transfers.remove_transfer(self._connection, seq, direction)

    def put_input_sizes(self, seq: int, sizes: Sequence[InputSize]) -> None:
        """Insert or replace one row."""
        input_sizes.put_input_sizes(self._connection, seq, sizes)

    def put_output_files(self, seq: int, files: Sequence[OutputFileLog]) -> None:
        """Insert or update files; a known one keeps its position."""
        output_files.put_output_files(self._connection, seq, files)

    def count_outputs(self, seq: int, uploaded: int) -> None:
        """Correct the count of unlisted files."""
        values = {"row": seq, "uploaded": uploaded}
        self._connection.execute(statements.SET_UNLISTED, values)

    def clear_attempt(self, seq: int) -> None:
        """Delete what belongs to the attempt alone."""
        for key in [key for key in self._logs if key[0] == seq]:
            del self._logs[key]
        for table in (
            *(schema.EXECUTOR_LOG, schema.OUTPUT_FILE),
            *(schema.TASK_METADATA, schema.TRANSFER, schema.INPUT_SIZES),
            schema.IDENTITY_BATCH,
        ):
            self._connection.execute(delete(table).where(table.c.task_seq == seq))
        self._connection.execute(statements.CLEAR_CALL, {"row": seq})
        self._connection.execute(statements.CLEAR_OUTPUTS, {"row": seq})

    def delete_tasks(self, *, ended_before: datetime, limit: int) -> int:
        """Delete the tasks that ended first, with all that belongs to them."""
        oldest = (
            select(_C.seq, _C.output_files)
            .where(
                _C.ended.is_not(None),
                _C.ended < micros(ended_before),
                _C.released.is_(True),
            )
            .order_by(_C.ended)
            .limit(limit)
        )
        rows = self._connection.execute(oldest).all()
        files = itertools.accumulate(row.output_files for row in rows)
        seqs = [
            row.seq
            for number, (row, total) in enumerate(zip(rows, files, strict=True))
            if not number or total <= _FILES_DELETED
        ]
        self._connection.execute(delete(TASK).where(_C.seq.in_(seqs)))
        return len(seqs)

    def delete_changes(self, *, before: datetime, most: int, limit: int) -> int:
        """Delete by number."""
        return delete_changes(self._connection, before=before, most=most, limit=limit)


def _guard(record: TaskRecord) -> dict[str, Any]:
    """Return what a stored task must be like."""
    return {
        "row": record.seq,
        "old_state": schema.STATE_NUMBERS[record.state],
        "old_attempt": record.attempt,
        "old_last_sequence": record.last_sequence,
    }
