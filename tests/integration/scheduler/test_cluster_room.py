"""A burst on a small cluster: what runs is what the cluster holds, and all ends."""

import logging
from collections.abc import Sequence

import pytest

from builders.scheduler_tasks import make_demand, make_new_task
from fakes.scheduler_environment import FrozenClock
from fakes.scheduler_launcher import FakeLauncher
from schedulers.stepped import SteppedSchedulers
from tesk_model.quantities import GIB, ByteCount
from tesk_model.states import TaskState
from tesk_model.task import TaskId
from tesk_scheduler.adapters.store.store import SqlTaskStore
from tesk_scheduler.domain.capacity import OwnPods
from tesk_scheduler.domain.quota import Amounts, Limit
from tesk_scheduler.domain.transitions import with_state
from tesk_scheduler.ports.cluster import Nodes
from tesk_scheduler.ports.store import Transaction


class SmallCluster:
    """Has one node for two tasks of a tenth of a core, each with its taskmaster."""

    def __init__(self) -> None:
        self.rooms: Sequence[Limit] | None = [
            Limit(cpu_millis=300, ram=8 * GIB, running=20)
        ]

    def nodes(self, _reserve: Amounts, /) -> Nodes | None:
        return None if self.rooms is None else Nodes(self.rooms)

    def bound(self) -> Limit:
        return Limit()

    def problem(self) -> str:
        return "nodes is forbidden"

    def own_pods(self) -> OwnPods:
        small = make_demand(cpu_millis=25, ram=ByteCount(GIB))
        return OwnPods(taskmaster=small, filer=small)


@pytest.fixture
def cluster() -> SmallCluster:
    """Return a cluster whose node is empty."""
    return SmallCluster()


@pytest.fixture
def stepped(store: SqlTaskStore, cluster: SmallCluster) -> SteppedSchedulers:
    """Prepare; nothing runs by itself. A taskmaster takes one task."""
    clock = FrozenClock()
    return SteppedSchedulers(
        store=store, launcher=FakeLauncher(), clock=clock, cluster=cluster
    )


def in_progress(stepped: SteppedSchedulers, count: int) -> list[str]:
    """List the tasks that have a taskmaster."""
    names = [f"t-{number}" for number in range(1, count + 1)]
    return [
        name for name in names if stepped.record(name).state is TaskState.INITIALIZING
    ]


def end(stepped: SteppedSchedulers, name: str) -> None:
    """Let a task end, and its taskmaster go."""

    def write(tx: Transaction) -> None:
        (record,) = tx.records([TaskId(name)]).values()
        ended = with_state(record, TaskState.SYSTEM_ERROR, stepped.clock.now())
        tx.save(record, ended.replaced(released=True))
        tx.remove_taskmaster(record.taskmaster or "", only_idle=False)

    stepped.store.write(write)


def test_taskmasters_are_started_for_what_can_run(stepped: SteppedSchedulers) -> None:
    leader = stepped.scheduler()
    stepped.add(*(f"t-{number}" for number in range(1, 31)))

    for ended in range(30):
        leader.reconcile()
        assert in_progress(stepped, 30) == [f"t-{n + 1}" for n in range(ended, 30)][:2]
        assert len(stepped.store.fleet()) <= 2
        stepped.wait(2)
        end(stepped, f"t-{ended + 1}")

    assert len(stepped.launcher.launched) == 30


def test_the_reason_names_the_cluster(stepped: SteppedSchedulers) -> None:
    leader = stepped.scheduler()
    stepped.add("t-1", "t-2", "t-3")

    leader.reconcile()

    assert stepped.record("t-3").reason.text == (
        "waiting for room in the cluster: 0.125 cpu needed, 0.05 free"
    )


def test_a_node_that_comes_is_used_at_once(
    stepped: SteppedSchedulers, cluster: SmallCluster
) -> None:
    leader = stepped.scheduler()
    stepped.add("t-1", "t-2", "t-3")
    leader.reconcile()

    cluster.rooms = [*(cluster.rooms or ()), *(cluster.rooms or ())]
    for name, held in (("tm-1", "t-1"), ("tm-2", "t-2")):
        stepped.call(name, held)  # only then another is started
    leader.reconcile()

    assert in_progress(stepped, 3) == ["t-1", "t-2", "t-3"]


def test_a_task_without_a_node_holds_up_others_for_a_while_only(
    stepped: SteppedSchedulers,
) -> None:
    leader = stepped.scheduler()
    stepped.add("t-1", "t-2", "t-3")
    leader.reconcile()

    stepped.wait(601)
    for name in ("tm-1", "tm-2"):
        stepped.call(name, slots=1)
    leader.reconcile()

    assert in_progress(stepped, 3) == ["t-1", "t-2", "t-3"]


def test_a_cluster_that_says_nothing_gets_the_tasks_of_one_taskmaster(
    stepped: SteppedSchedulers, cluster: SmallCluster, caplog: pytest.LogCaptureFixture
) -> None:
    cluster.rooms = None
    leader = stepped.scheduler()
    stepped.add("t-1", "t-2", "t-3")

    with caplog.at_level(logging.WARNING):
        leader.reconcile()
        leader.reconcile()

    assert in_progress(stepped, 3) == ["t-1"]
    (said,) = [each for each in caplog.records if "unknown" in each.message]
    assert "no more than 1 tasks" in said.message


def test_tasks_too_large_for_any_node_do_not_hide_later_ones(
    stepped: SteppedSchedulers,
) -> None:
    leader = stepped.scheduler()
    large = make_demand(cpu_millis=500)
    tasks = [make_new_task(f"l-{number}", demand=large) for number in range(300)]
    stepped.store.write(lambda tx: tx.add_tasks(tasks))
    stepped.add("t-1")

    for _ in range(10):
        leader.reconcile()
        stepped.wait(2)

    assert stepped.record("t-1").state is TaskState.INITIALIZING
    assert stepped.record("l-299").reason.text.startswith("waiting for a larger node")
