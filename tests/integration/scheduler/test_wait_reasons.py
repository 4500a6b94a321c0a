"""What is stored about why a task waits is what holds now, or nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from builders.scheduler_tasks import make_demand, make_new_task, make_reading
from fakes.scheduler_environment import FrozenClock
from fakes.scheduler_launcher import FakeLauncher
from schedulers.stepped import SteppedSchedulers
from tesk_model.reasons import Reason, ReasonCode
from tesk_model.task import TaskId, TaskView
from tesk_scheduler.adapters.store.engines import sqlite_url
from tesk_scheduler.adapters.store.store import SqlTaskStore
from tesk_scheduler.domain.callers import Caller
from tesk_scheduler.domain.quota import EVERYBODY, Limit, Order, Quota
from tesk_scheduler.domain.records import StoredTask
from tesk_scheduler.usecases.admin.holding import Holding
from tesk_scheduler.usecases.notifier import LeaderWakeup
from tesk_scheduler.usecases.reading import ReadRequest


def cores(count: int, *, order: Order = Order.BEST_EFFORT) -> Quota:
    """Return a quota that lets everyone have so many cores."""
    return Quota(users={"*": Limit(cpu_millis=1000 * count)}, order=order)


@pytest.fixture
def schedulers(tmp_path: Path) -> Iterator[SteppedSchedulers]:
    """Return schedulers under which one task of alice uses 4 of her 8 cores."""
    store = SqlTaskStore.open(sqlite_url(tmp_path / "tesk.db"))
    stepped = SteppedSchedulers(
        store=store, launcher=FakeLauncher(), clock=FrozenClock(), quota=cores(8)
    )
    add(stepped, "runs", cpu=4)
    yield stepped
    store.close()


def add(
    schedulers: SteppedSchedulers, *ids: str, cpu: int = 6, priority: int = 0
) -> None:
    demand = make_demand(cpu_millis=1000 * cpu)
    tasks = [make_new_task(each, demand=demand, priority=priority) for each in ids]
    schedulers.store.write(lambda tx: tx.add_tasks(tasks))


def texts(schedulers: SteppedSchedulers, *ids: str) -> list[str]:
    return [schedulers.record(each).reason.text for each in ids]


FULL = "alice: 4 of 8 cpu in use, 6 needed"
NEVER = "can never run: resources.cpu_cores: 6 exceeds the 5 cores that alice may use"


def test_a_limit_that_is_raised_again_leaves_no_word_behind(
    schedulers: SteppedSchedulers,
) -> None:
    leader = schedulers.scheduler()
    add(schedulers, "t-1", "t-2", "t-3")
    told = []
    for limit in (8, 5, 8):
        schedulers.quota = cores(limit)
        schedulers.wait(2)
        leader.reconcile()
        told.append(texts(schedulers, "t-1", "t-2", "t-3"))

    assert told == [[FULL, "", ""], [NEVER] * 3, [FULL, "", ""]]


def test_another_leader_clears_what_it_does_not_find(
    schedulers: SteppedSchedulers,
) -> None:
    schedulers.quota = cores(5)
    add(schedulers, "t-1", "t-2")
    schedulers.scheduler().reconcile()
    schedulers.quota = cores(8)
    schedulers.wait(2)

    schedulers.scheduler().reconcile()

    assert texts(schedulers, "t-1", "t-2") == [FULL, ""]


def test_in_strict_order_only_the_first_has_a_reason(
    schedulers: SteppedSchedulers,
) -> None:
    leader = schedulers.scheduler()
    add(schedulers, "t-1")
    add(schedulers, "t-2", cpu=5)
    leader.reconcile()
    before = texts(schedulers, "t-1", "t-2")
    schedulers.quota = cores(8, order=Order.STRICT)
    schedulers.wait(2)

    leader.reconcile()

    assert all(before)
    assert texts(schedulers, "t-1", "t-2") == [FULL, ""]


def test_a_task_that_another_came_before_has_no_reason_of_its_own(
    schedulers: SteppedSchedulers,
) -> None:
    leader = schedulers.scheduler()
    add(schedulers, "t-1")
    leader.reconcile()
    add(schedulers, "t-2", priority=100)
    schedulers.wait(2)

    leader.reconcile()

    assert texts(schedulers, "t-1", "t-2") == ["", FULL]


def test_what_a_former_leader_stored_late_is_corrected(
    schedulers: SteppedSchedulers,
) -> None:
    first = schedulers.scheduler(exclusive=False)
    add(schedulers, "t-1", "t-2")
    first.reconcile()
    schedulers.wait(60)
    schedulers.scheduler(exclusive=False).reconcile()
    wrong = {TaskId("t-2"): Reason(ReasonCode.LIMIT_EXCEEDED, NEVER)}
    schedulers.store.write(lambda tx: tx.set_reasons(wrong, now=schedulers.clock.now()))
    schedulers.wait(60)

    first.reconcile()

    assert texts(schedulers, "t-1", "t-2") == [FULL, ""]


def test_tasks_that_are_released_say_at_once_where_they_stand(
    schedulers: SteppedSchedulers,
) -> None:
    store, clock = schedulers.store, schedulers.clock
    holding = Holding(store=store, clock=clock, leader=LeaderWakeup())
    schedulers.scheduler().reconcile()
    holding.put("ada", EVERYBODY, "upgrade at noon", dry_run=False)
    add(schedulers, "t-1", "t-2")
    schedulers.wait(2)
    schedulers.scheduler().reconcile()
    held = texts(schedulers, "t-1", "t-2")

    holding.remove("ada", EVERYBODY, dry_run=False)

    wanted = [
        ReadRequest(Caller("alice"), TaskId(each), TaskView.FULL)
        for each in ("t-1", "t-2")
    ]
    found = make_reading(store, clock).read(wanted)
    assert held == ["all tasks are held by an operator: upgrade at noon"] * 2
    assert [task.reason.text for task in found if isinstance(task, StoredTask)] == [
        "waiting for admission",
        "waiting behind 1 task of alice",
    ]


def test_thousands_of_reasons_are_cleared_in_pieces(
    schedulers: SteppedSchedulers,
) -> None:
    ids = [f"t-{number}" for number in range(1001)]
    add(schedulers, *ids)
    schedulers.quota = cores(5)
    leader = schedulers.scheduler()
    for _ in range(12):
        schedulers.wait(2)
        leader.reconcile()
    told = len(schedulers.store.explained())
    schedulers.quota = cores(8)
    schedulers.wait(2)

    leader.reconcile()

    assert told == 1001
    assert schedulers.store.explained() == [TaskId("t-0")]
