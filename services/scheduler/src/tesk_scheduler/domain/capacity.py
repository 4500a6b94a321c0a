"""Computes the capacity of a cluster for the pods of tasks and taskmasters.

A task in progress needs one pod at a time, a filer's or an executor's, so it
counts for the larger of the two. Taskmasters count as they are, and the next
one with the task that needs it. So TESK's own pods never take the capacity of
the tasks that they serve: tasks go on ending under any burst.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from math import inf

from tesk_model.reasons import Reason, ReasonCode
from tesk_model.waits import WaitDetails, WaitScope
from tesk_scheduler.domain.dimensions import DIMENSIONS, GPU, RUNNING
from tesk_scheduler.domain.quota import NO_LIMIT, Amounts, Demand, Limit, Usage

_ON_NODES = tuple(each for each in DIMENSIONS if each.resource and each is not RUNNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnPods:
    """The resource requests of TESK's own pods."""

    taskmaster: Demand
    filer: Demand


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskmasterCounts:
    """The number of taskmasters and of their slots.

    Attributes:
        count: All of them.
        free: Slots of theirs without a task.
        slots: Slots of a new one.
    """

    count: int
    free: int
    slots: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuCapacity:
    """GPUs of one type in a cluster.

    Attributes:
        total: All of them.
        used: By tasks that ask for this type.
        nodes: As of ``Capacity``; None if it is not known which have them.
    """

    total: float
    used: float
    nodes: tuple[Limit, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """The capacity of a cluster, as one plan of admissions counts it.

    Attributes:
        total: What all pods of TESK may take.
        used: What the pods of tasks in progress and of taskmasters take.
        minimum: A task counts for no less than this.
        taskmaster: What another taskmaster takes.
        taskmasters: Those there are.
        nodes: What each node has for one task; None if that is not known.
        gpu_types: GPUs by type, of the types that are known.
    """

    total: Limit
    used: Amounts
    minimum: Demand
    taskmaster: Demand
    taskmasters: TaskmasterCounts
    nodes: tuple[Limit, ...] | None
    gpu_types: Mapping[str, GpuCapacity] = field(default_factory=dict)

    def misfit(self, demand: Demand, gpu_type: str = "") -> Reason | None:
        """Return why not even an empty cluster could run a task; None if it could.

        While there is no node at all this is not known: all wait, in their order.

        Args:
            demand: Of the task.
            gpu_type: Of the GPUs that it asks for; "" for any, or none.
        """
        if not self.nodes:
            return None
        asked = demand.at_least(self.minimum)
        gpus = self.gpu_types.get(gpu_type)
        nodes = self.nodes if gpus is None or gpus.nodes is None else gpus.nodes
        if any(asked.fits(node) for node in nodes):
            return None
        return _misfit_reason(asked, nodes, gpu_type)


def _misfit_reason(asked: Amounts, nodes: Sequence[Limit], gpu_type: str) -> Reason:
    code = ReasonCode.NODES_TOO_SMALL
    gpus = f"GPUs of type {gpu_type}" if gpu_type else ""
    which, more = (f" with {gpus}", f" and {gpus}") if gpus else ("", "")
    for each in dict.fromkeys((GPU, *_ON_NODES)) if gpu_type else _ON_NODES:
        largest = max(0, *(node[each] for node in nodes), 0)
        if asked[each] > largest:
            needs, most = map(each.unit.format, (asked[each], largest))
            text = (
                f"waiting for a larger node{which}: {needs} {each.noun} needed,"
                f" the largest has {most} for a task"
            )
            details = WaitDetails(
                scope=WaitScope.NODE,
                dimension=each.setting,
                limit=each.unit.number(largest),
                needed=each.unit.number(asked[each]),
                remedy=f"starts when a node with {needs} {each.noun}{more} is there",
            )
            return Reason(code, text, details)
    details = WaitDetails(
        scope=WaitScope.NODE,
        remedy="starts when a node is there that has enough of everything at once",
    )
    text = f"waiting for a larger node{which}: none has enough of everything"
    return Reason(code, text, details)


def cluster_capacity(
    nodes: Sequence[Limit] | None,
    *,
    given: Limit,
    bound: Limit,
    own: OwnPods,
    taskmasters: TaskmasterCounts,
    committed: Usage,
) -> Capacity:
    """Return the capacity of a cluster.

    Args:
        nodes: Those on which tasks may run; None if they are not known: then no
            more is admitted than one taskmaster can have, unless ``given``
            sets the capacity.
        given: The capacity by the settings, which replaces what was found.
        bound: The most that all pods may take in any case; ``running`` counts pods.
        own: What TESK's own pods request.
        taskmasters: Those there are.
        committed: What the largest pods of the tasks in progress take.
    """
    total = _with_settings(_found(nodes, given, taskmasters), given).at_most(bound)
    return Capacity(
        total=total,
        used=committed.plus(own.taskmaster, times=taskmasters.count),
        minimum=own.filer,
        taskmaster=own.taskmaster,
        taskmasters=taskmasters,
        nodes=None if nodes is None else _for_one(nodes, total, own.taskmaster),
    )


def count_fitting(nodes: Sequence[Limit], demand: Demand, own: OwnPods) -> int:
    """Count the nodes that would have room for a task if nothing else ran.

    Args:
        nodes: Those on which it may run.
        demand: Of the task.
        own: What TESK's own pods request: its taskmaster may be on the same node.
    """
    asked = demand.at_least(own.filer)
    rooms = (_room_of(node, own.taskmaster) for node in nodes)
    return sum(1 for room in rooms if asked.fits(room))


def with_gpu_types(
    capacity: Capacity,
    nodes: Mapping[str, Sequence[Limit]],
    *,
    given: Mapping[str, float],
    used: Mapping[str, float],
) -> Capacity:
    """Return ``capacity`` with what there is of each type of GPU.

    Args:
        capacity: Of the cluster.
        nodes: By type, those that have such GPUs; of all types that are known.
        given: GPUs by type by the settings, which replace what was found.
        used: What tasks in progress take, by type.
    """
    found = {name: sum(max(node[GPU], 0) for node in nodes[name]) for name in nodes}
    return replace(
        capacity,
        gpu_types={
            name: GpuCapacity(
                total=total,
                used=used.get(name, 0),
                nodes=_for_one(nodes[name], capacity.total, capacity.taskmaster)
                if name in nodes
                else None,
            )
            for name, total in (found | dict(given)).items()
        },
    )


def is_known(given: Limit) -> bool:
    """Tell whether the settings give every amount that each task needs of nodes."""
    return all(
        given[each] < inf
        for each in _ON_NODES
        if each.field and not each.field.may_be_none
    )


def _found(
    nodes: Sequence[Limit] | None, given: Limit, taskmasters: TaskmasterCounts
) -> Limit:
    if nodes is not None:
        none = Limit(**{each.column: 0 for each in (RUNNING, *_ON_NODES)})
        # The deficit of an overcommitted node is not taken from the others.
        return reduce(lambda room, each: room.plus(each.at_least(none)), nodes, none)
    if is_known(given):
        return NO_LIMIT
    return Limit(running=taskmasters.slots + 1)  # the pod of the one taskmaster


def _for_one(
    nodes: Sequence[Limit], total: Limit, taskmaster: Demand
) -> tuple[Limit, ...]:
    """Return what each node would have for one task, if nothing else ran.

    Its taskmaster may be on the same node: Kubernetes chooses.
    """
    rooms = (_room_of(each.at_most(total), taskmaster) for each in nodes)
    return tuple(dict.fromkeys(rooms))


def _room_of(node: Limit, taskmaster: Demand) -> Limit:
    return node.at_least(Amounts()).plus(taskmaster, times=-1)


def _with_settings(found: Limit, given: Limit) -> Limit:
    """Replace what the settings give; their ``running`` counts tasks, not pods."""
    return found.replaced_by(Limit(**{**given.named(), "running": None}))
