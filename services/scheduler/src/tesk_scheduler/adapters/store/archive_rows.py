"""Converts rows of tables to lines of an export, and back.

A line is one JSON object: ``{"table": "task", "row": {…}, "of_task": {"tag": […], …}}``
for a task with all that belongs to it, ``{"table": "hold", "row": {…}}`` for anything
else. Columns have their own names, bytes are base64, times microseconds. What a
column of a later release would mean is not known, so that it is refused; one that the
line lacks gets its default.
"""

import binascii
from base64 import b64decode
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Boolean, Column, LargeBinary, Table, Text

from tesk_model.errors import InvalidRequestError, Violation
from tesk_scheduler.adapters.store import schema, webhook_schema

Row = dict[str, Any]

OF_TASK: tuple[Table, ...] = (
    schema.DOCUMENT,
    schema.TAG,
    schema.EXECUTOR_LOG,
    schema.OUTPUT_FILE,
    schema.SYSTEM_LOG,
    schema.TASK_METADATA,
    schema.INPUT_SIZES,
    schema.TRANSFER,
    schema.CALL,
    schema.IDENTITY_BATCH,
    webhook_schema.TASK_WEBHOOK,
)
_NOT_EXPORTED = {
    schema.TASK.name,
    # Counted again when tasks are imported; of this installation alone.
    *(schema.USAGE.name, schema.LEADER.name, schema.PROBE.name, schema.LINE_PART.name),
    schema.STATE_CHANGE.name,
    # Receivers of this installation; another one would tell them again.
    webhook_schema.WEBHOOK_CURSOR.name,
    webhook_schema.WEBHOOK_DELIVERY.name,
    webhook_schema.WEBHOOK_DESTINATION.name,
    *(table.name for table in OF_TASK),
}
OTHERS: tuple[Table, ...] = tuple(
    table
    for _, table in sorted(schema.METADATA.tables.items())
    if table.name not in _NOT_EXPORTED
)

_ENCODER = msgspec.json.Encoder(order="deterministic")
_NUMBERED = {schema.TASK.c.seq.name, "task_seq"}


def columns_of(table: Table) -> list[Column[Any]]:
    """Return what is exported: all but the numbers of tasks in this store."""
    return [column for column in table.c if column.name not in _NUMBERED]


def values_of(row: Any) -> Row:
    """Return the values of a row of a result by the names of its columns."""
    mapping: Any = row._mapping  # noqa: SLF001 - public in spite of its name
    return {str(name): value for name, value in mapping.items()}


def encode_line(value: Any) -> bytes:
    """Return a JSON object as a line, without its end; equal for equal values."""
    return _ENCODER.encode(value)


def decode_line(line: bytes) -> Mapping[str, Any]:
    """Read a line.

    Raises:
        InvalidRequestError: It is not a JSON object.
    """
    try:
        return msgspec.json.decode(line, type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise invalid(f"is not a line of an export: {error}") from error


def row_from(table: Table, value: Any) -> Row:
    """Read a row.

    Raises:
        InvalidRequestError: It is not one of this table.
    """
    if not isinstance(value, dict):
        raise invalid(f"{table.name}: must be an object")
    known = {column.name: column for column in columns_of(table)}
    unknown = sorted(value.keys() - known.keys())
    if unknown:
        raise invalid(
            f"{table.name}: has {', '.join(unknown)}, which this release does not know;"
            " import it with the release that exported it, or a later one"
        )
    missing = sorted(
        name
        for name, column in known.items()
        if name not in value and not column.nullable and column.server_default is None
    )
    if missing:
        raise invalid(f"{table.name}: lacks {', '.join(missing)}")
    return {name: _value(known[name], given) for name, given in value.items()}


def rows_from(table: Table, values: Any) -> Sequence[Row]:
    """Read the rows of a table.

    Raises:
        InvalidRequestError: They are none.
    """
    if not isinstance(values, list):
        raise invalid(f"{table.name}: must be a list")
    return [row_from(table, value) for value in values]


def invalid(problem: str) -> InvalidRequestError:
    """Return the error about a line."""
    return InvalidRequestError([Violation("line", problem)])


def _value(column: Column[Any], given: Any) -> Any:
    if given is None and column.nullable:
        return None
    kind = _kind_of(column)
    if kind is bytes and isinstance(given, str):
        try:
            return b64decode(given, validate=True)
        except (binascii.Error, ValueError) as error:
            raise invalid(f"{column}: is not base64") from error
    if type(given) is not kind:
        raise invalid(f"{column}: must be {kind.__name__}, not {given!r:.40}")
    return given


def _kind_of(column: Column[Any]) -> type[Any]:
    for sql, kind in ((Boolean, bool), (LargeBinary, bytes), (Text, str)):
        if isinstance(column.type, sql):
            return kind
    return column.type.python_type
