"""Plans the orders to a taskmaster: which attempts to run, to stop, to go on with.

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
from tesk_model.reasons import ReasonCode
from tesk_model.states import TaskState
from tesk_scheduler.domain.attempt_rules import RepeatedFailures
from tesk_scheduler.domain.calls import CallCandidate
from tesk_scheduler.domain.progress import Direction
from tesk_scheduler.domain.quota import Demand
from tesk_scheduler.domain.records import (
    AssignedAttempt,
    Document,
    TaskRecord,
)

# Seconds after which an order without effect is given again.
REPEAT_AFTER = 2.0
# Likewise, that a transfer has finished: what comes next may wait for long, for an
# image say, and what is not heard of the filer is seen of it a moment later.
REPEAT_FINISHED_AFTER = 30.0

# An attempt whose task is queued again was lost, or ended by an operator: then its
# taskmaster does not know. One that is releasing it already goes on with that.
_STOPPED = (TaskState.CANCELING, TaskState.QUEUED)


class StopReason(StrEnum):
    """Why a taskmaster is to stop an attempt."""

    CANCELED = "CANCELED"
    REASSIGNED = "REASSIGNED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """An attempt that a taskmaster is to run; see ``tesk.v1.Assignment``.

    Attributes:
        demand: What the task was charged.
        groups: All of the owner's; see ``TaskRecord``.
        began: When the attempt became INITIALIZING.
        held_up_since: See ``TaskRecord``.
        repeated: Failures after which another attempt follows.
        candidate: Whose results may count for the attempt.
    """

    attempt: Attempt
    document: Document
    demand: Demand
    groups: tuple[str, ...]
    transfer_token: str = field(repr=False)
    last_sequence: int
    release_only: bool
    finished_executors: tuple[tuple[int, int], ...]
    started_executors: tuple[int, ...]
    inputs_finished: bool
    outputs_finished: bool
    began: datetime | None
    held_up_since: datetime | None
    repeated: RepeatedFailures = field(default_factory=RepeatedFailures)
    candidate: CallCandidate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """The response to a taskmaster; ``lease`` counts from when it called.

    Attributes:
        finished: Transfers that have succeeded.
    """

    run: tuple[Assignment, ...] = ()
    stop: tuple[tuple[Attempt, StopReason], ...] = ()
    finished: tuple[tuple[Attempt, Direction], ...] = ()
    lease: timedelta
    exit: bool = False


class Order(NamedTuple):
    """Run an attempt; or stop it, or go on after a transfer, if one is named."""

    attempt: Attempt
    stop: StopReason | None = None
    finished: Direction | None = None


GivenOrders = Mapping[Order, float]
"""Orders that were given, and when, in monotonic seconds."""


def plan_orders(
    assigned: Iterable[AssignedAttempt], held: frozenset[Attempt]
) -> Sequence[Order]:
    """List the orders to a taskmaster.

    Args:
        assigned: What is assigned to it, oldest first.
        held: What it reports to hold.
    """
    orders: list[Order] = []
    known = set()
    for each in assigned:
        attempt = each.attempt
        known.add(attempt)
        if attempt not in held:
            orders.append(Order(attempt))
        elif _is_stopped(each):
            orders.append(Order(attempt, StopReason.CANCELED))
        elif finished := _finished(each):
            orders.append(Order(attempt, finished=finished))
    gone = sorted(held - known)
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


def _is_stopped(assigned: AssignedAttempt) -> bool:
    """Tell whether an attempt is to be stopped and deleted."""
    return assigned.state in _STOPPED or (
        assigned.attempt_runs and assigned.stop_code is not ReasonCode.NONE
    )


def _finished(assigned: AssignedAttempt) -> Direction | None:
    """Return the transfer after which an attempt has not gone on yet, as far as known."""
    if assigned.state is TaskState.INITIALIZING and assigned.inputs_finished:
        return Direction.INPUTS
    if assigned.state is TaskState.RUNNING and assigned.outputs_finished:
        return Direction.OUTPUTS
    return None


def _is_recent(order: Order, given: GivenOrders, now: float) -> bool:
    limit = REPEAT_FINISHED_AFTER if order.finished else REPEAT_AFTER
    return order in given and now - given[order] < limit
