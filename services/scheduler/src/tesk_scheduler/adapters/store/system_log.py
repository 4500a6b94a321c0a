"""Writes the ``system_logs`` of a task within a transaction."""

from collections.abc import Sequence

from sqlalchemy import Connection, delete

from tesk_scheduler.adapters.store import schema, statements
from tesk_scheduler.adapters.store.schema import clean
from tesk_scheduler.domain import bounds

_LEFT_OUT = "left-out"  # source of the line about omitted lines


def add_lines(
    connection: Connection, seq: int, lines: Sequence[str], *, source: str, last: bool
) -> None:
    """Append lines after the last one; see ``TaskChanges``."""
    if source:
        _remove_lines(connection, seq, source)
    if not lines:
        return
    [(count, size, highest)] = statements.STORED_LINES.rows(connection, {"row": seq})
    first = 0 if highest is None else highest + 1
    cleaned = [clean(line) for line in lines]
    if last:
        kept: Sequence[str] = [
            bounds.truncated(line, bounds.LINE_BYTES) for line in cleaned
        ]
    else:
        kept = bounds.fitting_lines(cleaned, bounds.Retained(count, size))
    _insert_lines(connection, seq, kept, first, source)
    if len(kept) < len(lines):
        _remove_lines(connection, seq, _LEFT_OUT)
        more = [bounds.LINES_LEFT_OUT]
        _insert_lines(connection, seq, more, first + len(kept), _LEFT_OUT)


def _remove_lines(connection: Connection, seq: int, source: str) -> None:
    table = schema.SYSTEM_LOG
    connection.execute(
        delete(table).where(table.c.task_seq == seq, table.c.source == source)
    )


def _insert_lines(
    connection: Connection, seq: int, lines: Sequence[str], first: int, source: str
) -> None:
    if lines:
        statements.INSERT_LINE.run_all(
            connection,
            [
                {
                    "task_seq": seq,
                    "position": position,
                    "line": line,
                    "source": source,
                }
                for position, line in enumerate(lines, first)
            ],
        )
