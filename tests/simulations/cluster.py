"""A cluster that runs tasks, as admission and Kubernetes see it, step by step.

Kubernetes is as unkind as it may be: it looks at waiting pods in any order,
and puts each on any node that has room for what it asks.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import reduce

from builders.scheduler_tasks import NOON
from simulations.machine import Machine
from tesk_model.quantities import ByteCount
from tesk_model.reasons import ReasonCode
from tesk_scheduler.domain.admission import plan_admissions
from tesk_scheduler.domain.capacity import (
    Capacity,
    OwnPods,
    TaskmasterCounts,
    cluster_capacity,
)
from tesk_scheduler.domain.fleet import (
    FleetLimits,
    Taskmaster,
    plan_placements,
    startable,
)
from tesk_scheduler.domain.queues import QueuedTask
from tesk_scheduler.domain.quota import Amounts, Demand, Limit, Quota, Usage

_NO_DEMAND = Demand(cpu_millis=0, ram=ByteCount(0), disk=ByteCount(0))


@dataclass(eq=False, kw_only=True)
class Pod:
    """A pod; ``node`` is None while it waits for one."""

    asks: Demand
    node: int | None = None


@dataclass(eq=False, kw_only=True)
class Member:
    """A taskmaster with its tasks, each with the pods that are still to come."""

    revision: str
    pod: Pod
    tasks: dict[QueuedTask, list[Pod]] = field(default_factory=dict)


@dataclass(kw_only=True)
class Cluster:
    """Nodes, taskmasters and tasks."""

    nodes: Sequence[Limit]
    own: OwnPods
    slots: int
    seed: int
    machine: Machine = field(default_factory=lambda: Machine(quota=Quota()))
    revision: str = "r0"
    members: list[Member] = field(default_factory=list)
    ended: int = 0
    misfits: dict[str, str] = field(default_factory=dict)
    chance: random.Random = field(init=False)

    def __post_init__(self) -> None:
        """Let chance be the same for the same seed."""
        self.chance = random.Random(self.seed)  # noqa: S311 - a simulation

    def submit(self, owner: str, demand: Demand) -> None:
        self.machine.submit(owner, demand)

    @property
    def waiting(self) -> int:
        """Tasks that neither ended nor can never run."""
        queued = sum(len(queue) for queue in self.machine.queues.values())
        return queued + self._in_progress() - len(self.misfits)

    def capacity(self) -> Capacity:
        least = self.own.filer
        tasks = [task for member in self.members for task in member.tasks]
        largest = (task.demand.at_least(least) for task in tasks)
        committed = reduce(Usage.plus, largest, Usage())
        return cluster_capacity(
            self.nodes,
            given=Limit(),
            bound=Limit(),
            own=self.own,
            taskmasters=TaskmasterCounts(
                count=len(self.members),
                free=sum(each.free for each in self._fleet()),
                slots=self.slots,
            ),
            committed=committed,
        )

    def admit(self) -> None:
        """Do what the leader does in a round."""
        plan = plan_admissions(
            queues=[queue for queue in self.machine.queues.values() if queue],
            usage={},
            quota=self.machine.quota,
            now=self.machine.now,
            memory=self.machine.memory,
            cluster=self.capacity(),
        )
        self.machine.memory = plan.memory
        self.misfits = {
            task_id: reason.text
            for task_id, reason in plan.reasons.items()
            if reason.code in (ReasonCode.NODES_NOT_READY, ReasonCode.NODES_TOO_SMALL)
        }
        limits = FleetLimits(
            taskmasters=50,
            tasks_per_taskmaster=self.slots,
            start_timeout=timedelta(1),
            takeovers=5,
        )
        fleet = self._fleet()
        more = startable(fleet, limits, self.revision)
        limits = replace(limits, taskmasters=len(fleet) + more)
        new: dict[int, Member] = {}
        places = plan_placements(len(plan.admitted), fleet, limits)
        for task, place in zip(plan.admitted, places, strict=False):
            if isinstance(place, str):
                member = self.members[int(place)]
            else:
                if place not in new:
                    pod = Pod(asks=self.own.taskmaster)
                    new[place] = Member(revision=self.revision, pod=pod)
                member = new[place]
            self.machine.queues[task.owner].remove(task)
            member.tasks[task] = self._steps(task)
        self.members += new.values()

    def bind(self) -> list[Pod]:
        """Give pods nodes, in any order; return those that find none."""
        pods = [pod for pod in self.pods() if pod.node is None]
        self.chance.shuffle(pods)
        for pod in pods:
            fitting = [
                number
                for number, node in enumerate(self.nodes)
                if _holds(node, [pod.asks, *self._on(number)])
            ]
            pod.node = self.chance.choice(fitting) if fitting else None
        return [pod for pod in pods if pod.node is None]

    def finish_a_step(self) -> bool:
        """Let any pod of a task end; return False if none runs."""
        running = [
            (member, task)
            for member in self.members
            if member.pod.node is not None
            for task, steps in member.tasks.items()
            if steps[0].node is not None
        ]
        if not running:
            return False
        member, task = self.chance.choice(running)
        member.tasks[task].pop(0)
        if not member.tasks[task]:
            del member.tasks[task]
            self.ended += 1
        return True

    def dismiss(self, *, idle: bool) -> bool:
        """Send those away that have nothing: of old revisions, and the idle."""
        staying = [
            member
            for member in self.members
            if member.tasks or (member.revision == self.revision and not idle)
        ]
        went = len(staying) < len(self.members)
        self.members = staying
        return went

    def pods(self) -> Iterator[Pod]:
        """Give all pods that there are now: a task has one at a time."""
        for member in self.members:
            yield member.pod
            for steps in member.tasks.values():
                yield steps[0]

    def _steps(self, task: QueuedTask) -> list[Pod]:
        pods = [Pod(asks=task.demand)]
        if self.chance.random() < 0.5:
            pods = [Pod(asks=self.own.filer), *pods, Pod(asks=self.own.filer)]
        return pods

    def _fleet(self) -> list[Taskmaster]:
        return [
            Taskmaster(
                id=str(number),
                slots=self.slots if member.revision == self.revision else 0,
                assigned=len(member.tasks),
                lease_until=NOON,
                seen=True,
                started_at=NOON + timedelta(seconds=number),
                revision=member.revision,
            )
            for number, member in enumerate(self.members)
        ]

    def _on(self, number: int) -> list[Demand]:
        return [pod.asks for pod in self.pods() if pod.node == number]

    def _in_progress(self) -> int:
        return sum(len(member.tasks) for member in self.members)


def _holds(node: Limit, asked: Sequence[Demand]) -> bool:
    return reduce(Amounts.plus, asked, Amounts()).fits(node)
