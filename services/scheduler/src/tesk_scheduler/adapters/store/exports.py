"""Reads all tasks as lines of an export, part by part.

A cursor says where the next part begins: ``task:SEQ:OFFSET:DIGEST`` (after that task;
or within the line of the next one, whose digest it is) or ``TABLE:OFFSET``.
"""

import hashlib
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, func, select, text

from tesk_model.errors import InvalidRequestError, Violation
from tesk_scheduler.adapters.store.archive_rows import (
    OF_TASK,
    OTHERS,
    columns_of,
    encode_line,
    values_of,
)
from tesk_scheduler.adapters.store.schema import TASK
from tesk_scheduler.ports.admin_store import ExportPart

FORMAT = 1
_ROWS_AT_ONCE = 500
_C = TASK.c
_TASKS = (
    select(_C.seq, *columns_of(TASK))
    .where(_C.seq > bindparam("after", type_=_C.seq.type))
    .order_by(_C.seq)
    .limit(1)
)
# Built once: building costs more than running.
_ROWS_OF = {
    table: select(*columns_of(table))
    .where(table.c.task_seq == bindparam("task", type_=_C.seq.type))
    .order_by(*table.primary_key.columns)
    for table in OF_TASK
}


class _Place(NamedTuple):
    """Where a part begins: after a task, ``offset`` bytes into the line behind it."""

    after: int
    offset: int = 0
    digest: str = ""


def export_header(connection: Connection) -> bytes:
    """Return the first line."""
    return encode_line(
        {
            "tesk_export": FORMAT,
            "release": version("tesk-scheduler"),
            "schema": connection.scalar(
                text("SELECT version_num FROM alembic_version")
            ),
            "tasks": connection.scalar(select(func.count()).select_from(TASK)),
        }
    )


def export_part(connection: Connection, cursor: str, max_bytes: int) -> ExportPart:
    """Read the next part: first the other tables, then the tasks."""
    table, _, rest = (cursor or f"{OTHERS[0].name}:0").partition(":")
    if table == TASK.name:
        return _tasks(connection, _place(rest), max_bytes)
    names = [each.name for each in OTHERS]
    if table not in names or not rest.isdecimal():
        raise _malformed()
    return _others(connection, names.index(table), int(rest), max_bytes)


def read_task_row(connection: Connection, seq: int, row: Any) -> dict[str, Any]:
    """Return the object of a task's line: its row and all that belongs to it."""
    rows_of = {
        str(table.name): [
            values_of(each) for each in connection.execute(statement, {"task": seq})
        ]
        for table, statement in _ROWS_OF.items()
    }
    return {
        "table": str(TASK.name),
        "row": row,
        "of_task": {name: rows for name, rows in rows_of.items() if rows},
    }


def _tasks(connection: Connection, place: _Place, max_bytes: int) -> ExportPart:
    data = bytearray()
    restart = False
    for seq, line in _task_lines(connection, place.after):
        if place.digest and hashlib.sha256(line).hexdigest() != place.digest:
            restart, place = True, _Place(place.after)
        if place.offset + max_bytes < len(line):
            if data:
                return ExportPart(bytes(data), _cursor(place), restart)
            end = place.offset + max_bytes
            digest = hashlib.sha256(line).hexdigest()
            part = line[place.offset : end]
            cursor = _cursor(_Place(place.after, end, digest))
            return ExportPart(part, cursor, restart)
        if data and len(data) + len(line) > max_bytes:
            return ExportPart(bytes(data), _cursor(place), restart)
        data += line[place.offset :]
        place = _Place(seq)
    return ExportPart(bytes(data), "", restart)


def _task_lines(connection: Connection, after: int) -> Iterator[tuple[int, bytes]]:
    while (
        row := connection.execute(_TASKS, {"after": after}).one_or_none()
    ) is not None:
        values = values_of(row)
        after = values.pop("seq")
        yield after, encode_line(read_task_row(connection, after, values)) + b"\n"


def _others(
    connection: Connection, index: int, offset: int, max_bytes: int
) -> ExportPart:
    table = OTHERS[index]
    query = (
        select(*columns_of(table))
        .order_by(*table.primary_key.columns)
        .offset(offset)
        .limit(_ROWS_AT_ONCE)
    )
    data = bytearray()
    read = 0
    for row in connection.execute(query):
        values = values_of(row)
        line = encode_line({"table": str(table.name), "row": values}) + b"\n"
        if data and len(data) + len(line) > max_bytes:
            return ExportPart(bytes(data), f"{table.name}:{offset + read}")
        data += line
        read += 1
    if read == _ROWS_AT_ONCE:
        return ExportPart(bytes(data), f"{table.name}:{offset + read}")
    if index + 1 < len(OTHERS):
        return ExportPart(bytes(data), f"{OTHERS[index + 1].name}:0")
    return ExportPart(bytes(data), _cursor(_Place(0)))


def _cursor(place: _Place) -> str:
    return f"{TASK.name}:{place.after}:{place.offset}:{place.digest}"


def _place(text: str) -> _Place:
    after, _, rest = text.partition(":")
    offset, _, digest = rest.partition(":")
    if not after.isdecimal() or not offset.isdecimal():
        raise _malformed()
    return _Place(int(after), int(offset), digest)


def _malformed() -> InvalidRequestError:
    problem = "was not made by this release"
    return InvalidRequestError([Violation("cursor", problem)])
