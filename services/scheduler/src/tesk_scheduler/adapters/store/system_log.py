"""Writes the ``system_logs`` of a task within a transaction."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete

from tesk_scheduler.adapters.store import schema, statements
from tesk_scheduler.adapters.store.schema import clean
from tesk_scheduler.domain import bounds

_LEFT_OUT = "left-out"  # source of the line about omitted lines


class _Stored(NamedTuple):
    """The lines that a task has: their number and bytes, and the highest position."""

    number: int = 0
    size: int = 0
    highest: int | None = None


def add_lines(
    connection: Connection, seq: int, lines: Sequence[str], *, source: str, last: bool
) -> None:
    """Append lines after the last one; see ``TaskChanges``."""
    if source:
        _remove_lines(connection, seq, source)
    if lines:
        [stored] = statements.STORED_LINES.rows(connection, {"row": seq})
        _append(connection, {seq: lines}, {seq: _Stored(*stored)}, source, last=last)


def add_line_to_each(connection: Connection, lines: Mapping[int, str]) -> None:
    """Append a line to each of many tasks, by a few statements."""
    if lines:
        values = {"rows": list(lines)}
        found = connection.execute(statements.STORED_LINES_OF_TASKS, values)
        stored = {seq: _Stored(*rest) for seq, *rest in found}
        added = {seq: [line] for seq, line in lines.items()}
        _append(connection, added, stored, source="", last=False)


def _append(
    connection: Connection,
    lines: Mapping[int, Sequence[str]],
    stored: Mapping[int, _Stored],
    source: str,
    *,
    last: bool,
) -> None:
    """Append what fits, or what is last, and say where something does not fit."""
    rows: list[dict[str, Any]] = []
    for seq, added in lines.items():
        number, size, highest = stored.get(seq, _Stored())
        cleaned = [clean(line) for line in added]
        if last:
            kept: Sequence[str] = [
                bounds.truncated(line, bounds.LINE_BYTES) for line in cleaned
            ]
        else:
            kept = bounds.fitting_lines(cleaned, bounds.Retained(number, size))
        positions = itertools.count(0 if highest is None else highest + 1)
        rows += [_row(seq, next(positions), line, source) for line in kept]
        if len(kept) < len(added):
            _remove_lines(connection, seq, _LEFT_OUT)
            position = next(positions)
            rows.append(_row(seq, position, bounds.LINES_LEFT_OUT, _LEFT_OUT))
    if rows:
        statements.INSERT_LINE.run_all(connection, rows)


def _row(seq: int, position: int, line: str, source: str) -> dict[str, Any]:
    return {"task_seq": seq, "position": position, "line": line, "source": source}


def _remove_lines(connection: Connection, seq: int, source: str) -> None:
    table = schema.SYSTEM_LOG
    connection.execute(
        delete(table).where(table.c.task_seq == seq, table.c.source == source)
    )
