"""Decides what follows each try to deliver an event, and when its receiver is tried next.

A delivery is one event for one receiver. It is tried until it is accepted, refused for
good, too old, or was tried too often; then it is dead, and an operator decides. A
receiver that is down lets all that wait for it wait, and is tried now and then by the
first of them, so that tries do not pile up.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from tesk_model.backoff import Backoff
from tesk_scheduler.domain.webhooks.targets import Recipient

DETAIL_LENGTH = 300
"""Characters of the cause of a failure that are kept."""

# Half of each pause is fixed, so that one never follows at once.
_FIXED = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRules:
    """When to try again, and when to give up.

    Attributes:
        backoff: Pauses of one delivery, and of one receiver.
        max_tries: Of one delivery.
        max_age: Of an event that is still tried.
    """

    backoff: Backoff
    max_tries: int
    max_age: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDelivery:
    """An event that is to be delivered.

    Attributes:
        task_id: Events of one task reach a receiver in order.
        body: The event as it is sent.
    """

    event_id: str
    recipient: Recipient
    task_id: str
    body: bytes
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery(NewDelivery):
    """A stored delivery.

    Attributes:
        seq: Its number; later ones of a task have higher ones.
        tries: How often it was tried.
        last_error: Of the last try; "" before the first.
        dead_at: Since when it is not tried any more.
    """

    seq: int
    tries: int = 0
    last_error: str = ""
    dead_at: datetime | None = None


class Response(Enum):
    """What a receiver makes of a try."""

    ACCEPTED = "accepted"
    GONE = "gone"
    """It wants no more events: 410."""
    REJECTED = "rejected"
    """It does not take this one now; others may do better."""
    UNAVAILABLE = "unavailable"
    """It takes none: it is not reached, too slow, or fails."""
    FORBIDDEN = "forbidden"
    """It may not be sent to; another try changes nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendResult:
    """What became of one try.

    Attributes:
        detail: The cause of a failure, for people, without secrets.
        retry_after: How long the receiver asks to wait.
    """

    response: Response
    detail: str = ""
    retry_after: timedelta | None = None


class Outcome(Enum):
    """What becomes of a delivery."""

    DELIVERED = "delivered"
    DROPPED = "dropped"
    RETRIED = "retried"
    DEAD = "dead"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """A delivery after a try.

    Attributes:
        retry_at: When it is tried again, if it is.
        detail: The cause of the failure.
    """

    delivery: Delivery
    outcome: Outcome
    retry_at: datetime | None = None
    detail: str = ""


def settle(
    delivery: Delivery,
    result: SendResult,
    rules: DeliveryRules,
    *,
    now: datetime,
    jitter: float,
) -> Settled:
    """Decide what follows a try.

    Args:
        delivery: As it was before the try.
        result: Of the try.
        rules: The limits.
        now: The time.
        jitter: From 0 to 1, by chance.
    """
    if result.response is Response.ACCEPTED:
        return Settled(delivery=delivery, outcome=Outcome.DELIVERED)
    if result.response is Response.GONE:
        return Settled(delivery=delivery, outcome=Outcome.DROPPED, detail=result.detail)
    detail = result.detail[:DETAIL_LENGTH]
    tries = delivery.tries + 1
    retry_at = now + _pause(rules.backoff, tries, result.retry_after, jitter)
    is_over = (
        result.response is Response.FORBIDDEN
        or tries >= rules.max_tries
        or retry_at - delivery.created_at > rules.max_age
    )
    return Settled(
        delivery=delivery,
        outcome=Outcome.DEAD if is_over else Outcome.RETRIED,
        retry_at=None if is_over else retry_at,
        detail=detail,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Circuit:
    """Whether a destination is tried, after how it did of late.

    Attributes:
        failures: Tries in a row that found it unavailable.
        not_before: When it is tried next; None: at any time.
    """

    failures: int = 0
    not_before: datetime | None = None

    def after(
        self, result: SendResult, rules: DeliveryRules, *, now: datetime, jitter: float
    ) -> "Circuit":
        """Return it after a try."""
        if result.response is not Response.UNAVAILABLE:
            return Circuit()
        failures = self.failures + 1
        pause = _pause(rules.backoff, failures, result.retry_after, jitter)
        return Circuit(failures=failures, not_before=now + pause)


def _pause(
    backoff: Backoff, failures: int, retry_after: timedelta | None, jitter: float
) -> timedelta:
    pause = backoff.pause(failures) * (_FIXED + (1 - _FIXED) * jitter)
    if retry_after is None:
        return pause
    return max(pause, min(retry_after, backoff.longest))
