"""Reads whole tasks, with at most one query for each table."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import inf
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, literal, select

from tesk_model.task import OutputFileLog, TaskId
from tesk_scheduler.adapters.store import schema, truncation
from tesk_scheduler.adapters.store.input_sizes import add_input_sizes
from tesk_scheduler.adapters.store.rows import DEMAND_COLUMNS, reason_of
from tesk_scheduler.adapters.store.schema import DOCUMENT, STATES, TASK
from tesk_scheduler.adapters.store.sizes import (
    LARGEST,
    TaskSizes,
    select_fitting,
    sizes_of,
)
from tesk_scheduler.adapters.store.transfers import add_transfers
from tesk_scheduler.domain.dimensions import ASKED
from tesk_scheduler.domain.quota import Demand
from tesk_scheduler.domain.records import (
    Document,
    StoredExecutorLog,
    StoredTask,
    TaskListing,
    TaskSummary,
)

_C = TASK.c

SUMMARY_COLUMNS = (_C.seq, _C.id, _C.owner, _C.state)
_TASK_COLUMNS = (
    *SUMMARY_COLUMNS,
    _C.attempt,
    _C.created,
    _C.started,
    _C.ended,
    _C.reason,
    _C.reason_code,
    _C.wait,
    _C.queued,
    _C.outputs_unlisted,
    _C.priority,
    *DEMAND_COLUMNS,
    DOCUMENT.c.body,
)
_AMOUNTS = [each.column for each in ASKED]
_EXECUTOR = schema.EXECUTOR_LOG.c
_OUTPUT = schema.OUTPUT_FILE.c
_ENTRY = schema.TASK_METADATA.c
_LINE = schema.SYSTEM_LOG.c


def summary_of(row: Row[*tuple[Any, ...]] | tuple[Any, ...]) -> TaskSummary:
    """Build a summary from ``SUMMARY_COLUMNS``."""
    seq, task_id, owner, state = row
    return TaskSummary(seq, task_id, owner, STATES[state])


def select_tasks(chosen: Select[Any], *, full: bool) -> Select[Any]:
    """Select the tasks among ``chosen`` that fit, for ``listing_of``."""
    return select_fitting(chosen, _TASK_COLUMNS, full=full)


def select_task(condition: ColumnElement[bool], *, full: bool) -> Select[Any]:
    """Select the one task of ``condition`` as ``select_tasks`` does; it always fits."""
    return (
        select(*_TASK_COLUMNS, *sizes_of(full=full), literal(1).label("chosen"))
        .join(DOCUMENT, DOCUMENT.c.task_seq == _C.seq)
        .where(condition)
    )


def listing_of(
    connection: Connection, rows: Sequence[Row[*tuple[Any, ...]]], *, full: bool
) -> TaskListing:
    """Build tasks from rows of ``select_tasks``, and fetch what belongs to them.

    What an earlier release wrote without bounds is truncated.
    """
    width = len(_TASK_COLUMNS)
    sizes = [TaskSizes(*row[width:-1]) for row in rows]
    tasks = [_task_of(row[:width], size) for row, size in zip(rows, sizes, strict=True)]
    found = list(zip(tasks, sizes, strict=True))
    _add(connection, found, "executors", partial(_add_executors, full=full))
    _add(connection, found, "outputs", _add_outputs)
    _add(connection, found, "metadata", _add_metadata)
    _add(connection, found, "lines", _add_lines)
    _add(connection, found, "input_sizes", add_input_sizes)
    if full:
        add_transfers(connection, tasks)
    is_truncated = bool(rows) and len(rows) < rows[0].chosen
    return TaskListing(tasks, is_truncated)


_TRUNCATED: Mapping[str, Callable[[Connection, StoredTask], None]] = {
    "executors": truncation.add_executors,
    "outputs": truncation.add_outputs,
    "lines": truncation.add_lines,
}


def _add(
    connection: Connection,
    found: Sequence[tuple[StoredTask, TaskSizes]],
    part: str,
    add: Callable[[Connection, Mapping[int, StoredTask]], None],
) -> None:
    """Add one part, with one query, to those tasks that have it."""
    most = LARGEST.get(part, inf)
    some = {}
    for task, sizes in found:
        size = getattr(sizes, part)
        if size > most:
            _TRUNCATED[part](connection, task)
        elif size:
            some[task.seq] = task
    if some:
        add(connection, some)


def _task_of(row: Sequence[Any], sizes: TaskSizes) -> StoredTask:
    (
        seq,
        task_id,
        owner,
        state,
        attempt,
        created,
        started,
        ended,
        text,
        code,
        wait,
        queued,
        unlisted,
        priority,
        *amounts,
        body,
    ) = row
    reason, history = reason_of(code, text, wait)
    return StoredTask(
        seq=seq,
        id=TaskId(task_id),
        owner=owner,
        state=STATES[state],
        attempt=attempt,
        created=created,
        started=started,
        ended=ended,
        reason=reason,
        history=history,
        queued=queued,
        unlisted=unlisted,
        priority=priority,
        document=Document(body),
        demand=Demand(**dict(zip(_AMOUNTS, amounts, strict=True))),
        size=sizes.total,
    )


def _add_executors(
    connection: Connection, tasks: Mapping[int, StoredTask], *, full: bool
) -> None:
    streams = (_EXECUTOR.stdout, _EXECUTOR.stderr) if full else ()
    query = (
        select(
            _EXECUTOR.task_seq,
            _EXECUTOR.position,
            _EXECUTOR.started,
            _EXECUTOR.ended,
            _EXECUTOR.exit_code,
            _EXECUTOR.cpu,
            _EXECUTOR.max_memory,
            *streams,
        )
        .where(_EXECUTOR.task_seq.in_(list(tasks)))
        .order_by(_EXECUTOR.task_seq, _EXECUTOR.position)
    )
    empty = () if full else (b"", b"")
    for seq, *values in connection.execute(query):
        tasks[seq].executors.append(StoredExecutorLog(*values, *empty))


def _add_outputs(connection: Connection, tasks: Mapping[int, StoredTask]) -> None:
    query = (
        select(_OUTPUT.task_seq, _OUTPUT.url, _OUTPUT.path, _OUTPUT.size)
        .where(_OUTPUT.task_seq.in_(list(tasks)))
        .order_by(_OUTPUT.task_seq, _OUTPUT.position)
    )
    for seq, url, path, size in connection.execute(query):
        tasks[seq].outputs.append(OutputFileLog(url=url, path=path, size_bytes=size))


def _add_metadata(connection: Connection, tasks: Mapping[int, StoredTask]) -> None:
    query = select(_ENTRY.task_seq, _ENTRY.key, _ENTRY.value).where(
        _ENTRY.task_seq.in_(list(tasks))
    )
    for seq, key, value in connection.execute(query):
        tasks[seq].metadata[key] = value


def _add_lines(connection: Connection, tasks: Mapping[int, StoredTask]) -> None:
    query = (
        select(_LINE.task_seq, _LINE.line)
        .where(_LINE.task_seq.in_(list(tasks)))
        .order_by(_LINE.task_seq, _LINE.position)
    )
    for seq, line in connection.execute(query):
        tasks[seq].lines.append(line)
