"""Statements that go past SQLAlchemy behave as if they went through it."""

from collections.abc import Iterator

import pytest
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    bindparam,
    create_engine,
    insert,
    select,
    update,
)
from sqlalchemy import exc as errors

from tesk_scheduler.adapters.store.driver import DriverStatement, _Form
from tesk_scheduler.adapters.store.migrate import migrate
from tesk_scheduler.adapters.store.schema import HOLD, TASK
from tesk_scheduler.adapters.store.schema.columns import BYTES_ORDERED
from tesk_scheduler.adapters.store.statements import replacing

HELD = {"kind": "user", "name": "a%(b)s ?", "reason": "", "operator": "é", "since": 1}
PUT = DriverStatement(lambda _: insert(HOLD).returning(HOLD.c.name))
HOLDS = DriverStatement(lambda _: insert(HOLD))
LOG = {
    "task_seq": 1,
    "position": 0,
    "exit_code": 3,
    "stdout": b"\x00\\ \xff",
    "stderr": b"",
    "image_digest": "é \\ \" '%(b)s ?",
}
_TABLE = Table(
    "log",
    MetaData(),
    Column("task_seq", BigInteger, primary_key=True, autoincrement=False),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("exit_code", Integer),
    Column("stdout", LargeBinary, nullable=False),
    Column("stderr", LargeBinary, nullable=False),
    Column("image_digest", BYTES_ORDERED, nullable=False),
)
_LOG = _TABLE.c
LOGS = DriverStatement(lambda _: insert(_TABLE))
ALL_LOGS = DriverStatement(
    lambda _: select(*[_LOG[name] for name in LOG]).order_by(_LOG.position)
)
PUT_LOG = DriverStatement(
    replacing(
        _TABLE,
        "task_seq position",
        lambda new: {"exit_code": _LOG.exit_code + new.exit_code},
    ).__getitem__
)
SET_CODE = DriverStatement(
    lambda _: (
        update(_TABLE)
        .where(_LOG.position == bindparam("at"), _LOG.exit_code == bindparam("old"))
        .values(exit_code=bindparam("new", type_=_LOG.exit_code.type))
    )
)
# A table with a key that the database makes.
TASKS = DriverStatement(lambda _: insert(TASK))
# A value of the statement itself beside a parameter.
FIND = DriverStatement(
    lambda _: select(HOLD.c.operator, HOLD.c.since + 1).where(
        HOLD.c.kind == "user", HOLD.c.name == bindparam("name")
    )
)


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    engine = create_engine(url)
    migrate(engine)
    _TABLE.create(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    with engine.connect() as connection:
        yield connection


def test_values_come_back_as_they_were_given(
    engine: Engine, connection: Connection
) -> None:
    with connection.begin():
        assert PUT.rows(connection, HELD) == [(HELD["name"],)]

    assert FIND.read(engine, {"name": HELD["name"]}) == [("é", 2)]
    assert FIND.read(engine, {"name": "another"}) == []


def test_rows_are_part_of_the_transaction(
    engine: Engine, connection: Connection
) -> None:
    with connection.begin() as transaction:
        HOLDS.run_all(connection, [HELD | {"name": name} for name in "ab"])
        assert FIND.rows(connection, {"name": "b"}) == [("é", 2)]
        transaction.rollback()

    assert FIND.read(engine, {"name": "b"}) == []


def test_many_rows_are_all_written(engine: Engine, connection: Connection) -> None:
    rows = [LOG, LOG | {"position": 1, "exit_code": None, "stdout": bytes(range(256))}]
    with connection.begin():
        assert LOGS.run_all(connection, rows) == len(rows)

    assert ALL_LOGS.read(engine, {}) == [tuple(row.values()) for row in rows]


def test_rows_of_any_size_are_all_written(
    engine: Engine, connection: Connection
) -> None:
    rows = [LOG | {"position": n, "stdout": b"x" * n * 2**18} for n in range(9)]
    with connection.begin():
        assert LOGS.run_all(connection, rows) == len(rows)

    assert ALL_LOGS.read(engine, {}) == [tuple(row.values()) for row in rows]


@pytest.mark.parametrize("count", [1, 2])
def test_what_conflicts_is_put_together(
    engine: Engine, connection: Connection, count: int
) -> None:
    rows = [LOG | {"position": n} for n in range(count)]
    with connection.begin():
        PUT_LOG.run_all(connection, rows)
        PUT_LOG.run_all(connection, [row | {"exit_code": 1} for row in rows])

    assert [row[2] for row in ALL_LOGS.read(engine, {})] == [4] * count


@pytest.mark.parametrize("count", [1, 2])
def test_only_rows_that_match_are_changed(
    engine: Engine, connection: Connection, count: int
) -> None:
    with connection.begin():
        LOGS.run_all(connection, [LOG | {"position": n} for n in range(9)])
        changes = [{"at": 8 - n, "old": 3, "new": None} for n in range(count)]
        missed = {"at": 0, "old": 2, "new": 7}
        assert SET_CODE.run_all(connection, [*changes, missed]) == count

    codes = [row[2] for row in ALL_LOGS.read(engine, {})]
    assert codes == [3] * (9 - count) + [None] * count


def test_no_row_of_many_is_written_if_one_is_refused(
    engine: Engine, connection: Connection
) -> None:
    with pytest.raises(errors.IntegrityError), connection.begin():
        LOGS.run_all(connection, [LOG, LOG | {"position": 1, "stderr": None}])

    assert ALL_LOGS.read(engine, {}) == []


def test_one_row_returns_no_key(engine: Engine) -> None:
    row = dict.fromkeys(("id", "owner"), "x")
    text = TASKS._compile(engine.dialect, row, _Form.EACH).text
    assert "RETURNING" not in text.upper()


def test_errors_are_those_of_sqlalchemy(connection: Connection) -> None:
    with connection.begin():
        PUT.rows(connection, HELD)
    with pytest.raises(errors.IntegrityError), connection.begin():
        PUT.rows(connection, HELD)


def test_a_connection_that_failed_is_not_used_again(engine: Engine) -> None:
    lost = DriverStatement(lambda _: select(HOLD.c.name).where(HOLD.c.since == 1))
    with engine.begin() as connection:
        HOLD.drop(connection)
    with pytest.raises((errors.OperationalError, errors.ProgrammingError)):
        lost.read(engine, {})
    with engine.begin() as connection:
        HOLD.create(connection)

    assert lost.read(engine, {}) == []
