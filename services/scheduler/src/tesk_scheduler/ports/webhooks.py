"""Defines what delivers webhooks: their store, their targets, and the way out."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from tesk_scheduler.domain.state_changes import Position
from tesk_scheduler.domain.webhooks.deliveries import (
    Circuit,
    Delivery,
    NewDelivery,
    SendResult,
    Settled,
)
from tesk_scheduler.domain.webhooks.events import EventTask
from tesk_scheduler.domain.webhooks.lanes import Lane
from tesk_scheduler.domain.webhooks.targets import NO_TARGETS, Target, Targets


class TargetSource(Protocol):
    """Has the targets in force, which may change between two calls; thread-safe."""

    def current(self) -> Targets:
        """Return them; whoever decides on them asks once for each decision."""


@dataclass(frozen=True, slots=True)
class FixedTargets:
    """Targets that never change."""

    targets: Targets = NO_TARGETS

    def current(self) -> Targets:
        """See ``TargetSource``."""
        return self.targets


NO_WEBHOOKS = FixedTargets()


class Sender(Protocol):
    """Sends events to receivers; thread-safe."""

    def send(self, delivery: Delivery, target: Target) -> SendResult:
        """Send one, signed with the secrets of its target; takes a bounded time."""


class DeliveryObserver(Protocol):
    """Is notified of tries and of what became of deliveries; fast, never raises."""

    def tried(self, delivery: Delivery, result: SendResult, seconds: float) -> None:
        """Observe a try."""

    def settled(self, settled: Settled) -> None:
        """Observe what became of a delivery, once it is durable."""

    def trimmed(self, trimmed: "Trimmed") -> None:
        """Observe what bounds did."""

    def lost(self) -> None:
        """Observe that there were changes of which no receiver will hear."""


class DueDestination(NamedTuple):
    """A destination with deliveries to be tried now."""

    name: str
    circuit: Circuit


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetters:
    """Some deliveries that are not tried any more, by number; "" ends the cursor."""

    deliveries: Sequence[Delivery]
    next_cursor: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which dead deliveries an operator means; all conditions hold.

    Attributes:
        seqs: Their numbers; empty for any.
        target: "" for any.
    """

    seqs: Sequence[int] = ()
    target: str = ""


class Backlog(NamedTuple):
    """What waits.

    Attributes:
        pending: Deliveries to be tried, by target.
        dead: Deliveries that are not.
        oldest: When the event of the first pending one was.
    """

    pending: Mapping[str, int]
    dead: int
    oldest: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much is kept.

    Attributes:
        pending: Deliveries that wait for one destination.
        dead: Deliveries in all that are not tried any more.
        max_age: Of an event that still waits.
        keep_dead: For how long dead ones are kept.
    """

    pending: int
    dead: int
    max_age: timedelta
    keep_dead: timedelta


class Trimmed(NamedTuple):
    """What bounds did: deliveries that became dead, and dead ones that were deleted."""

    dead: int
    deleted: int
    has_more: bool = False


class DeliveryStore(Protocol):
    """The durable store of deliveries. Every method may raise UnavailableError.

    A destination is what fails together, see ``Recipient.destination``. Deliveries of
    one task to one destination are tried in the order of their numbers.
    """

    def cursor(self) -> Position | None:
        """Return up to where state changes were expanded; None: nowhere."""

    def expand(
        self,
        before: Position | None,
        after: Position | None,
        deliveries: Sequence[NewDelivery],
    ) -> None:
        """Move the cursor, and add deliveries, in one transaction.

        Deliveries are tried at once, or after those of their tasks.

        Raises:
            ConflictError: The cursor is not at ``before``.
        """

    def event_tasks(self, tasks: Collection[int]) -> Mapping[int, EventTask]:
        """Read what events tell of tasks, those that exist, by their ``seq``."""

    def due_destinations(
        self, lane: Lane, now: datetime, limit: int, *, leave_out: Collection[str]
    ) -> list[DueDestination]:
        """List destinations of a lane with something to try, the longest due first."""

    def due_deliveries(
        self,
        destination: str,
        now: datetime,
        limit: int,
        *,
        leave_out: Collection[str],
    ) -> list[Delivery]:
        """List the first delivery of each task that is to be tried, by number.

        Args:
            destination: Whose.
            now: The time.
            limit: Most deliveries.
            leave_out: Tasks of which one is being tried.
        """

    def next_due(self) -> datetime | None:
        """Return when the next destination has something to try; None: none has."""

    def settle(
        self,
        settled: Sequence[Settled],
        circuits: Mapping[str, Circuit],
        *,
        now: datetime,
    ) -> None:
        """Keep what became of tries, and of their destinations, in one transaction."""

    def trim(self, bounds: Bounds, *, now: datetime) -> Trimmed:
        """Apply bounds, a part of them at a time; repair what is due when."""

    def backlog(self) -> Backlog:
        """Read what waits."""

    def dead_letters(
        self, selection: Selection, cursor: str, limit: int
    ) -> DeadLetters:
        """List one page of dead deliveries.

        Raises:
            InvalidRequestError: The cursor is none.
        """

    def count_dead(self, selection: Selection) -> int:
        """Count dead deliveries."""

    def revive(self, selection: Selection, limit: int, *, now: datetime) -> int:
        """Let dead deliveries be tried again, as new ones; return how many."""

    def drop(self, selection: Selection, limit: int) -> int:
        """Delete dead deliveries; return how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookPorts:
    """What delivers events, where webhooks are configured."""

    targets: TargetSource
    sender: Sender
    observer: DeliveryObserver
