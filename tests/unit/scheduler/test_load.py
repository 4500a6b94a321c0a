"""What the load of the last hours is made of, and who may see which part."""

import threading
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.scheduler_tasks import NOON, make_demand, make_new_task
from fakes.scheduler_environment import FrozenClock
from fakes.scheduler_launcher import FakeLauncher
from schedulers.databases import sqlite_database
from tesk_model.errors import InvalidRequestError, ResourceExhaustedError
from tesk_model.states import TaskState
from tesk_model.task import TaskId
from tesk_scheduler.adapters.store.store import SqlTaskStore
from tesk_scheduler.domain.callers import Caller
from tesk_scheduler.domain.dimensions import CPU, QUEUED, RUNNING
from tesk_scheduler.domain.load import (
    WIDTHS,
    IntervalCounts,
    intervals_until,
    queue_lengths,
)
from tesk_scheduler.domain.quota import Limit, Quota
from tesk_scheduler.domain.transitions import admitted, with_state
from tesk_scheduler.ports.quota import FixedQuota
from tesk_scheduler.ports.store import Transaction
from tesk_scheduler.usecases.admin.quota_view import QuotaView
from tesk_scheduler.usecases.admin.taskmasters import Taskmasters
from tesk_scheduler.usecases.load import LoadView
from tesk_scheduler.usecases.notifier import Notifier

ADMIN = Caller("root", admin=True)
ALICE = Caller("alice")
QUOTA = Quota(capacity=Limit(cpu_millis=8000), users={"alice": Limit(running=3)})


@pytest.mark.parametrize("hours", WIDTHS)
@given(seconds=st.integers(0, 10**6))
def test_intervals_follow_one_another_until_now(hours: int, seconds: int) -> None:
    now = NOON + timedelta(seconds=seconds)

    intervals = intervals_until(now, hours)

    assert [each.end for each in intervals[:-1]] == [
        each.start for each in intervals[1:]
    ]
    assert intervals[-1].start <= now < intervals[-1].end
    assert intervals[-1].end - intervals[0].start == timedelta(hours=hours)
    assert intervals_until(intervals[-1].start, hours) == intervals


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9))),
    st.integers(0, 99),
)
def test_the_queue_is_reckoned_back(
    flows: Sequence[tuple[int, int, int]], first: int
) -> None:
    counts, lengths, now = [], [], first + 18 * len(flows)
    for queued, started, unstarted in flows:
        now += queued - started - unstarted
        lengths.append(now)
        counts.append(
            IntervalCounts(queued=queued, started=started, unstarted=unstarted)
        )

    assert queue_lengths(now, counts) == (lengths or [now])


class _Lab:
    """A load, a store below it, and a clock."""

    def __init__(self, folder: Path, launcher: FakeLauncher | None = None) -> None:
        self.store = SqlTaskStore.open(sqlite_database(folder / "tesk.db"))
        self.clock = FrozenClock(NOON)
        self.view = LoadView(
            store=self.store,
            clock=self.clock,
            longest_wait=timedelta(),
            quotas=QuotaView(store=self.store, quotas=FixedQuota(QUOTA)),
            taskmasters=Taskmasters(
                store=self.store,
                launcher=launcher or FakeLauncher(),
                clock=self.clock,
                notifier=Notifier(),
            ),
        )

    def add(self, task_id: str, owner: str, *, cores: int = 1) -> None:
        demand = make_demand(cpu_millis=1000 * cores)
        task = make_new_task(
            task_id, owner=owner, created_at=self.clock.now(), demand=demand
        )
        self.store.write(lambda tx: tx.add_tasks([task]))

    def start(self, task_id: str) -> None:
        def work(tx: Transaction) -> None:
            record = tx.records([TaskId(task_id)])[TaskId(task_id)]
            tx.save(record, admitted(record, "tm-1", self.clock.now()))

        self.store.write(work)

    def cancel(self, task_id: str) -> None:
        def work(tx: Transaction) -> None:
            record = tx.records([TaskId(task_id)])[TaskId(task_id)]
            tx.save(record, with_state(record, TaskState.CANCELED, self.clock.now()))

        self.store.write(work)


@pytest.fixture
def lab(tmp_path: Path) -> _Lab:
    return _Lab(tmp_path)


def test_a_user_sees_what_is_his(lab: _Lab) -> None:
    lab.add("t-1", "alice")
    lab.add("t-2", "bob")
    lab.start("t-1")

    load = lab.view.read(ALICE, 1)

    [own] = load.owners
    assert (own.subject.name, own.used[RUNNING], own.limit[RUNNING]) == ("alice", 1, 3)
    assert load.capacity[CPU] == 8000
    assert sum(counts.queued for _, counts in load.intervals) == 1
    assert load.queue[-1] == 0
    assert load.taskmasters is None
    assert not load.waiting


def test_admins_see_everybody_and_who_uses_most_first(lab: _Lab) -> None:
    for task_id, owner, cores in (("t-1", "a", 1), ("t-2", "b", 4), ("t-3", "c", 1)):
        lab.add(task_id, owner, cores=cores)
    lab.start("t-1")
    lab.start("t-2")

    load = lab.view.read(ADMIN, 0)

    assert [each.subject.name for each in load.owners] == ["", "b", "a", "c"]
    assert load.owners[0].used[QUEUED] == load.queue[-1] == 1
    assert len(load.intervals) == 36
    assert load.taskmasters is not None
    assert [each.tasks for each in load.waiting] == [1]


def test_what_is_over_is_counted_once_and_stays(lab: _Lab) -> None:
    lab.add("t-1", "alice")
    lab.clock.advance(timedelta(minutes=5))
    before = lab.view.read(ALICE, 1)
    lab.cancel("t-1")
    lab.store.write(
        lambda tx: tx.delete_tasks(ended_before=NOON + timedelta(hours=1), limit=9)
    )
    lab.clock.advance(timedelta(seconds=4))

    after = lab.view.read(ALICE, 1)

    assert [counts.queued for _, counts in after.intervals][-4:] == [
        counts.queued for _, counts in before.intervals
    ][-4:]
    assert sum(counts.queued for _, counts in after.intervals) == 1


def test_a_result_is_used_for_some_seconds_by_its_caller_alone(lab: _Lab) -> None:
    first = lab.view.read(ALICE, 6)
    lab.add("t-1", "alice")

    assert lab.view.read(ALICE, 6) is first
    assert lab.view.read(Caller("bob"), 6) is not first
    assert lab.view.read(ALICE, 1) is not first
    lab.clock.advance(timedelta(seconds=4))
    assert lab.view.read(ALICE, 6).owners[0].used[QUEUED] == 1


@pytest.mark.parametrize("hours", [-1, 2, 10**9])
def test_other_hours_are_refused(lab: _Lab, hours: int) -> None:
    with pytest.raises(InvalidRequestError, match="hours"):
        lab.view.read(ALICE, hours)


class _SlowLauncher(FakeLauncher):
    """Tells which taskmasters are alive when ``gate`` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = threading.Semaphore(0)
        self.gate = threading.Event()

    def alive(self) -> Collection[str]:
        self.asked.release()
        self.gate.wait()
        return super().alive()


def test_slow_reads_hold_a_few_threads_alone(tmp_path: Path) -> None:
    launcher = _SlowLauncher()
    lab = _Lab(tmp_path, launcher)
    with ThreadPoolExecutor() as pool:
        reads = [pool.submit(lab.view.read, ADMIN, 6) for _ in range(4)]
        for _ in reads:
            launcher.asked.acquire()
        with pytest.raises(ResourceExhaustedError, match="too many"):
            lab.view.read(ADMIN, 6)
        launcher.gate.set()
        assert all(read.result() for read in reads)

    assert lab.view.read(ADMIN, 6)
