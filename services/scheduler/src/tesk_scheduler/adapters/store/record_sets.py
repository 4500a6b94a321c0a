"""Gives many rows to one statement of PostgreSQL, as a list of JSON objects.

psycopg runs a statement once for each row, which is at least 14 µs of the interpreter for
each; of a parameter of JSON, which the server reads, it is from 2 µs on.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import (
    JSON,
    BindParameter,
    ColumnElement,
    Insert,
    LargeBinary,
    TableValuedAlias,
    Text,
    Update,
    bindparam,
    cast,
    column,
    func,
    select,
)
from sqlalchemy.sql import visitors
from sqlalchemy.types import TypeEngine

PARAMETER = "records"
"""The name of the only parameter of such a statement."""

_BYTES = 2**20
"""What one statement is given, but for a larger row: the server holds it several times."""


def with_records(statement: Insert | Update, columns: Sequence[str]) -> Insert | Update:
    """Return what does for each record what a statement does for one row.

    Args:
        statement: An INSERT of values for some columns, which may have a conflict with
            one row for each record; or an UPDATE of one row, whose parameters have types.
        columns: The names of the values: of columns, or of parameters.
    """
    if isinstance(statement, Insert):
        values = _values({name: statement.table.c[name].type for name in columns})
        return statement.from_select(list(columns), select(*values.values()))
    parameters = {
        each.key: each.type
        for each in visitors.iterate(statement)
        if isinstance(each, BindParameter)
    }
    values = _values({name: parameters[name] for name in columns})

    def value(element: Any, **_: Any) -> Any:
        """Return what takes the place of an element, None to keep it."""
        return values.get(element.key) if isinstance(element, BindParameter) else None

    replaced: Any = visitors.replacement_traverse(statement, {}, value)
    changed: Update = replaced
    return changed


def encoded(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Encode rows in their order, for one statement after the other."""
    records: list[bytes] = []
    size = 0
    for row in rows:
        record = msgspec.json.encode(row)
        if records and size + len(record) > _BYTES:
            yield _list_of(records)
            records, size = [], 0
        records.append(record)
        size += len(record)
    if records:
        yield _list_of(records)


def _list_of(records: Sequence[bytes]) -> str:
    return b"".join((b"[", b",".join(records), b"]")).decode()


def _values(types: Mapping[str, TypeEngine[Any]]) -> dict[str, ColumnElement[Any]]:
    """Return the values of a record by their names."""
    records: TableValuedAlias = (
        func.json_to_recordset(cast(bindparam(PARAMETER, type_=Text), JSON))
        .table_valued(
            *[
                column(name, Text() if isinstance(each, LargeBinary) else each)
                for name, each in types.items()
            ],
            name="record",
        )
        .render_derived(with_types=True)
    )
    return {
        # msgspec encodes bytes so.
        name: func.decode(records.c[name], "base64")
        if isinstance(each, LargeBinary)
        else records.c[name]
        for name, each in types.items()
    }
