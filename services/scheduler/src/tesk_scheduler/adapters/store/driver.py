"""Runs statements of SQLAlchemy by the driver of the database itself.

Of a statement that runs for each request SQLAlchemy takes some 60 µs of CPU, several
times as much as the database. So such ones are compiled once, and then go to the driver,
with the connection, transaction and errors of SQLAlchemy. Values are not converted: of
numbers, text, truth values and bytes the drivers need that as little as the columns.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import Connection, Dialect, Engine
from sqlalchemy.exc import DBAPIError

Values = Mapping[str, Any]
_Rows = list[tuple[Any, ...]]


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
    _compiled: dict[tuple[str, bool], _Compiled] = field(default_factory=dict)

    def rows(self, connection: Connection, values: Values) -> _Rows:
        """Run it in the transaction of ``connection``; return all rows."""
        with self._cursor(connection.connection, connection.dialect) as cursor:
            compiled = self._compile(connection.dialect, values)
            cursor.execute(compiled.text, compiled.parameters(values))
            return list(cursor.fetchall())

    def run_all(self, connection: Connection, rows: Sequence[Values]) -> int:
        """Run it for each of some rows, in the transaction of ``connection``.

        It must return no rows: Python 3.12 refuses a second row of such a statement on
        SQLite, since the first is not read to its end.

        Returns:
            How many rows of the database it changed.
        """
        with self._cursor(connection.connection, connection.dialect) as cursor:
            compiled = self._compile(connection.dialect, rows[0], for_many=True)
            given = list(map(compiled.parameters, rows))
            if len(given) == 1:  # psycopg takes several exchanges for a list of rows
                cursor.execute(compiled.text, given[0])
            else:
                cursor.executemany(compiled.text, given)
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
        self, dialect: Dialect, values: Values, *, for_many: bool = False
    ) -> _Compiled:
        known = self._compiled.get((dialect.name, for_many))
        if known is None:
            statement = self.of_dialect(dialect.name)
            known = _compile(statement, dialect, values, for_many=for_many)
            self._compiled[dialect.name, for_many] = known
        return known


def _compile(
    statement: Any, dialect: Dialect, values: Values, *, for_many: bool
) -> _Compiled:
    keys = list(values) if statement.is_insert else None
    # For one row an INSERT returns a key that the database makes, asked or not.
    compiled = statement.compile(
        dialect=dialect, column_keys=keys, for_executemany=for_many
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
