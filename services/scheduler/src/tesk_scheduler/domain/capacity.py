"""Computes the capacity of a cluster for the pods of tasks and taskmasters.

A task in progress needs one pod at a time, a filer's or an executor's, so it
counts for the larger of the two. Taskmasters count as they are, and the next
one with the task that needs it. So TESK's own pods never take the capacity of
the tasks that they serve: tasks go on ending under any burst.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from math import inf

from tesk_model.reasons import Reason, ReasonCode
from tesk_scheduler.domain.dimensions import DIMENSIONS, RUNNING
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
class Capacity:
    """The capacity of a cluster, as one plan of admissions counts it.

    Attributes:
        total: What all pods of TESK may take.
        used: What the pods of tasks in progress and of taskmasters take.
        minimum: A task counts for no less than this.
        taskmaster: What another taskmaster takes.
        taskmasters: Those there are.
        nodes: What each node has for one task; None if that is not known.
    """

    total: Limit
    used: Amounts
    minimum: Demand
    taskmaster: Demand
    taskmasters: TaskmasterCounts
    nodes: tuple[Limit, ...] | None

    def misfit(self, demand: Demand) -> Reason | None:
        """Return why not even an empty cluster could run a task; None if it could.

        While there is no node at all this is not known: all wait, in their order.
        """
        if not self.nodes:
            return None
        asked = demand.at_least(self.minimum)
        if any(asked.fits(node) for node in self.nodes):
            return None
        return Reason(ReasonCode.NODES_TOO_SMALL, self._misfit_text(asked))

    def _misfit_text(self, asked: Amounts) -> str:
        for each in _ON_NODES:
            largest = max(0, *(node[each] for node in self.nodes or ()))
            if asked[each] > largest:
                needs, most = map(each.unit.format, (asked[each], largest))
                return (
                    f"waiting for a larger node: {needs} {each.noun} needed,"
                    f" the largest has {most} for a task"
                )
        return "waiting for a larger node: none has enough of everything"


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
    rooms = (each.at_least(Amounts()).at_most(total) for each in nodes)
    return tuple(dict.fromkeys(room.plus(taskmaster, times=-1) for room in rooms))


def _with_settings(found: Limit, given: Limit) -> Limit:
    """Replace what the settings give; their ``running`` counts tasks, not pods."""
    return found.replaced_by(Limit(**{**given.named(), "running": None}))
