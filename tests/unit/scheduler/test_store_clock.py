"""Schedulers agree on the time, whatever their machines say."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fakes.scheduler_environment import FrozenClock
from schedulers.databases import sqlite_database
from tesk_model.errors import UnavailableError
from tesk_scheduler.adapters.store.clock import StoreClock
from tesk_scheduler.adapters.store.store import SqlTaskStore
from tesk_scheduler.usecases.leases import Leases
from tesk_scheduler.usecases.notifier import LeaderWakeup

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
WRONG = {"an hour behind": timedelta(hours=-1), "an hour ahead": timedelta(hours=1)}
LEASE = timedelta(seconds=30)


@dataclass
class Server:
    """A database that tells the time."""

    now: datetime | None = NOON
    is_away: bool = False
    asked: list[datetime | None] = field(default_factory=list)

    def time(self) -> datetime | None:
        if self.is_away:
            raise UnavailableError("away")
        self.asked.append(self.now)
        return self.now


@pytest.mark.parametrize("off", WRONG.values(), ids=WRONG)
def test_a_lease_from_a_scheduler_with_a_wrong_clock_is_as_long_as_any(
    tmp_path: Path, off: timedelta
) -> None:
    store = SqlTaskStore.open(sqlite_database(tmp_path / "tesk.db"))
    server = Server()
    here = FrozenClock(NOON)
    judge = StoreClock(server, here)
    giver = StoreClock(server, FrozenClock(NOON + off))
    leases = Leases(store=store, leader=LeaderWakeup(), duration=LEASE)

    member = leases.renew("tm", 1, giver.now())

    assert not member.is_absent(judge.now())
    here.advance(LEASE)
    server.now = here.now()
    assert member.is_absent(judge.now())
    store.close()


def test_time_goes_on_between_two_questions_and_is_put_right_by_the_next() -> None:
    server, here = Server(), FrozenClock(NOON - timedelta(days=1))
    clock = StoreClock(server, here)
    first = clock.now()

    here.advance(timedelta(seconds=4))
    second = clock.now()
    server.now = NOON + timedelta(minutes=1)
    here.advance(timedelta(seconds=10))
    third = clock.now()

    assert [first, second] == [NOON, NOON + timedelta(seconds=4)]
    assert third == server.now
    assert len(server.asked) == 2


def test_a_store_that_is_away_stops_no_clock_that_knew_the_time() -> None:
    server, here = Server(), FrozenClock(NOON)
    clock = StoreClock(server, here)
    clock.now()

    server.is_away = True
    here.advance(timedelta(minutes=1))

    assert clock.now() == NOON + timedelta(minutes=1)
    with pytest.raises(UnavailableError):
        StoreClock(server, here).now()


def test_a_store_without_a_clock_has_that_of_this_machine() -> None:
    server, here = Server(now=None), FrozenClock(NOON)
    clock = StoreClock(server, here)

    here.advance(timedelta(minutes=1))

    assert (clock.now(), clock.now()) == (here.now(), here.now())
    assert len(server.asked) == 1
