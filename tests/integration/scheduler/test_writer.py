"""In what order units of work are written, and which share a transaction."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection

from tesk_model.errors import UnavailableError
from tesk_scheduler.adapters.store.engines import open_engines, sqlite_url
from tesk_scheduler.adapters.store.writer import Writer
from tesk_scheduler.ports.observer import NoObserver

# Longer than the work that a group is given.
LONG = 0.05


class Groups(NoObserver):
    """Keeps how many units each transaction had."""

    def __init__(self) -> None:
        """Start with none."""
        self.sizes: list[int] = []

    def wrote(self, *, units: int, seconds: float, succeeded: bool) -> None:
        """Keep it."""
        del seconds, succeeded
        self.sizes.append(units)


@pytest.fixture
def groups() -> Groups:
    return Groups()


@pytest.fixture
def writer(tmp_path: Path, groups: Groups) -> Iterator[Writer]:
    engines = open_engines(sqlite_url(tmp_path / "tesk.db"))
    writer = Writer(
        engines.writer,
        keep_connection=True,
        check=lambda: None,
        finish=lambda _connection, _results: None,
        observer=groups,
    )
    yield writer
    writer.close()
    engines.close()


def gather(writer: Writer, work: Callable[[Connection], object]) -> None:
    """Let ``work`` wait for its turn, and do not wait for its result."""
    with contextlib.suppress(UnavailableError):
        writer.run(work, timeout=0)


def spin(_connection: Connection) -> None:
    """Work for long."""
    until = time.monotonic() + LONG
    while time.monotonic() < until:
        pass


def test_who_writes_again_comes_after_those_that_wait(writer: Writer) -> None:
    order: list[str] = []

    def first(_connection: Connection) -> None:
        order.append("first")
        gather(writer, lambda _: order.append("waiting"))
        # Time for the writer's thread to notice it.
        threading.Event().wait(LONG)

    writer.run(first)
    writer.run(lambda _: order.append("again"))

    assert order == ["first", "waiting", "again"]


def test_what_waits_behind_a_long_unit_shares_no_transaction_with_it(
    writer: Writer, groups: Groups
) -> None:
    order: list[str] = []

    def first(_connection: Connection) -> None:
        gather(writer, spin)
        for name in ("second", "third"):
            gather(writer, lambda _, name=name: order.append(name))  # type: ignore[misc]

    writer.run(first)
    writer.run(lambda _: order.append("last"))

    assert order == ["second", "third", "last"]
    assert groups.sizes[:2] == [1, 1]
    assert sum(groups.sizes) == 5


def test_short_units_that_wait_share_a_transaction(
    writer: Writer, groups: Groups
) -> None:
    def first(_connection: Connection) -> None:
        for _ in range(3):
            gather(writer, lambda _: None)

    writer.run(first)
    writer.close()

    assert groups.sizes == [1, 3]


def test_what_failed_in_a_group_is_raised_at_its_caller_alone(writer: Writer) -> None:
    done: list[str] = []

    def fail(_connection: Connection) -> None:
        msg = "a bug"
        raise ValueError(msg)

    def first(_connection: Connection) -> None:
        gather(writer, fail)
        gather(writer, lambda _: done.append("other"))

    writer.run(first)
    writer.run(lambda _: done.append("last"))

    assert done[-2:] == ["other", "last"]


def test_what_waits_when_it_closes_is_written(writer: Writer) -> None:
    done: list[str] = []

    def first(_connection: Connection) -> None:
        gather(writer, lambda _: done.append("waiting"))

    writer.run(first)
    writer.close()

    assert done == ["waiting"]
    with pytest.raises(UnavailableError):
        writer.run(lambda _: None)
