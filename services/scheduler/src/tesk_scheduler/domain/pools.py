"""What one limit still leaves free while admissions are planned.

Room only ever shrinks: what did not fit once is not looked at again in the
same plan.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from tesk_model.reasons import Reason, ReasonCode
from tesk_scheduler.domain.capacity import Capacity
from tesk_scheduler.domain.dimensions import DIMENSIONS, RUNNING, Dimension
from tesk_scheduler.domain.quota import Amounts

_NOTHING = Amounts()


@dataclass(slots=True, kw_only=True)
class Pool:
    """What one limit leaves free.

    Attributes:
        whose: Words for the subject; empty for the capacity.
        owners: Words for whom a reservation here may serve.
        used: In use, by dimension.
        kept: Reserved, by dimension.
        holder: What the first task needs for which something is reserved.
    """

    whose: str
    owners: str
    most: Amounts
    used: list[float]
    kept: list[float] = field(default_factory=lambda: list(_NOTHING))
    holder: Amounts | None = None

    def cost(self, asked: Amounts) -> Amounts:
        """Return what a task takes here that asks for so much."""
        return asked

    def fits(self, asked: Amounts) -> bool:
        """Tell whether all of ``asked`` is free and not reserved."""
        return self._lacking(self.cost(asked), self.kept) is None

    def shortage(self, asked: Amounts) -> Reason | None:
        """Say of what too little is free, reserved or not; None if enough is."""
        cost = self.cost(asked)
        dimension = self._lacking(cost, _NOTHING)
        return None if dimension is None else self.shortage_of(cost, dimension)

    def reservation(self, asked: Amounts) -> Reason | None:
        """Say for what the rest is reserved; None if enough is left."""
        dimension = self._lacking(self.cost(asked), self.kept)
        if dimension is None or self.holder is None:
            return None
        text = (
            f"kept waiting so that a task{self.owners} that has waited longer can start"
        )
        if dimension is not RUNNING:
            needs = dimension.unit.text(self.holder[dimension])
            text += f": it needs {needs} {dimension.noun}"
        return Reason(ReasonCode.CAPACITY_RESERVED, text)

    def take(self, asked: Amounts) -> None:
        """Count one more task as running."""
        for index, value in enumerate(self.cost(asked)):
            self.used[index] += value

    def keep(self, asked: Amounts) -> None:
        """Reserve what a task needs against all that come later."""
        cost = self.cost(asked)
        for index, value in enumerate(cost):
            self.kept[index] += value
        self.holder = self.holder or cost

    def _lacking(self, cost: Amounts, kept: Sequence[float]) -> Dimension | None:
        # An amount that is not asked for is never lacking, even if a limit was
        # lowered below what is in use.
        used, most = self.used, self.most
        for index, value in enumerate(cost):
            if value and used[index] + kept[index] + value > most[index]:
                return DIMENSIONS[index]
        return None

    def shortage_of(self, cost: Amounts, dimension: Dimension) -> Reason:
        """Say how much of ``dimension`` there is, and that it is too little."""
        code = ReasonCode.QUOTA_FULL if self.whose else ReasonCode.CAPACITY_FULL
        return Reason(code, self._shortage_text(cost, dimension))

    def _shortage_text(self, cost: Amounts, dimension: Dimension) -> str:
        need, used, most = (each[dimension] for each in (cost, self.used, self.most))
        text = dimension.unit.text
        needs, uses, allows = text(need), text(used), text(most)
        if dimension is RUNNING:
            running = f"{uses} of {allows} {dimension.noun}"
            return f"{self.whose or 'waiting for a free place'}: {running}"
        noun = dimension.noun
        if not self.whose:
            return f"waiting for {needs} {noun}: {text(max(most - used, 0))} free"
        needed = f", {needs} needed" if used < most else ""
        return f"{self.whose}: {uses} of {allows} {noun} in use{needed}"


@dataclass(slots=True, kw_only=True)
class ClusterPool(Pool):
    """What a cluster leaves free: a task may need another taskmaster.

    Attributes:
        capacity: Where it began.
        free: Tasks that the taskmasters counted so far can still be given.
    """

    capacity: Capacity
    free: int

    @classmethod
    def of(cls, capacity: Capacity) -> "ClusterPool":
        """Begin with what is in use."""
        return cls(
            whose="",
            owners="",
            most=capacity.most,
            used=list(capacity.used),
            capacity=capacity,
            free=capacity.staff.free,
        )

    def take(self, asked: Amounts) -> None:
        """Count one more task, and its taskmaster if it is the first of it."""
        Pool.take(self, asked)
        self.free = (self.free or self.capacity.staff.slots) - 1

    def cost(self, asked: Amounts) -> Amounts:
        """Return what the pods of a task take."""
        largest = asked.at_least(self.capacity.least)
        return largest if self.free else largest.plus(self.capacity.taskmaster)

    def shortage_of(self, cost: Amounts, dimension: Dimension) -> Reason:
        """Say of what the cluster has too little."""
        if self.capacity.nodes == ():
            text = "waiting for a node: none is ready for tasks"
            return Reason(ReasonCode.NODES_NOT_READY, text)
        return Pool.shortage_of(self, cost, dimension)

    def _shortage_text(self, cost: Amounts, dimension: Dimension) -> str:
        if dimension is RUNNING:
            return "waiting for room in the cluster: its nodes take no more pods"
        free = max(self.most[dimension] - self.used[dimension], 0)
        needs, left = map(dimension.unit.text, (cost[dimension], free))
        return (
            f"waiting for room in the cluster: {needs} {dimension.noun} needed,"
            f" {left} free"
        )
