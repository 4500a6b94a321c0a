"""Plans the orders to a taskmaster: which attempts to run, which to stop.

Level-triggered: orders follow from what is assigned to it and from what it reports
to hold, so that a lost response loses nothing. An order that was given a moment ago
is not given again: a taskmaster that is still carrying it out would otherwise get
responses without a pause.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from tesk_model.names import Attempt
from tesk_model.states import TaskState
from tesk_scheduler.domain.quota import Demand
from tesk_scheduler.domain.records import Document, TaskRecord

# Seconds after which an order without effect is given again.
REPEAT_AFTER = 2.0


class StopReason(StrEnum):
    """Why a taskmaster is to stop an attempt."""

    CANCELED = "CANCELED"
    REASSIGNED = "REASSIGNED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """An attempt that a taskmaster is to run; see ``tesk.v1.Assignment``.

    Attributes:
        demand: What the task was charged.
        began: When the attempt became INITIALIZING.
        held_up_since: See ``TaskRecord``.
    """

    attempt: Attempt
    document: Document
    demand: Demand
    transfer_token: str = field(repr=False)
    last_sequence: int
    release_only: bool
    finished_executors: tuple[tuple[int, int], ...]
    started_executors: tuple[int, ...]
    inputs_finished: bool
    outputs_finished: bool
    began: datetime | None
    held_up_since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """The response to a taskmaster; ``lease`` counts from when it called."""

    run: tuple[Assignment, ...] = ()
    stop: tuple[tuple[Attempt, StopReason], ...] = ()
    lease: timedelta
    exit: bool = False


class Order(NamedTuple):
    """Run an attempt, or stop it if there is a reason to."""

    attempt: Attempt
    stop: StopReason | None = None


GivenOrders = Mapping[Order, float]
"""Orders that were given, and when, in monotonic seconds."""


def plan_orders(
    records: Iterable[TaskRecord], held: frozenset[Attempt]
) -> Sequence[Order]:
    """List the orders to a taskmaster.

    Args:
        records: What is assigned to it, oldest first.
        held: What it reports to hold.
    """
    orders: list[Order] = []
    assigned = set()
    for record in records:
        attempt = Attempt(record.id, record.attempt)
        assigned.add(attempt)
        if attempt not in held:
            orders.append(Order(attempt))
        elif record.state is TaskState.CANCELING:
            orders.append(Order(attempt, StopReason.CANCELED))
    gone = sorted(held - assigned)
    return orders + [Order(attempt, StopReason.REASSIGNED) for attempt in gone]


def has_new_order(orders: Iterable[Order], given: GivenOrders, now: float) -> bool:
    """Tell whether one of ``orders`` was not given recently."""
    return any(not _is_recent(order, given, now) for order in orders)


def record_given(
    orders: Iterable[Order], given: GivenOrders, now: float
) -> GivenOrders:
    """Return the given orders, with ``orders`` given now."""
    return {
        order: given[order] if _is_recent(order, given, now) else now
        for order in orders
    }


def never_started(record: TaskRecord) -> bool:
    """Tell whether a canceled attempt was never started by a taskmaster."""
    return record.state is TaskState.CANCELING and record.last_sequence == 0


def _is_recent(order: Order, given: GivenOrders, now: float) -> bool:
    return order in given and now - given[order] < REPEAT_AFTER
