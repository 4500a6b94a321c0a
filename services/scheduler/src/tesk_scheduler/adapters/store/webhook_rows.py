"""Converts rows of webhooks to deliveries, and back."""

from typing import Any

from sqlalchemy import Row

from tesk_scheduler.adapters.store.schema import TASK, clean
from tesk_scheduler.adapters.store.times import (
    from_micros,
    from_micros_or_none,
    micros,
)
from tesk_scheduler.adapters.store.webhook_schema import (
    TASK_WEBHOOK,
    WEBHOOK_DELIVERY,
)
from tesk_scheduler.domain.webhooks.deliveries import Delivery, NewDelivery
from tesk_scheduler.domain.webhooks.targets import Recipient

_D = WEBHOOK_DELIVERY.c

DELIVERY_COLUMNS = (
    _D.seq,
    _D.target,
    _D.url,
    _D.of_task,
    _D.event_id,
    _D.task_id,
    _D.body,
    _D.created,
    _D.tries,
    _D.last_error,
    _D.dead,
)
EVENT_TASK_COLUMNS = (
    TASK.c.seq,
    TASK.c.owner_groups,
    TASK.c.attempt,
    TASK.c.created,
    TASK.c.started,
    TASK.c.ended,
    TASK_WEBHOOK.c.url,
)


def delivery_of(row: Row[*tuple[Any, ...]]) -> Delivery:
    """Build a delivery from ``DELIVERY_COLUMNS``."""
    return Delivery(
        seq=row.seq,
        recipient=Recipient(row.target, row.url, is_of_task=row.of_task),
        event_id=row.event_id,
        task_id=row.task_id,
        body=row.body,
        created_at=from_micros(row.created),
        tries=row.tries,
        last_error=row.last_error,
        dead_at=from_micros_or_none(row.dead),
    )


def values_of_delivery(delivery: NewDelivery, *, not_before: int) -> dict[str, Any]:
    """Return the columns of a new delivery, tried from ``not_before`` (µs) on."""
    created = micros(delivery.created_at)
    return {
        "destination": delivery.recipient.destination,
        "target": delivery.recipient.target,
        "url": clean(delivery.recipient.url),
        "of_task": delivery.recipient.is_of_task,
        "event_id": delivery.event_id,
        "task_id": delivery.task_id,
        "body": delivery.body,
        "created": created,
        "tries": 0,
        "last_error": "",
        "next_try": max(created, not_before),
        "dead": None,
    }
