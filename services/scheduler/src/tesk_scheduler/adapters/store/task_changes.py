"""Changes to tasks within a transaction."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Connection,
    delete,
    func,
    select,
    tuple_,
)

from tesk_model.errors import ConflictError
from tesk_model.states import TaskState
from tesk_model.task import OutputFileLog, TaskId
from tesk_scheduler.adapters.store import schema, statements
from tesk_scheduler.adapters.store.rows import (
    RECORD_COLUMNS,
    changing_values,
    new_values,
    record_of,
)
from tesk_scheduler.adapters.store.schema import TASK, clean, index_form
from tesk_scheduler.adapters.store.times import micros, micros_or_none
from tesk_scheduler.domain.accounting import Ledger
from tesk_scheduler.domain.records import ExecutorLogChange, NewTask, TaskRecord

_C = TASK.c
_QUEUED = schema.STATE_NUMBERS[TaskState.QUEUED]


class SqlTaskChanges:
    """See ``TaskChanges``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._dialect = connection.dialect.name
        self._ledger = Ledger()

    def task_ids_by_key(
        self, keys: Collection[tuple[str, str]]
    ) -> Mapping[tuple[str, str], TaskId]:
        """Look keys up."""
        if not keys:
            return {}
        query = select(_C.owner, _C.idempotency_key, _C.id).where(
            tuple_(_C.owner, _C.idempotency_key).in_(list(keys))
        )
        return {
            (owner, str(key)): TaskId(task_id)
            for owner, key, task_id in self._connection.execute(query)
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
            self._ledger.created(task.owner, task.group)
            if task.lines:
                self.add_lines(seqs[task.id], task.lines)

    def records(self, ids: Collection[TaskId]) -> dict[TaskId, TaskRecord]:
        """Read and lock records."""
        query = (
            select(*RECORD_COLUMNS)
            .where(_C.id.in_(list(ids)))
            .order_by(_C.seq)  # one order for all, so that nobody waits in a circle
            .with_for_update()
        )
        found = (record_of(row) for row in self._connection.execute(query))
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
            msg = f"task {before.id} has moved on"
            raise ConflictError(msg)
        self._ledger.changed(before, after)

    def add_lines(self, seq: int, lines: Sequence[str], *, source: str = "") -> None:
        """Append lines after the last one."""
        table = schema.SYSTEM_LOG
        if source:
            self._connection.execute(
                delete(table).where(table.c.task_seq == seq, table.c.source == source)
            )
        if not lines:
            return
        first = self._next_position(table, seq)
        self._connection.execute(
            statements.INSERT_LINE,
            [
                {
                    "task_seq": seq,
                    "position": position,
                    "line": clean(line),
                    "source": source,
                }
                for position, line in enumerate(lines, first)
            ],
        )

    def change_executor_log(self, seq: int, change: ExecutorLogChange) -> None:
        """Insert or update one log, only what is known."""
        known: dict[str, Any] = {
            "started": micros_or_none(change.started_at),
            "ended": micros_or_none(change.ended_at),
            "exit_code": change.exit_code,
            "stdout": None if change.stdout is None else change.stdout.encode(),
            "stderr": None if change.stderr is None else change.stderr.encode(),
        }
        known = {name: value for name, value in known.items() if value is not None}
        values = {"stdout": b"", "stderr": b""} | known
        statement = statements.PUT_EXECUTOR_LOG[self._dialect].values(
            task_seq=seq, position=change.index, **values
        )
        self._connection.execute(
            statement.on_conflict_do_update(
                index_elements=["task_seq", "position"], set_=known
            )
            if known
            else statement.on_conflict_do_nothing()
        )

    def merge_metadata(self, seq: int, entries: Mapping[str, str]) -> None:
        """Insert or update entries."""
        if not entries:
            return
        self._connection.execute(
            statements.PUT_ENTRY[self._dialect],
            [
                {"task_seq": seq, "key": clean(key), "value": clean(value)}
                for key, value in entries.items()
            ],
        )

    def put_output_files(self, seq: int, files: Sequence[OutputFileLog]) -> None:
        """Insert or update files; a known one keeps its place."""
        if not files:
            return
        first = self._next_position(schema.OUTPUT_FILE, seq)
        self._connection.execute(
            statements.PUT_OUTPUT[self._dialect],
            [
                {
                    "task_seq": seq,
                    "fingerprint": _fingerprint(entry),
                    "position": position,
                    "url": clean(entry.url),
                    "path": clean(entry.path),
                    "size": entry.size_bytes,
                }
                for position, entry in enumerate(files, first)
            ],
        )

    def forget_attempt(self, seq: int) -> None:
        """Delete what belongs to the attempt alone."""
        for table in (schema.EXECUTOR_LOG, schema.OUTPUT_FILE, schema.TASK_METADATA):
            self._connection.execute(delete(table).where(table.c.task_seq == seq))

    def delete_tasks(self, *, ended_before: datetime, limit: int) -> int:
        """Delete the tasks that ended first; what belongs to them goes along."""
        oldest = (
            select(_C.seq)
            .where(
                _C.ended.is_not(None),
                _C.ended < micros(ended_before),
                _C.released.is_(True),
            )
            .order_by(_C.ended)
            .limit(limit)
        )
        seqs = list(self._connection.scalars(oldest))
        self._connection.execute(delete(TASK).where(_C.seq.in_(seqs)))
        return len(seqs)

    def _next_position(self, table: Any, seq: int) -> int:
        last = self._connection.scalar(
            select(func.max(table.c.position)).where(table.c.task_seq == seq)
        )
        return 0 if last is None else int(last) + 1


def _fingerprint(entry: OutputFileLog) -> str:
    return hashlib.sha256(f"{entry.url}\0{entry.path}".encode()).hexdigest()
