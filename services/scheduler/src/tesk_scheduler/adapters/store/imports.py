"""Stores lines of an export, and reads back what was stored."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table, bindparam, delete, insert, select

from tesk_model.errors import ConflictError
from tesk_scheduler.adapters.store.archive_rows import (
    OF_TASK,
    OTHERS,
    Row,
    columns_of,
    decode_line,
    invalid,
    row_from,
    rows_from,
    values_of,
)
from tesk_scheduler.adapters.store.exports import read_task_row
from tesk_scheduler.adapters.store.rows import DEMAND_COLUMNS, charged_of
from tesk_scheduler.adapters.store.schema import LINE_PART, STATES, TASK
from tesk_scheduler.adapters.store.statements import upsert
from tesk_scheduler.domain.accounting import UsageLedger
from tesk_scheduler.domain.quota import Demand
from tesk_scheduler.ports.admin_store import ImportCount

_C = TASK.c
# Built once: building costs more than running.
_KNOWN = select(_C.seq).where(_C.id == bindparam("task"))
_STORED = select(*columns_of(TASK)).where(
    _C.seq == bindparam("task", type_=_C.seq.type)
)
_INSERT = insert(TASK).returning(_C.seq)
_INSERT_PART = {table: insert(table) for table in OF_TASK}
_OTHERS = {table.name: table for table in OTHERS}


def import_lines(
    connection: Connection, lines: Sequence[bytes], ledger: UsageLedger
) -> ImportCount:
    """Store lines in order; tasks get new numbers, and so keep their order."""
    imported = present = 0
    for line in lines:
        value = decode_line(line)
        name = value.get("table")
        if name == TASK.name:
            is_new = _import_task(connection, value, ledger)
            imported += is_new
            present += not is_new
        elif name in _OTHERS:
            _import_row(connection, _OTHERS[name], value)
        else:
            raise invalid(f"table {name!r:.40} is not known to this release")
    return ImportCount(imported, present)


def put_part(connection: Connection, digest: str, index: int, data: bytes) -> None:
    """Keep a part of a line."""
    where = (LINE_PART.c.digest == digest, LINE_PART.c.position == index)
    connection.execute(delete(LINE_PART).where(*where))
    row = {"digest": digest, "position": index, "body": data}
    connection.execute(insert(LINE_PART), row)


def take_parts(connection: Connection, digest: str) -> bytes:
    """Join the parts of a line, and delete them."""
    own = LINE_PART.c.digest == digest
    query = select(LINE_PART.c.body).where(own).order_by(LINE_PART.c.position)
    line = b"".join(connection.scalars(query))
    connection.execute(delete(LINE_PART).where(own))
    return line


def _import_task(
    connection: Connection, value: Mapping[str, Any], ledger: UsageLedger
) -> bool:
    row = row_from(TASK, value.get("row"))
    task_id = row.get("id")
    if connection.scalar(_KNOWN, {"task": task_id}) is not None:
        return False
    if row.get("state") not in STATES:
        raise invalid(f"task {task_id}: has no state that this release knows")
    given = value.get("of_task", {})
    if not isinstance(given, dict) or given.keys() - {each.name for each in OF_TASK}:
        raise invalid(f"task {task_id}: has parts that this release does not know")
    parts = {table: rows_from(table, given.get(table.name, [])) for table in OF_TASK}
    seq = connection.scalar(_INSERT, row)
    for table, rows in parts.items():
        if rows:
            own = [{"task_seq": seq, **each} for each in rows]
            connection.execute(_INSERT_PART[table], own)
    stored = _compare(connection, int(seq or 0), row, parts)
    demand = Demand(**{column.name: stored[column.name] for column in DEMAND_COLUMNS})
    ledger.imported(charged_of(stored), STATES[stored["state"]], demand)
    return True


def _import_row(connection: Connection, table: Table, value: Mapping[str, Any]) -> None:
    row = row_from(table, value.get("row"))
    statement = upsert(table)[connection.dialect.name].values(**row)
    connection.execute(statement.on_conflict_do_nothing())


def _compare(
    connection: Connection,
    seq: int,
    row: Row,
    parts: Mapping[Table, Sequence[Row]],
) -> Row:
    """Compare a task as it is stored with what its line says; return its row.

    Raises:
        ConflictError: They differ.
    """
    stored = connection.execute(_STORED, {"task": seq}).one()
    own = values_of(stored)
    found = read_task_row(connection, seq, own)
    pairs: list[tuple[Table, Sequence[Row], Sequence[Row]]] = [(TASK, [row], [own])]
    for table, rows in parts.items():
        pairs.append((table, rows, found["of_task"].get(table.name, [])))
    for table, wanted, there in pairs:
        if not _are_equal(table, wanted, there):
            raise ConflictError(
                f"task {row['id']}: what was stored as {table.name} differs from its line"
            )
    return own


def _are_equal(table: Table, wanted: Sequence[Row], there: Sequence[Row]) -> bool:
    """Compare rows, whatever their order; what a line does not give is not compared."""
    exported = {column.name for column in columns_of(table)}
    keys = [each.name for each in table.primary_key if each.name in exported]

    def key(row: Row) -> list[Any]:
        return [row[name] for name in keys]

    return len(wanted) == len(there) and all(
        {column: have[column] for column in want} == want
        for want, have in zip(
            sorted(wanted, key=key), sorted(there, key=key), strict=True
        )
    )
