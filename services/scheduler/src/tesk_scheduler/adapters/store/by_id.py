"""Reads tasks by their ids.

The owner is part of the query, so that a task of another owner takes as long as
one that does not exist. A single task, which is read most often, has statements of
its own: they cost half, and need not compute whether it fits.
"""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, bindparam, select

from tesk_model.task import TaskId
from tesk_scheduler.adapters.store import reading
from tesk_scheduler.adapters.store.driver import DriverStatement
from tesk_scheduler.adapters.store.schema import TASK
from tesk_scheduler.domain.records import TaskListing, TaskSummary

_C = TASK.c
_ALONE, _OWNED = True, True
_ID: ColumnElement[bool] = _C.id == bindparam("id")
_IDS: ColumnElement[bool] = _C.id.in_(bindparam("ids", expanding=True))
# Not the bare column, or its own index may seem better.
_OWNER: ColumnElement[bool] = _C.owner + "" == bindparam("owner")
_CONDITIONS: Mapping[tuple[bool, bool], ColumnElement[bool]] = {
    (_ALONE, _OWNED): _ID & _OWNER,
    (_ALONE, not _OWNED): _ID,
    (not _ALONE, _OWNED): _IDS & _OWNER,
    (not _ALONE, not _OWNED): _IDS,
}

# Built once: building costs more than running.
_SUMMARIES = {
    key: select(*reading.SUMMARY_COLUMNS).where(condition)
    for key, condition in _CONDITIONS.items()
}
_SUMMARY = {
    True: DriverStatement(lambda _: _SUMMARIES[_ALONE, _OWNED]),
    False: DriverStatement(lambda _: _SUMMARIES[_ALONE, not _OWNED]),
}
_TASKS = {
    (full, alone, owned): (
        reading.select_task(condition, full=full)
        if alone
        else reading.select_tasks(select(_C.seq).where(condition), full=full)
    )
    for full in (True, False)
    for (alone, owned), condition in _CONDITIONS.items()
}


def read_summary(
    engine: Engine, task_id: TaskId, owner: str | None
) -> dict[TaskId, TaskSummary]:
    """Read the summary of one task, if it is ``owner``'s."""
    statement = _SUMMARY[owner is not None]
    rows = statement.read(engine, _values([task_id], owner))
    return {summary.id: summary for summary in map(reading.summary_of, rows)}


def read_summaries(
    connection: Connection, ids: Collection[TaskId], owner: str | None
) -> dict[TaskId, TaskSummary]:
    """Read summaries of those of ``ids`` that are ``owner``'s."""
    statement = _SUMMARIES[len(ids) == 1, owner is not None]
    rows = connection.execute(statement, _values(ids, owner))
    return {summary.id: summary for summary in map(reading.summary_of, rows)}


def read_tasks(
    connection: Connection,
    ids: Collection[TaskId],
    owner: str | None,
    *,
    full: bool,
    max_bytes: int,
) -> TaskListing:
    """Read those of ``ids`` that are ``owner``'s: one, and then what fits."""
    statement = _TASKS[full, len(ids) == 1, owner is not None]
    rows = connection.execute(
        statement, _values(ids, owner) | {"max_bytes": max_bytes}
    ).all()
    return reading.listing_of(connection, rows, full=full)


def _values(ids: Collection[TaskId], owner: str | None) -> dict[str, Any]:
    values = {"id": next(iter(ids))} if len(ids) == 1 else {"ids": list(ids)}
    return values if owner is None else values | {"owner": owner}
