"""What the leader does for a long queue is bounded by what changes, not by its length."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import msgspec
import pytest

from fakes.scheduler_environment import FrozenClock
from fakes.scheduler_launcher import FakeLauncher
from fakes.scheduler_observer import ListObserver
from schedulers.stepped import SteppedSchedulers
from tesk_model.reasons import ReasonCode
from tesk_scheduler.adapters.store.engines import sqlite_url
from tesk_scheduler.adapters.store.store import SqlTaskStore
from tesk_scheduler.domain.fleet import Taskmaster
from tesk_scheduler.domain.quota import Quota
from tesk_scheduler.ports.store import Transaction

ResultT = TypeVar("ResultT")


class CountingStore(SqlTaskStore):
    """Counts how often the taskmasters are read, and transactions."""

    fleet_reads = 0
    writes = 0

    def fleet(self) -> list[Taskmaster]:
        """Count, and read."""
        self.fleet_reads += 1
        return super().fleet()

    def write(self, work: Callable[[Transaction], ResultT]) -> ResultT:
        """Count, and write."""
        self.writes += 1
        return super().write(work)


@contextmanager
def stepped(folder: Path) -> Iterator[tuple[SteppedSchedulers, CountingStore]]:
    folder.mkdir()
    store = CountingStore.open(sqlite_url(folder / "tesk.db"))
    assert isinstance(store, CountingStore)
    yield (
        SteppedSchedulers(
            store=store,
            launcher=FakeLauncher(),
            clock=FrozenClock(),
            observer=ListObserver(),
        ),
        store,
    )
    store.close()


def test_a_round_that_used_all_places_is_not_repeated(tmp_path: Path) -> None:
    with stepped(tmp_path / "s") as (schedulers, _):
        leader = schedulers.scheduler()
        schedulers.add(*(f"t-{number}" for number in range(9)))

        pause = leader.reconcile()

        assert isinstance(schedulers.observer, ListObserver)
        assert schedulers.observer.rounds == [2]
        assert pause > 0


def test_what_ended_makes_room_in_the_next_round(tmp_path: Path) -> None:
    with stepped(tmp_path / "s") as (schedulers, _):
        leader = schedulers.scheduler()
        schedulers.add("t-1", "t-2", "t-3")
        leader.reconcile()
        for name in list(schedulers.launcher.launched):
            schedulers.call(name)

        leader.reconcile()

        assert schedulers.record("t-3").taskmaster == "tm-3"


def test_a_round_is_bounded_and_others_follow_at_once(tmp_path: Path) -> None:
    with stepped(tmp_path / "s") as (schedulers, store):
        schedulers.settings = msgspec.structs.replace(
            schedulers.settings, max_taskmasters=1, tasks_per_taskmaster=900
        )
        schedulers.quota = Quota()
        leader = schedulers.scheduler()
        for owner in "abc":
            schedulers.add(*(f"{owner}-{n}" for n in range(100)), owner=owner)
        before = store.writes

        leader.reconcile()

        assert isinstance(schedulers.observer, ListObserver)
        assert schedulers.observer.rounds == [200, 100]
        # Three of them admit 100 tasks each.
        assert store.writes - before < 8


@contextmanager
def lost(folder: Path, count: int) -> Iterator[tuple[SteppedSchedulers, CountingStore]]:
    """Give schedulers that have just lost all of so many taskmasters, of a task each."""
    with stepped(folder) as (schedulers, store):
        schedulers.settings = msgspec.structs.replace(
            schedulers.settings, max_taskmasters=count
        )
        leader = schedulers.scheduler()
        names = [f"t-{number}" for number in range(count)]
        schedulers.add(*names)
        while len(launched := list(schedulers.launcher.launched)) < count:
            leader.reconcile()
            for name in schedulers.launcher.launched[len(launched) :]:
                schedulers.call(name)
        for name in launched:
            schedulers.launcher.vanish(name)
        schedulers.wait(31)
        yield schedulers, store


def reads_after_loss(folder: Path, count: int) -> int:
    """Return how often taskmasters are read once all of so many are lost."""
    with lost(folder, count) as (schedulers, store):
        before = store.fleet_reads
        schedulers.scheduler().reconcile()
        placed = [n for n in range(count) if schedulers.record(f"t-{n}").taskmaster]
        assert len(placed) == 2
        return store.fleet_reads - before


def test_attempts_without_taskmaster_are_explained_by_one_look_at_the_fleet(
    tmp_path: Path,
) -> None:
    few, many = (reads_after_loss(tmp_path / str(count), count) for count in (3, 9))

    assert few == many


def test_attempts_that_have_no_place_yet_cost_no_transaction(tmp_path: Path) -> None:
    with lost(tmp_path / "s", 9) as (schedulers, store):
        leader = schedulers.scheduler()
        leader.reconcile()
        before = store.writes

        leader.reconcile()

        assert store.writes == before
        waiting = [
            record.reason.code
            for n in range(9)
            if (record := schedulers.record(f"t-{n}")).taskmaster is None
        ]
        assert waiting == [ReasonCode.TASKMASTER_STARTING] * 7


@pytest.mark.parametrize("refusal", ["", "no more pods"])
def test_all_tasks_are_admitted_in_the_end(tmp_path: Path, refusal: str) -> None:
    with stepped(tmp_path / "s") as (schedulers, _):
        schedulers.launcher.refusal = refusal
        leader = schedulers.scheduler()
        schedulers.add("t-1", "t-2", "t-3")
        for _ in range(4):
            leader.reconcile()
            schedulers.launcher.refusal = ""
            schedulers.wait(60)
            for name in list(schedulers.launcher.launched):
                schedulers.call(name)

        assert all(schedulers.record(f"t-{n}").taskmaster for n in (1, 2, 3))
