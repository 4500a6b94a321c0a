"""Statements that go past SQLAlchemy behave as if they went through it."""

from collections.abc import Iterator

import pytest
from sqlalchemy import (
    Connection,
    Engine,
    bindparam,
    create_engine,
    func,
    insert,
    select,
)
from sqlalchemy import exc as errors

from tesk_scheduler.adapters.store.driver import DriverStatement
from tesk_scheduler.adapters.store.migrate import migrate
from tesk_scheduler.adapters.store.schema import HOLD, STATE_CHANGE

HELD = {"kind": "user", "name": "a%(b)s ?", "reason": "", "operator": "é", "since": 1}
PUT = DriverStatement(lambda _: insert(HOLD).returning(HOLD.c.name))
HOLDS = DriverStatement(lambda _: insert(HOLD))
# A key that the database makes.
NEXT = select(func.coalesce(func.max(STATE_CHANGE.c.number), 0) + 1).scalar_subquery()
ADD = DriverStatement(lambda _: insert(STATE_CHANGE).values(number=NEXT))
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


def test_many_rows_return_no_keys(engine: Engine, connection: Connection) -> None:
    change = {
        "task_seq": 1,
        "task_id": "t",
        "owner": "o",
        "state": 2,
        "attempt": 1,
        "reason_code": "",
        "changed": 1,
    }
    with connection.begin():
        ADD.run_all(connection, [change, change])

    text = ADD._compile(engine.dialect, change, for_many=True).text
    assert "RETURNING" not in text.upper()
    numbers = DriverStatement(lambda _: select(STATE_CHANGE.c.number))
    assert sorted(numbers.read(engine, {})) == [(1,), (2,)]


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
