"""Counts what one limit still leaves free while admissions are planned.

A pool only ever shrinks: what did not fit once is not tried again in the same
plan.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from tesk_model.reasons import Reason, ReasonCode
from tesk_model.waits import (
    WaitDetails,
    WaitScope,
    when_tasks_end,
    when_tasks_free,
)
from tesk_scheduler.domain.capacity import Capacity
from tesk_scheduler.domain.dimensions import DIMENSIONS, RUNNING, Dimension
from tesk_scheduler.domain.limits import format_gpu_type
from tesk_scheduler.domain.quota import NOTHING, Amounts


@dataclass(slots=True, kw_only=True)
class Pool:
    """What one limit leaves free.

    Attributes:
        subject: Name of the subject, for people; empty for the capacity.
        owners: Phrase that names whose tasks a reservation may serve.
        total: The limit.
        used: In use, by dimension.
        reserved: Reserved, by dimension.
        reserved_for: What the first task needs for which something is reserved.
        scope: Whose limit it is.
        name: Name of the subject, as it is stored.
        gpu_type: It bounds GPUs of this type; "" for any type.
    """

    subject: str
    owners: str
    total: Amounts
    used: list[float]
    reserved: list[float] = field(default_factory=lambda: list(NOTHING))
    reserved_for: Amounts | None = None
    scope: WaitScope = WaitScope.CAPACITY
    name: str = ""
    gpu_type: str = ""

    def cost(self, asked: Amounts) -> Amounts:
        """Return what a task that asks for so much takes of this pool."""
        return asked

    def fits(self, asked: Amounts, kept: Amounts = NOTHING) -> bool:
        """Tell whether all of ``asked`` is free, not reserved and not ``kept``."""
        held = self._held(kept)
        return self._lacking_dimension(self.cost(asked), held) is None

    def shortage(self, asked: Amounts) -> Reason | None:
        """Return what is short, reservations aside; None if enough is free."""
        cost = self.cost(asked)
        dimension = self._lacking_dimension(cost, NOTHING)
        return None if dimension is None else self.shortage_of(cost, dimension)

    def reservation(self, asked: Amounts) -> Reason | None:
        """Return for what the rest is reserved; None if enough is left."""
        cost = self.cost(asked)
        dimension = self._lacking_dimension(cost, self.reserved)
        if dimension is None or self.reserved_for is None:
            return None
        text = (
            f"kept waiting so that a task{self.owners} that has waited longer can start"
        )
        if dimension is not RUNNING:
            needs = dimension.unit.format(self.reserved_for[dimension])
            text += f": it needs {needs} {self._noun(dimension)}"
        remedy = "starts when that task has started and enough is left"
        details = self._details(cost, dimension, remedy=remedy)
        return Reason(ReasonCode.CAPACITY_RESERVED, text, details)

    def guarantee(self, asked: Amounts, kept: Amounts) -> Reason | None:
        """Return that the rest is kept for guaranteed shares; None if enough is left."""
        cost = self.cost(asked)
        dimension = self._lacking_dimension(cost, self._held(kept))
        if dimension is None:
            return None
        free = max(self.total[dimension] - self.used[dimension], 0)
        needs, left, held = map(
            dimension.unit.format, (cost[dimension], free, min(kept[dimension], free))
        )
        noun = self._noun(dimension)
        text = (
            f"waiting for {needs} {noun}: {left} free, of which {held} are kept"
            " for guaranteed shares of others"
        )
        remedy = "starts when enough is free beside what is kept"
        details = self._details(cost, dimension, remedy=remedy)
        return Reason(ReasonCode.GUARANTEE_KEPT, text, details)

    def take(self, asked: Amounts) -> None:
        """Count one more task as running."""
        for index, value in enumerate(self.cost(asked)):
            self.used[index] += value

    def reserve(self, asked: Amounts) -> None:
        """Reserve what a task needs; later tasks of the plan do not get it."""
        cost = self.cost(asked)
        for index, value in enumerate(cost):
            self.reserved[index] += value
        self.reserved_for = self.reserved_for or cost

    def _lacking_dimension(
        self, cost: Amounts, reserved: Sequence[float]
    ) -> Dimension | None:
        # An amount that is not asked for never lacks, even if its limit was
        # lowered below what is in use.
        used, total = self.used, self.total
        for index, value in enumerate(cost):
            if value and used[index] + reserved[index] + value > total[index]:
                return DIMENSIONS[index]
        return None

    def _held(self, kept: Amounts) -> Sequence[float]:
        # What is kept is of any type.
        if kept is NOTHING or self.gpu_type:
            return self.reserved
        return [a + b for a, b in zip(self.reserved, kept, strict=True)]

    def _noun(self, dimension: Dimension) -> str:
        return dimension.noun + format_gpu_type(self.gpu_type)

    def shortage_of(self, cost: Amounts, dimension: Dimension) -> Reason:
        """Return the reason that too little of ``dimension`` is free."""
        code = ReasonCode.QUOTA_FULL if self.subject else ReasonCode.CAPACITY_FULL
        details = self._details(
            cost, dimension, remedy=self.remedy_for(cost, dimension)
        )
        return Reason(code, self._shortage_text(cost, dimension), details)

    def _details(
        self, cost: Amounts, dimension: Dimension, *, remedy: str
    ) -> WaitDetails:
        number = dimension.unit.number
        return WaitDetails(
            scope=self.scope,
            subject=self.name,
            dimension=f"gpu_types.{self.gpu_type}"
            if self.gpu_type
            else dimension.setting,
            used=number(self.used[dimension]),
            limit=number(self.total[dimension]),
            needed=number(cost[dimension]),
            remedy=remedy,
        )

    def remedy_for(self, cost: Amounts, dimension: Dimension) -> str:
        """Format by how much the use must fall, and whose."""
        excess = self.used[dimension] + cost[dimension] - self.total[dimension]
        whose = f" of {self.subject}" if self.name else ""
        if dimension is RUNNING:
            return when_tasks_end(excess, whose)
        amount = f"{dimension.unit.format(excess)} {self._noun(dimension)}"
        return when_tasks_free(amount, whose)

    def _shortage_text(self, cost: Amounts, dimension: Dimension) -> str:
        need, used, total = (each[dimension] for each in (cost, self.used, self.total))
        text = dimension.unit.format
        needs, uses, allows = text(need), text(used), text(total)
        if dimension is RUNNING:
            running = f"{uses} of {allows} {dimension.noun}"
            return f"{self.subject or 'waiting for a free place'}: {running}"
        noun = self._noun(dimension)
        if not self.subject:
            return f"waiting for {needs} {noun}: {text(max(total - used, 0))} free"
        needed = f", {needs} needed" if used < total else ""
        return f"{self.subject}: {uses} of {allows} {noun} in use{needed}"


@dataclass(slots=True, kw_only=True)
class ClusterPool(Pool):
    """What a cluster leaves free; a task may need another taskmaster.

    Attributes:
        capacity: At the start of the plan.
        free: Slots of the taskmasters counted so far that are still free.
    """

    capacity: Capacity
    free: int

    @classmethod
    def of(cls, capacity: Capacity) -> "ClusterPool":
        """Return the pool of a cluster at the start of a plan."""
        return cls(
            subject="",
            owners="",
            total=capacity.total,
            used=list(capacity.used),
            capacity=capacity,
            free=capacity.taskmasters.free,
        )

    def take(self, asked: Amounts) -> None:
        """Count one more task, and a new taskmaster if no slot is free."""
        Pool.take(self, asked)
        self.free = (self.free or self.capacity.taskmasters.slots) - 1

    def cost(self, asked: Amounts) -> Amounts:
        """Return what the pods of a task take."""
        largest = asked.at_least(self.capacity.minimum)
        return largest if self.free else largest.plus(self.capacity.taskmaster)

    def shortage_of(self, cost: Amounts, dimension: Dimension) -> Reason:
        """Return the reason that the cluster has too little of ``dimension``."""
        if self.capacity.nodes == ():
            text = "waiting for a node: none is ready for tasks"
            details = WaitDetails(
                scope=WaitScope.NODE,
                remedy="starts when a node that may run tasks is ready",
            )
            return Reason(ReasonCode.NODES_NOT_READY, text, details)
        return Pool.shortage_of(self, cost, dimension)

    def remedy_for(self, cost: Amounts, dimension: Dimension) -> str:
        """Format the same; a cluster can also grow."""
        if dimension is RUNNING:
            return "starts when pods have ended, or more nodes are there"
        return f"{Pool.remedy_for(self, cost, dimension)}, or more nodes are there"

    def _shortage_text(self, cost: Amounts, dimension: Dimension) -> str:
        if dimension is RUNNING:
            return "waiting for room in the cluster: its nodes take no more pods"
        free = max(self.total[dimension] - self.used[dimension], 0)
        needs, left = map(dimension.unit.format, (cost[dimension], free))
        return (
            f"waiting for room in the cluster: {needs} {dimension.noun} needed,"
            f" {left} free"
        )
