"""Changes tasks within a transaction."""

import hashlib
import itertools
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select

from tesk_model.errors import ConflictError
from tesk_model.states import TaskState
from tesk_model.task import OutputFileLog, TaskId, TransferStatus
from tesk_scheduler.adapters.store import schema, statements, transfers
from tesk_scheduler.adapters.store.rows import (
    changing_values,
    new_values,
    record_of,
)
from tesk_scheduler.adapters.store.schema import TASK, clean, index_form
from tesk_scheduler.adapters.store.times import micros, micros_or_none
from tesk_scheduler.domain import bounds
from tesk_scheduler.domain.accounting import UsageLedger
from tesk_scheduler.domain.records import ExecutorLogChange, NewTask, TaskRecord

_C = TASK.c
_QUEUED = schema.STATE_NUMBERS[TaskState.QUEUED]

_LEFT_OUT = "left-out"  # source of the line about omitted lines
_FILES_AT_ONCE = 1000
# By one statement: all other writes wait for it, and it has a timeout.
_FILES_DELETED = 20_000

_UNCHANGED_LOG = dict.fromkeys(
    f"new_{name}" for name in ("started", "ended", "exit_code", "stdout", "stderr")
)


class SqlTaskChanges:
    """See ``TaskChanges``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._dialect = connection.dialect.name
        self._usage_changes = UsageLedger()
        self._logs: dict[tuple[int, int], dict[str, Any]] = {}

    def task_ids_by_key(
        self, keys: Collection[tuple[str, str]]
    ) -> Mapping[tuple[str, str], TaskId]:
        """Look up keys."""
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
        inserted = self._connection.execute(
            statements.INSERT_TASK,
            [new_values(task, _QUEUED) for task in tasks],
        )
        seqs = {task_id: seq for task_id, seq in inserted}  # noqa: C416 - rows are no pairs to mypy
        self._connection.execute(
            statements.INSERT_DOCUMENT,
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
            self._connection.execute(statements.INSERT_TAG, tags)
        for task in tasks:
            self._usage_changes.created(task.owner, task.group)
            if task.lines:
                self.add_lines(seqs[task.id], task.lines)

    def records(self, ids: Collection[TaskId]) -> dict[TaskId, TaskRecord]:
        """Read and lock records."""
        if not ids:
            return {}
        rows = self._connection.execute(statements.LOCKED_RECORDS, {"ids": list(ids)})
        found = map(record_of, rows)
        return {record.id: record for record in found}

    def save(self, before: TaskRecord, after: TaskRecord) -> None:
        """Update one record, guarded."""
        guard = {
            "row": before.seq,
            "old_state": schema.STATE_NUMBERS[before.state],
            "old_attempt": before.attempt,
            "old_last_sequence": before.last_sequence,
        }
        result = self._connection.execute(
            statements.SAVE_TASK, guard | changing_values(after)
        )
        if result.rowcount != 1:
            msg = f"task {before.id} was changed meanwhile"
            raise ConflictError(msg)
        self._usage_changes.changed(before, after)

    def add_lines(
        self, seq: int, lines: Sequence[str], *, source: str = "", last: bool = False
    ) -> None:
        """Append lines after the last one."""
        if source:
            self._remove_lines(seq, source)
        if not lines:
            return
        count, size, highest = self._connection.execute(
            statements.STORED_LINES, {"row": seq}
        ).one()
        first = 0 if highest is None else highest + 1
        cleaned = [clean(line) for line in lines]
        if last:
            kept: Sequence[str] = [
                bounds.truncated(line, bounds.LINE_BYTES) for line in cleaned
            ]
        else:
            kept = bounds.fitting_lines(cleaned, bounds.Retained(count, size))
        self._insert_lines(seq, kept, first, source)
        if len(kept) < len(lines):
            self._remove_lines(seq, _LEFT_OUT)
            more = [bounds.LINES_LEFT_OUT]
            self._insert_lines(seq, more, first + len(kept), _LEFT_OUT)

    def _remove_lines(self, seq: int, source: str) -> None:
        table = schema.SYSTEM_LOG
        self._connection.execute(
            delete(table).where(table.c.task_seq == seq, table.c.source == source)
        )

    def _insert_lines(
        self, seq: int, lines: Sequence[str], first: int, source: str
    ) -> None:
        if lines:
            self._connection.execute(
                statements.INSERT_LINE,
                [
                    {
                        "task_seq": seq,
                        "position": position,
                        "line": line,
                        "source": source,
                    }
                    for position, line in enumerate(lines, first)
                ],
            )

    def change_executor_log(self, seq: int, change: ExecutorLogChange) -> None:
        """Merge a change of one log; ``flush`` writes it."""
        log = self._logs.setdefault((seq, change.index), dict(_UNCHANGED_LOG))
        news = {
            "new_started": micros_or_none(change.started_at),
            "new_ended": micros_or_none(change.ended_at),
            "new_exit_code": change.exit_code,
            "new_stdout": None if change.stdout is None else change.stdout.encode(),
            "new_stderr": None if change.stderr is None else change.stderr.encode(),
        }
        log |= {name: value for name, value in news.items() if value is not None}

    def flush(self) -> None:
        """Write the merged changes of executor logs."""
        if self._logs:
            rows = [
                {"row": seq, "new_position": position, **values}
                for (seq, position), values in self._logs.items()
            ]
            statement = statements.PUT_EXECUTOR_LOG[self._dialect]
            self._connection.execute(statement, rows)
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

    def put_transfer(self, seq: int, status: TransferStatus) -> None:
        """Insert or update the status of one direction."""
        transfers.put_transfer(self._connection, seq, status)

    def remove_transfer(self, seq: int, direction: str) -> None:
        """Delete the status of one direction."""
        transfers.remove_transfer(self._connection, seq, direction)

    def put_output_files(self, seq: int, files: Sequence[OutputFileLog]) -> None:
        """Insert or update files; a known one keeps its position."""
        for first in range(0, len(files), _FILES_AT_ONCE):
            self._put_files(seq, files[first : first + _FILES_AT_ONCE])

    def _put_files(self, seq: int, files: Sequence[OutputFileLog]) -> None:
        # Of duplicates the last counts, as it would in two calls.
        by_fingerprint = {_fingerprint(file): file for file in files}
        values = {"row": seq, "fingerprints": list(by_fingerprint)}
        known = set(self._connection.scalars(statements.KNOWN_OUTPUTS, values))
        fresh = [each for each in by_fingerprint if each not in known]
        sizes = [_names_size(by_fingerprint[each]) for each in fresh]
        there = bounds.Retained(
            *self._connection.execute(statements.STORED_OUTPUTS, {"row": seq}).one()
        )
        used = there.size + there.number * bounds.OUTPUT_OVERHEAD
        room = bounds.fitting_outputs(sizes, bounds.Retained(there.number, used))
        listed = [*fresh[:room], *known]
        if listed:
            self._connection.execute(
                statements.PUT_OUTPUT[self._dialect],
                [
                    _file_values(by_fingerprint[each])
                    | {"task_seq": seq, "fingerprint": each, "position": position}
                    for position, each in enumerate(listed, there.number)
                ],
            )
        if fresh:
            self._connection.execute(
                statements.COUNT_OUTPUTS,
                {
                    "row": seq,
                    "more_files": room,
                    "more_bytes": sum(sizes[:room]),
                    "more_unlisted": len(fresh) - room,
                },
            )

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
            *(schema.TASK_METADATA, schema.TRANSFER),
        ):
            self._connection.execute(delete(table).where(table.c.task_seq == seq))
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


def _fingerprint(entry: OutputFileLog) -> str:
    return hashlib.sha256(f"{entry.url}\0{entry.path}".encode()).hexdigest()


def _names_size(file: OutputFileLog) -> int:
    return bounds.size_of(clean(file.url)) + bounds.size_of(clean(file.path))


def _file_values(file: OutputFileLog) -> dict[str, Any]:
    return {
        "url": clean(file.url),
        "path": clean(file.path),
        "size": file.size_bytes,
    }
