"""Decides who is next by weighted dominant resource fairness.

The *cost* of a party is its dominant share: of what it uses, has used
(``domain.usage_history``) and asks for with its next task, the largest part of
any resource, divided by its weight. The party with the smallest cost comes
first. Since the next task counts, a large one does not get ahead of small ones.

Parties are the groups for which the quota has a share (a weight, a guarantee, …),
and the users who are charged to no such group. Within a group its users are
compared likewise, so that a group's share does not depend on how many users it
has.

What a share is relative to: the capacity, or the limit of everybody if that is
smaller. A resource without either counts relative to what all use and the first
task of each owner asks for: the order is the same for any number if there is one
resource, and with several each counts as it is in demand.

A priority divides the cost by ``2^(priority / 100)``. As the cost grows with each
admission, a priority buys a bounded multiple of a share, never all of it.

Sources: Ghodsi et al., "Dominant Resource Fairness", NSDI 2011; the proposed
cost of Armada; the priority of Buildbarn's scheduler.
"""

from collections.abc import Mapping, Sequence
from math import inf
from operator import add, mul
from typing import NamedTuple, Protocol

from tesk_scheduler.domain.capacity import Capacity
from tesk_scheduler.domain.charging import share_of
from tesk_scheduler.domain.dimensions import DIMENSIONS
from tesk_scheduler.domain.queues import QueuedTask
from tesk_scheduler.domain.quota import (
    DEFAULT_SHARE,
    EVERYBODY,
    NOTHING,
    Amounts,
    Limit,
    Quota,
    Share,
    Subject,
    Usage,
)
from tesk_scheduler.domain.usage_history import (
    History,
    has_share,
    new_part,
)

_PRIORITY_UNIT = 100  # of a priority, doubles a share


class Cost(NamedTuple):
    """The cost of a party with its next task; the smallest comes first.

    Attributes:
        is_last: Its weight is 0.
        amount: See the module.
        name: Decides between equal costs.
    """

    is_last: bool
    amount: float
    name: str


class Costs(Protocol):
    """Compares tasks of different owners, and counts what is admitted."""

    def party_of(self, task: QueuedTask) -> Subject:
        """Return as part of whom the owner of ``task`` is compared with others."""

    def party_cost(self, task: QueuedTask) -> Cost:
        """Return the cost of that party."""

    def owner_cost(self, task: QueuedTask) -> Cost:
        """Return the cost of the owner within its party."""

    def take(self, task: QueuedTask) -> None:
        """Count an admission; costs of others do not change."""


class ArrivalCosts:
    """First in, first out among all owners, whatever they use."""

    def party_of(self, task: QueuedTask) -> Subject:
        """Return the user."""
        return task.subjects[0]

    def party_cost(self, task: QueuedTask) -> Cost:
        """Return the order of arrival."""
        return Cost(is_last=False, amount=task.sequence, name=task.owner)

    def owner_cost(self, task: QueuedTask) -> Cost:
        """Return the same for all: the owner is the party."""
        return Cost(is_last=False, amount=0, name=task.owner)

    def take(self, task: QueuedTask) -> None:
        """Count nothing."""


class FairCosts:
    """Costs by dominant share."""

    def __init__(
        self,
        *,
        quota: Quota,
        scales: Sequence[float],
        usage: Mapping[Subject, Usage],
        history: History,
        penalty: float,
    ) -> None:
        """Begin with what is used and was used.

        Args:
            quota: Has the shares.
            scales: For each dimension what one unit of it costs.
            usage: Now; a subject that is absent uses nothing.
            history: Of the past.
            penalty: How much of each admission counts as past use as well.
        """
        self._quota = quota
        self._scales = scales
        self._usage = usage
        self._history = history
        self._penalty = penalty
        self._used: dict[Subject, list[float]] = {}
        self._shares: dict[Subject, Share] = {}

    def party_of(self, task: QueuedTask) -> Subject:
        """Return the group if it has a share of its own, else the user."""
        user, *others = task.subjects
        groups = (each for each in others if has_share(each))
        return next(
            (each for each in groups if self._share_of(each) is not DEFAULT_SHARE), user
        )

    def party_cost(self, task: QueuedTask) -> Cost:
        """Return the cost of the user or group."""
        return self._cost(self.party_of(task), task)

    def owner_cost(self, task: QueuedTask) -> Cost:
        """Return the cost of the user."""
        return self._cost(task.subjects[0], task)

    def take(self, task: QueuedTask) -> None:
        """Add the task to what its user and its group use."""
        for subject in task.subjects:
            if has_share(subject):
                used = self._used_of(subject)
                for index, value in enumerate(task.demand):
                    used[index] += value * (1 + self._penalty)

    def _cost(self, subject: Subject, task: QueuedTask) -> Cost:
        used = self._used_of(subject)
        share = max(map(mul, map(add, used, task.demand), self._scales))
        weight = self._share_of(subject).weight
        amount = share * 2.0 ** (-task.priority / _PRIORITY_UNIT)
        return Cost(
            is_last=weight == 0, amount=amount / (weight or 1), name=subject.name
        )

    def _used_of(self, subject: Subject) -> list[float]:
        if subject not in self._used:
            now = self._usage.get(subject, NOTHING)
            past = self._history.get(subject)
            before = NOTHING if past is None else past.average
            self._used[subject] = [
                float(a + b) for a, b in zip(now, before, strict=True)
            ]
        return self._used[subject]

    def _share_of(self, subject: Subject) -> Share:
        if subject not in self._shares:
            self._shares[subject] = share_of(subject, self._quota)
        return self._shares[subject]


def costs_of(
    heads: Sequence[QueuedTask],
    *,
    quota: Quota,
    usage: Mapping[Subject, Usage],
    history: History,
    cluster: Capacity | None,
) -> Costs:
    """Return how owners are compared.

    Args:
        heads: The first task of each owner.
        quota: Its ``fair_share`` decides.
        usage: What runs.
        history: What was used before.
        cluster: What it can hold, where tasks run on one.
    """
    fair = quota.fair_share
    if not fair.is_enabled:
        return ArrivalCosts()
    totals = quota.capacity.at_most(quota.everybody)
    if cluster is not None:
        totals = totals.at_most(cluster.total)
    demanded = usage.get(EVERYBODY, NOTHING)
    for head in heads:
        demanded = demanded.plus(head.demand)
    return FairCosts(
        quota=quota,
        scales=resource_scales(fair.resources, totals, demanded),
        usage=usage,
        history=history,
        penalty=new_part(fair.sample, fair.half_life),
    )


def resource_scales(
    weights: Mapping[str, float], totals: Limit, demanded: Amounts
) -> tuple[float, ...]:
    """Return what one unit of each dimension adds to a share.

    Args:
        weights: By name of a dimension; what is not named does not count.
        totals: What there is; without bound if that is not known.
        demanded: What counts as there where it is not known.
    """
    return tuple(
        _scale(weights.get(each.column, 0.0), total, asked)
        for each, total, asked in zip(DIMENSIONS, totals, demanded, strict=True)
    )


def _scale(weight: float, total: float, demanded: float) -> float:
    there = demanded if total == inf else total
    return weight / there if there > 0 else 0.0
