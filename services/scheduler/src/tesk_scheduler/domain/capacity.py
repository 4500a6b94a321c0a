"""What a cluster can hold, and what the pods take that run a task.

A task in progress needs one pod at a time, a filer's or an executor's, so it
counts for the larger of the two. Taskmasters count as they are, and the next
one with the task that needs it. So TESK's own pods never take the room of the
tasks that they are there for: with any burst tasks go on ending.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

from tesk_model.reasons import Reason, ReasonCode
from tesk_scheduler.domain.limits import (
    Amount,
    Amounts,
    amount_words,
    demanded_amounts,
    limit_amounts,
    used_amounts,
)
from tesk_scheduler.domain.quota import Demand, Limit, Usage

_NOUNS = {Amount.CPU: "cpu", Amount.RAM: "memory"}


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRoom:
    """What one node has for TESK's pods, whether they are there or not."""

    cpu_millis: int
    ram: int
    pods: int

    @property
    def amounts(self) -> Amounts:
        """The same by Amount; a node says nothing of disk.

        What is missing on a node that is too full is not taken from others.
        """
        return Amounts(
            max(0, self.pods), max(0, self.cpu_millis), max(0, self.ram), inf
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnPods:
    """What TESK's own pods ask for."""

    taskmaster: Demand
    filer: Demand


@dataclass(frozen=True, slots=True, kw_only=True)
class Staff:
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

    most: Amounts
    used: Amounts
    least: Amounts
    taskmaster: Amounts
    staff: Staff
    nodes: tuple[Amounts, ...] | None

    def misfit(self, demand: Demand) -> Reason | None:
        """Say why not even an empty cluster could run a task; None if one could.

        While there is no node at all nobody knows: all wait, and in their order.
        """
        if not self.nodes:
            return None
        asked = at_least(demanded_amounts(demand), self.least)
        if any(_fits(asked, node) for node in self.nodes):
            return None
        return Reason(ReasonCode.NODES_TOO_SMALL, self._misfit_text(asked))

    def _misfit_text(self, asked: Amounts) -> str:
        for amount, noun in _NOUNS.items():
            largest = max(0, *(node[amount.value] for node in self.nodes or ()))
            need = asked[amount.value]
            if need > largest:
                words, most = amount_words(amount, need), amount_words(amount, largest)
                return (
                    f"waiting for a larger node: {words} {noun} needed,"
                    f" the largest has {most} for a task"
                )
        return "waiting for a larger node: none has enough of everything"


def cluster_capacity(
    nodes: Sequence[NodeRoom] | None,
    *,
    given: Limit,
    bound: Limit,
    own: OwnPods,
    staff: Staff,
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
    taskmaster = demanded_amounts(own.taskmaster)
    most = _overlaid(_found(nodes, given, staff), given)
    most = Amounts(*map(min, most, limit_amounts(bound)))
    return Capacity(
        most=most,
        used=_plus(used_amounts(committed), taskmaster, staff.count),
        least=demanded_amounts(own.filer),
        taskmaster=taskmaster,
        staff=staff,
        nodes=None if nodes is None else _for_one(nodes, most, taskmaster),
    )


def at_least(asked: Amounts, least: Amounts) -> Amounts:
    """Return what a task takes whose smallest pod takes ``least``."""
    return Amounts(*map(max, asked, least))


def _found(nodes: Sequence[NodeRoom] | None, given: Limit, staff: Staff) -> Amounts:
    if nodes:
        return Amounts(*map(sum, zip(*(each.amounts for each in nodes), strict=True)))
    if nodes is not None:
        return Amounts(0, 0, 0, inf)
    if given.cpu_millis is not None and given.ram is not None:
        return Amounts(inf, inf, inf, inf)
    return Amounts(staff.slots + 1, inf, inf, inf)  # the pod of the one taskmaster


def _for_one(
    nodes: Sequence[NodeRoom], most: Amounts, taskmaster: Amounts
) -> tuple[Amounts, ...]:
    """Return what each node would have for one task, if nothing else ran.

    Its taskmaster may be on the same one: that is for Kubernetes to choose.
    """
    rooms = (Amounts(*map(min, each.amounts, most)) for each in nodes)
    return tuple(dict.fromkeys(_plus(room, taskmaster, -1) for room in rooms))


def _overlaid(found: Amounts, given: Limit) -> Amounts:
    """Put what the settings give in place; ``running`` there counts tasks, not pods."""
    wanted = limit_amounts(given)
    return Amounts(
        found.running,
        found.cpu_millis if given.cpu_millis is None else wanted.cpu_millis,
        found.ram if given.ram is None else wanted.ram,
        wanted.disk,
    )


def _plus(amounts: Amounts, each: Amounts, count: int) -> Amounts:
    return Amounts(*(a + count * b for a, b in zip(amounts, each, strict=True)))


def _fits(asked: Amounts, room: Amounts) -> bool:
    return all(a <= b for a, b in zip(asked, room, strict=True))
