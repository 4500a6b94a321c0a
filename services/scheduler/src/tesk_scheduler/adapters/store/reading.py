"""Tasks as they are shown: one query for each table, whatever the number."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, Row, Select, select

from tesk_model.task import OutputFileLog, TaskId
from tesk_scheduler.adapters.store import cuts, schema
from tesk_scheduler.adapters.store.rows import reason_of
from tesk_scheduler.adapters.store.schema import DOCUMENT, STATES, TASK
from tesk_scheduler.adapters.store.weights import Weight
from tesk_scheduler.domain.records import (
    Document,
    Glimpse,
    StoredExecutorLog,
    StoredTask,
)

_C = TASK.c

GLIMPSE_COLUMNS = (_C.seq, _C.id, _C.owner, _C.state)
SHOWN_COLUMNS = (
    *GLIMPSE_COLUMNS,
    _C.attempt,
    _C.created,
    _C.started,
    _C.ended,
    _C.reason,
    _C.reason_code,
    _C.outputs_unlisted,
    DOCUMENT.c.body,
)
_EXECUTOR = schema.EXECUTOR_LOG.c
_OUTPUT = schema.OUTPUT_FILE.c
_ENTRY = schema.TASK_METADATA.c
_LINE = schema.SYSTEM_LOG.c


def glimpse_of(row: Row[*tuple[Any, ...]]) -> Glimpse:
    """Build a glimpse from ``GLIMPSE_COLUMNS``."""
    seq, task_id, owner, state = row
    return Glimpse(seq, task_id, owner, STATES[state])


def shown(query: Select[Any]) -> Select[Any]:
    """Join the document to a query for ``SHOWN_COLUMNS``."""
    return query.join(DOCUMENT, DOCUMENT.c.task_seq == _C.seq)


def collect(
    connection: Connection,
    rows: Iterable[Row[*tuple[Any, ...]]],
    weights: Mapping[int, Weight],
    *,
    full: bool,
) -> list[StoredTask]:
    """Build tasks from ``SHOWN_COLUMNS`` and fetch what belongs to them.

    What was written before there were bounds, and is too much, is cut.
    """
    tasks = {task.seq: task for task in map(_task_of, rows)}
    begun = {seq: task for seq, task in tasks.items() if task.attempt}
    if begun:
        light, heavy = _parted(begun, weights, lambda each: each.has_long_streams)
        _add_executors(connection, light, full=full)
        for task in heavy.values():
            cuts.add_executors(connection, task)
        light, heavy = _parted(begun, weights, lambda each: each.has_many_outputs)
        _add_outputs(connection, light)
        for task in heavy.values():
            cuts.add_outputs(connection, task)
        _add_metadata(connection, begun)
    if full:
        light, heavy = _parted(tasks, weights, lambda each: each.has_many_lines)
        _add_lines(connection, light)
        for task in heavy.values():
            cuts.add_lines(connection, task)
    return list(tasks.values())


def _parted(
    tasks: Mapping[int, StoredTask],
    weights: Mapping[int, Weight],
    is_heavy: Callable[[Weight], bool],
) -> tuple[Mapping[int, StoredTask], Mapping[int, StoredTask]]:
    """Part tasks into those to be read together, and those to be cut."""
    heavy = {
        seq: task
        for seq, task in tasks.items()
        if seq in weights and is_heavy(weights[seq])
    }
    if not heavy:
        return tasks, heavy
    return {seq: task for seq, task in tasks.items() if seq not in heavy}, heavy


def _task_of(row: Row[*tuple[Any, ...]]) -> StoredTask:
    (
        seq,
        task_id,
        owner,
        state,
        attempt,
        created,
        started,
        ended,
        reason,
        code,
        unlisted,
        body,
    ) = row
    return StoredTask(
        seq=seq,
        id=TaskId(task_id),
        owner=owner,
        state=STATES[state],
        attempt=attempt,
        created=created,
        started=started,
        ended=ended,
        reason=reason_of(code, reason),
        unlisted=unlisted,
        document=Document(body),
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
