"""What a cluster can hold, and what the pods take that run a task.

A task in progress needs one pod at a time, a filer's or an executor's, so it
counts for the larger of the two. Taskmasters count as they are, and the next
one with the task that needs it. So TESK's own pods never take the room of the
tasks that they are there for: with any burst tasks go on ending.
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
    """What TESK's own pods ask for."""

    taskmaster: Demand
    filer: Demand


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskmasterCounts:
    """The taskmasters there are.

    Attributes:
        count: All of them.
        free: Tasks that they can still be given.
        slots: Tasks that a new one takes.
    """

    count: int
    free: int
    slots: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """The room of a cluster, as one plan of admissions counts it.

    Attributes:
        most: What all pods of TESK may take.
        used: What those of tasks in progress and of taskmasters take.
        least: A task counts for no less than this.
        taskmaster: What another taskmaster takes.
        staff: Those there are.
        nodes: What each node has for one task; None if that is not known.
    """

    most: Limit
    used: Amounts
    least: Demand
    taskmaster: Demand
    staff: TaskmasterCounts
    nodes: tuple[Limit, ...] | None

    def misfit(self, demand: Demand) -> Reason | None:
        """Say why not even an empty cluster could run a task; None if one could.

        While there is no node at all nobody knows: all wait, and in their order.
        """
        if not self.nodes:
            return None
        asked = demand.at_least(self.least)
        if any(asked.fits(node) for node in self.nodes):
            return None
        return Reason(ReasonCode.NODES_TOO_SMALL, self._misfit_text(asked))

    def _misfit_text(self, asked: Amounts) -> str:
        for each in _ON_NODES:
            largest = max(0, *(node[each] for node in self.nodes or ()))
            if asked[each] > largest:
                needs, most = map(each.unit.text, (asked[each], largest))
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
    staff: TaskmasterCounts,
    committed: Usage,
) -> Capacity:
    """Return the room of a cluster.

    Args:
        nodes: Those on which tasks may run; None if that is not known: then no
            more is admitted than one taskmaster can have, unless ``given``
            says what there is.
        given: What the settings say that there is, in place of what was found.
        bound: What all pods may take whatever there is; ``running`` counts pods.
        own: What TESK's own pods ask for.
        staff: The taskmasters.
        committed: What the largest pods of the tasks in progress take.
    """
    most = _overlaid(_found(nodes, given, staff), given).at_most(bound)
    return Capacity(
        most=most,
        used=committed.plus(own.taskmaster, times=staff.count),
        least=own.filer,
        taskmaster=own.taskmaster,
        staff=staff,
        nodes=None if nodes is None else _for_one(nodes, most, own.taskmaster),
    )


def is_known(given: Limit) -> bool:
    """Tell whether the settings say all that every task needs of nodes."""
    return all(
        given[each] < inf
        for each in _ON_NODES
        if each.field and not each.field.may_be_none
    )


def _found(
    nodes: Sequence[Limit] | None, given: Limit, staff: TaskmasterCounts
) -> Limit:
    if nodes is not None:
        none = Limit(**{each.column: 0 for each in (RUNNING, *_ON_NODES)})
        # What is missing on a node that is too full is not taken from others.
        return reduce(lambda room, each: room.plus(each.at_least(none)), nodes, none)
    if is_known(given):
        return NO_LIMIT
    return Limit(running=staff.slots + 1)  # the pod of the one taskmaster


def _for_one(
    nodes: Sequence[Limit], most: Limit, taskmaster: Demand
) -> tuple[Limit, ...]:
    """Return what each node would have for one task, if nothing else ran.

    Its taskmaster may be on the same one: that is for Kubernetes to choose.
    """
    rooms = (each.at_least(Amounts()).at_most(most) for each in nodes)
    return tuple(dict.fromkeys(room.plus(taskmaster, times=-1) for room in rooms))


def _overlaid(found: Limit, given: Limit) -> Limit:
    """Put what the settings give in place; ``running`` there counts tasks, not pods."""
    return found.replaced_by(Limit(**{**given.named(), "running": None}))
