"""Runs statements of SQLAlchemy by the driver of the database itself.

Of a statement that runs for each request SQLAlchemy takes some 60 µs of CPU, several
times as much as the database. So such ones are compiled once, and then go to the driver,
with the connection, transaction and errors of SQLAlchemy. Values are not converted: of
numbers, text, truth values and bytes the drivers need that as little as the columns.
Many rows are one statement on PostgreSQL, too, see ``record_sets``.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, NamedTuple

from sqlalchemy import Connection, Dialect, Engine
from sqlalchemy.exc import DBAPIError

from tesk_scheduler.adapters.store import record_sets

Values = Mapping[str, Any]
_Rows = list[tuple[Any, ...]]


class _Form(Enum):
    """What a statement is compiled for: one row, each of many, or all at once."""

    ONE = auto()
    EACH = auto()
    RECORDS = auto()


class _Compiled(NamedTuple):
    """The text of a statement, and how its parameters are given to the driver."""

    text: str
    parameters: Callable[[Values], Any]


@dataclass(frozen=True, slots=True)
class DriverStatement:
    """A statement of which each parameter is one value.

    An INSERT gets values for the same columns each time.

    Attributes:
        of_dialect: Returns the statement for a dialect, by its name.
    """

    of_dialect: Callable[[str], Any]
    _compiled: dict[tuple[str, _Form], _Compiled] = field(default_factory=dict)

    def rows(self, connection: Connection, values: Values) -> _Rows:
        """Run it in the transaction of ``connection``; return all rows."""
        with self._cursor(connection.connection, connection.dialect) as cursor:
            compiled = self._compile(connection.dialect, values)
            cursor.execute(compiled.text, compiled.parameters(values))
            return list(cursor.fetchall())

    def run_all(self, connection: Connection, rows: Sequence[Values]) -> int:
        """Run it for each of some rows, in the transaction of ``connection``.

        It is an INSERT, whose values are those of the rows and none else, or an UPDATE,
        whose parameters have types. It returns no rows: Python 3.12 refuses a second
        row of such a statement on SQLite, since the first is not read to its end. No
        two rows may be about the same one of the database.

        Returns:
            How many rows of the database it changed.
        """
        dialect = connection.dialect
        with self._cursor(connection.connection, dialect) as cursor:
            if len(rows) > 1 and dialect.name == "postgresql":
                compiled = self._compile(dialect, rows[0], _Form.RECORDS)
                return sum(
                    _changed(cursor, compiled, {record_sets.PARAMETER: records})
                    for records in record_sets.encoded(rows)
                )
            compiled = self._compile(dialect, rows[0], _Form.EACH)
            if len(rows) == 1:
                return _changed(cursor, compiled, rows[0])
            cursor.executemany(compiled.text, list(map(compiled.parameters, rows)))
            return int(cursor.rowcount)

    def read(self, engine: Engine, values: Values) -> _Rows:
        """Run it on a connection, and in a transaction, of its own."""
        pooled = engine.raw_connection()
        try:
            with self._cursor(pooled, engine.dialect) as cursor:
                compiled = self._compile(engine.dialect, values)
                cursor.execute(compiled.text, compiled.parameters(values))
                return list(cursor.fetchall())
        except DBAPIError:
            pooled.invalidate()
            raise
        finally:
            pooled.close()

    @contextmanager
    def _cursor(self, pooled: Any, dialect: Dialect) -> Iterator[Any]:
        """Give a cursor, whose errors become those of SQLAlchemy."""
        errors: Any = dialect.dbapi
        try:
            cursor = pooled.cursor()
            try:
                yield cursor
            finally:
                cursor.close()
        except errors.Error as error:
            raise DBAPIError.instance(
                None, None, error, errors.Error, dialect=dialect
            ) from error

    def _compile(
        self, dialect: Dialect, values: Values, form: _Form = _Form.ONE
    ) -> _Compiled:
        known = self._compiled.get((dialect.name, form))
        if known is None:
            statement = self.of_dialect(dialect.name)
            known = _compile(statement, dialect, values, form)
            self._compiled[dialect.name, form] = known
        return known


def _changed(cursor: Any, compiled: _Compiled, values: Values) -> int:
    cursor.execute(compiled.text, compiled.parameters(values))
    return int(cursor.rowcount)


def _compile(
    statement: Any, dialect: Dialect, values: Values, form: _Form
) -> _Compiled:
    keys = list(values) if statement.is_insert else None
    if form is _Form.RECORDS:
        statement = record_sets.with_records(statement, list(values))
        keys, values = None, {record_sets.PARAMETER: ""}
    # For one row an INSERT returns a key that the database makes, asked or not.
    compiled = statement.compile(
        dialect=dialect, column_keys=keys, for_executemany=form is not _Form.ONE
    )
    # Of what the statement itself fixes.
    fixed = {
        name: value for name, value in compiled.params.items() if name not in values
    }
    names = compiled.positiontup
    if names is None:
        return _Compiled(str(compiled), lambda given: {**fixed, **given})

    def in_order(given: Values) -> tuple[Any, ...]:
        all_of_them = {**fixed, **given}
        return tuple([all_of_them[name] for name in names])

    return _Compiled(str(compiled), in_order)
