"""What one limit still leaves free while admissions are planned.

Room only ever shrinks: what did not fit once is not looked at again in the
same plan.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from tesk_model.reasons import Reason, ReasonCode
from tesk_scheduler.domain.capacity import Capacity, at_least
from tesk_scheduler.domain.limits import Amount, Amounts, amount_words

_NONE_KEPT = (0, 0, 0, 0)
_NOUNS = {Amount.CPU: "cpu", Amount.RAM: "memory", Amount.DISK: "disk"}


@dataclass(slots=True, kw_only=True)
class Pool:
    """What one limit leaves free.

    Attributes:
        whose: Words for the subject; empty for the capacity.
        owners: Words for whom a reservation here may serve.
        used: In use, by Amount.
        kept: Reserved, by Amount.
        holder: What the first task needs for which something is reserved.
    """

    whose: str
    owners: str
    most: Amounts
    used: list[float]
    kept: list[float] = field(default_factory=lambda: list(_NONE_KEPT))
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
        amount = self._lacking(cost, _NONE_KEPT)
        return None if amount is None else self.shortage_of(cost, amount)

    def reservation(self, asked: Amounts) -> Reason | None:
        """Say for what the rest is reserved; None if enough is left."""
        amount = self._lacking(self.cost(asked), self.kept)
        if amount is None or self.holder is None:
            return None
        text = (
            f"kept waiting so that a task{self.owners} that has waited longer can start"
        )
        if amount is not Amount.RUNNING:
            needs = amount_words(amount, self.holder[amount.value])
            text += f": it needs {needs} {_NOUNS[amount]}"
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

    def _lacking(self, cost: Amounts, kept: Sequence[float]) -> Amount | None:
        # An amount that is not asked for is never lacking, even if a limit was
        # lowered below what is in use.
        used, most = self.used, self.most
        for index, value in enumerate(cost):
            if value and used[index] + kept[index] + value > most[index]:
                return Amount(index)
        return None

    def shortage_of(self, cost: Amounts, amount: Amount) -> Reason:
        """Say how much of ``amount`` there is, and that it is too little."""
        code = ReasonCode.QUOTA_FULL if self.whose else ReasonCode.CAPACITY_FULL
        return Reason(code, self._shortage_text(cost, amount))

    def _shortage_text(self, cost: Amounts, amount: Amount) -> str:
        need, used, most = (each[amount.value] for each in (cost, self.used, self.most))
        need_words, used_words, most_words = (
            amount_words(amount, value) for value in (need, used, most)
        )
        if amount is Amount.RUNNING:
            running = f"{used_words} of {most_words} tasks running"
            return f"{self.whose or 'waiting for a free place'}: {running}"
        noun = _NOUNS[amount]
        if not self.whose:
            free = amount_words(amount, max(most - used, 0))
            return f"waiting for {need_words} {noun}: {free} free"
        needed = f", {need_words} needed" if used < most else ""
        return f"{self.whose}: {used_words} of {most_words} {noun} in use{needed}"


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
        largest = at_least(asked, self.capacity.least)
        if self.free:
            return largest
        more = self.capacity.taskmaster
        return Amounts(*(a + b for a, b in zip(largest, more, strict=True)))

    def shortage_of(self, cost: Amounts, amount: Amount) -> Reason:
        """Say of what the cluster has too little."""
        if self.capacity.nodes == ():
            text = "waiting for a node: none is ready for tasks"
            return Reason(ReasonCode.NODES_NOT_READY, text)
        return Pool.shortage_of(self, cost, amount)

    def _shortage_text(self, cost: Amounts, amount: Amount) -> str:
        if amount is Amount.RUNNING:
            return "waiting for room in the cluster: its nodes take no more pods"
        free = max(self.most[amount.value] - self.used[amount.value], 0)
        needed, left = (
            amount_words(amount, value) for value in (cost[amount.value], free)
        )
        noun = _NOUNS[amount]
        return f"waiting for room in the cluster: {needed} {noun} needed, {left} free"
