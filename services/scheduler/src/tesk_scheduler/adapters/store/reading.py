"""Tasks as they are shown: one query for each table, whatever the number."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, func, select

from tesk_model.task import OutputFileLog, TaskId
from tesk_scheduler.adapters.store import schema
from tesk_scheduler.adapters.store.schema import DOCUMENT, STATES, TASK
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


def fitting(
    connection: Connection, seqs: Sequence[int], *, full: bool, most: int
) -> Sequence[int]:
    """Return the first of ``seqs`` and those that follow while they fit.

    Both databases tell the length of a value without reading the value.
    """
    body = DOCUMENT.c
    weight: ColumnElement[int] = func.length(body.body)
    if full:
        streams = func.length(_EXECUTOR.stdout) + func.length(_EXECUTOR.stderr)
        weight += _sum_of(streams, _EXECUTOR.task_seq == body.task_seq)
        weight += _sum_of(func.length(_LINE.line), _LINE.task_seq == body.task_seq)
    query = select(body.task_seq, weight).where(body.task_seq.in_(seqs))
    weights: dict[int, int] = dict(map(tuple, connection.execute(query)))
    total = 0
    for number, seq in enumerate(seqs):
        total += weights.get(seq, 0)
        if number and total > most:
            return seqs[:number]
    return seqs


def _sum_of(lengths: ColumnElement[int], belong: ColumnElement[bool]) -> Any:
    total = func.coalesce(func.sum(lengths), 0)
    return select(total).where(belong).correlate(DOCUMENT).scalar_subquery()


def collect(
    connection: Connection, rows: Iterable[Row[*tuple[Any, ...]]], *, full: bool
) -> list[StoredTask]:
    """Build tasks from ``SHOWN_COLUMNS`` and fetch what belongs to them."""
    tasks = [
        StoredTask(
            seq=seq,
            id=TaskId(task_id),
            owner=owner,
            state=STATES[state],
            attempt=attempt,
            created=created,
            started=started,
            ended=ended,
            reason=reason,
            document=Document(body),
        )
        for (
            seq,
            task_id,
            owner,
            state,
            attempt,
            created,
            started,
            ended,
            reason,
            body,
        ) in rows
    ]
    begun = {task.seq: task for task in tasks if task.attempt}
    if begun:
        _add_executors(connection, begun, full=full)
        _add_outputs(connection, begun)
        _add_metadata(connection, begun)
    if full:
        _add_lines(connection, {task.seq: task for task in tasks})
    return tasks


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
