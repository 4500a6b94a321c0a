"""What has begun comes first, and never keeps everything from going on."""

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders.scheduler_tasks import NOON, make_demand
from tesk_model.quantities import ByteCount
from tesk_scheduler.domain.capacity import Capacity, TaskmasterCounts
from tesk_scheduler.domain.dimensions import CPU, RUNNING
from tesk_scheduler.domain.initializing import (
    Commitments,
    InitializingTask,
    with_initializing,
)
from tesk_scheduler.domain.quota import Amounts, Demand, Limit, Usage

LONG = timedelta(minutes=10)
FRESH, STUCK = NOON, NOON - LONG - timedelta(seconds=1)
FILER = 1


def demand(cpu: int) -> Demand:
    """Return what takes cores alone."""
    return make_demand(cpu_millis=cpu, ram=ByteCount(0))


def cluster(most: int, *, used: int = 0, tasks: int = 0) -> Capacity:
    """Return one node, on which tasks take ``used``."""
    return Capacity(
        total=Limit(cpu_millis=most),
        used=Amounts(running=tasks, cpu_millis=used),
        minimum=Demand(cpu_millis=FILER),
        taskmaster=Demand(),
        taskmasters=TaskmasterCounts(count=0, free=10**6, slots=10**6),
        nodes=(Limit(cpu_millis=most),),
    )


def begun(cpu: int, ready_at: datetime, *, moves: bool = False) -> InitializingTask:
    """Return a task that has begun."""
    return InitializingTask(demand=demand(cpu), ready_at=ready_at, moves_inputs=moves)


CASES: dict[str, tuple[int, list[InitializingTask], int]] = {
    "a task whose inputs move for long takes a filer alone": (
        4,
        [begun(6, STUCK, moves=True)],
        4 + FILER,
    ),
    "whose inputs have arrived takes all, whatever others took meanwhile": (
        8,
        [begun(6, FRESH)],
        14,
    ),
    "a stuck task lets others pass while all would fit": (
        4,
        [begun(6, STUCK)],
        4 + FILER,
    ),
    "a stuck task that waits for own tasks does not": (8, [begun(6, STUCK)], 14),
    "a stuck task that is alone lets others pass": (
        0,
        [begun(6, STUCK), begun(7, STUCK)],
        2 * FILER,
    ),
    "a stuck task beside one about to start is not alone": (
        0,
        [begun(6, STUCK), begun(7, FRESH)],
        13,
    ),
    "a task without a node any more holds up no other": (
        8,
        [begun(11, STUCK)],
        8 + FILER,
    ),
}


@pytest.mark.parametrize(("running", "tasks", "want"), CASES.values(), ids=CASES)
def test_initializing_tasks_take(
    running: int, tasks: list[InitializingTask], want: int
) -> None:
    count = 1 if running else 0
    commitments = Commitments(
        counted=Usage(running=count, cpu_millis=running), initializing=tasks
    )

    found = with_initializing(
        cluster(10, used=running, tasks=count), commitments, stuck_since=NOON - LONG
    )

    assert found.used[CPU] == want
    assert found.used[RUNNING] == count + len(tasks)


@dataclass(eq=False)
class Task:
    """A task; its executor starts when its inputs are there and a node has room."""

    cpu: int
    admitted_at: datetime
    arrived_at: datetime | None = None
    runs: bool = False


@dataclass
class World:
    """A node, of which others' pods take some, and tasks that come without end."""

    most: int
    seed: int
    others: int = 0
    now: datetime = NOON
    tasks: list[Task] = field(default_factory=list)
    ended: int = 0

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)  # noqa: S311 - a simulation

    def used(self) -> float:
        """What admission counts."""
        old = self.now - LONG
        listed = [t for t in self.tasks if not t.runs and t.admitted_at < old]
        counted = [max(t.cpu, FILER) for t in self.tasks if t not in listed]
        commitments = Commitments(
            counted=Usage(running=len(counted), cpu_millis=sum(counted)),
            initializing=[
                begun(t.cpu, t.arrived_at or t.admitted_at, moves=not t.arrived_at)
                for t in listed
            ],
        )
        room = cluster(self.most, used=sum(counted), tasks=len(counted))
        return with_initializing(room, commitments, stuck_since=old).used[CPU]

    def admit(self, cpu: int) -> None:
        """Admit one more task if admission has room for it."""
        if self.used() + max(cpu, FILER) <= self.most:
            self.tasks.append(Task(cpu, self.now))

    def bind(self) -> None:
        """Start executors in any order, as Kubernetes does: whatever fits."""
        free = self.most - self.others - sum(t.cpu for t in self.tasks if t.runs)
        waiting = [t for t in self.tasks if t.arrived_at and not t.runs]
        for task in self.chance.sample(waiting, len(waiting)):
            if task.cpu <= free:
                task.runs = True
                free -= task.cpu

    def end_one(self) -> None:
        """Let something that runs end."""
        if running := [t for t in self.tasks if t.runs]:
            self.tasks.remove(self.chance.choice(running))
            self.ended += 1

    def step(self, cpus: list[int]) -> None:
        """Let time pass: some inputs arrive, something ends, more comes."""
        self.now += timedelta(minutes=self.chance.randrange(1, 20))
        for task in self.tasks:
            if not task.arrived_at and self.chance.random() < 0.2:
                task.arrived_at = self.now
        self.bind()
        self.end_one()
        self.bind()
        for cpu in cpus:
            self.admit(cpu)


STEPS = st.lists(st.lists(st.integers(0, 10), max_size=5), min_size=1, max_size=60)
SEEDS = st.integers(0, 2**32)


@settings(deadline=None)
@given(STEPS, SEEDS)
def test_a_task_is_not_passed_by_later_ones_after_its_inputs_arrived(
    steps: list[list[int]], seed: int
) -> None:
    world = World(most=10, seed=seed)

    for cpus in steps:
        world.step(cpus)
        waiting = [t for t in world.tasks if t.arrived_at and not t.runs]
        for task in waiting:
            came_later = [
                t for t in world.tasks if t.admitted_at >= (task.arrived_at or NOON)
            ]
            assert not came_later
        assert sum(t.cpu for t in world.tasks if t.runs) <= world.most

    for _ in range(200):  # and no task waits for ever
        world.step([])
    assert not world.tasks


@settings(deadline=None)
@given(SEEDS, st.integers(1, 9))
def test_tasks_go_on_ending_on_a_node_that_others_fill(seed: int, others: int) -> None:
    world = World(most=10, seed=seed)
    world.step([10 - others + 1] * 3)  # none of these will ever find room
    world.others = others

    for _ in range(300):
        world.step([1, 1])

    assert world.ended > 20
