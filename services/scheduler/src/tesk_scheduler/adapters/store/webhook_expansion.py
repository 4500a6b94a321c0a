"""Moves the cursor of webhooks in the feed, and adds what was expanded."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from tesk_model.errors import ConflictError
from tesk_scheduler.adapters.store.webhook_destinations import (
    compute_times,
    lock_destinations,
)
from tesk_scheduler.adapters.store.webhook_rows import values_of_delivery
from tesk_scheduler.adapters.store.webhook_schema import (
    IS_PENDING,
    WEBHOOK_CURSOR,
    WEBHOOK_DELIVERY,
)
from tesk_scheduler.domain.state_changes import Position
from tesk_scheduler.domain.webhooks.deliveries import NewDelivery

_D = WEBHOOK_DELIVERY.c
_CURSOR = 1


def move_cursor(
    connection: Connection, before: Position | None, after: Position | None
) -> None:
    """Move the one row; raise ConflictError, or IntegrityError, if it is elsewhere."""
    if before is None:
        if after is not None:  # fails if there is one
            values = {"id": _CURSOR, "number": after.number, "changed": after.time}
            connection.execute(insert(WEBHOOK_CURSOR), values)
        return
    there = (
        (WEBHOOK_CURSOR.c.id == _CURSOR)
        & (WEBHOOK_CURSOR.c.number == before.number)
        & (WEBHOOK_CURSOR.c.changed == before.time)
    )
    if after is None:
        moved = connection.execute(delete(WEBHOOK_CURSOR).where(there)).rowcount
    else:
        moved = connection.execute(
            update(WEBHOOK_CURSOR)
            .where(there)
            .values(number=after.number, changed=after.time)
        ).rowcount
    if moved != 1:
        raise ConflictError("another scheduler has expanded state changes meanwhile")


def add_deliveries(connection: Connection, deliveries: Sequence[NewDelivery]) -> None:
    """Insert deliveries, due at once or with those of their tasks."""
    if not deliveries:
        return
    of_task = {
        each.recipient.destination: each.recipient.is_of_task for each in deliveries
    }
    lock_destinations(connection, of_task)
    waits = _waits_of(connection, {each.task_id for each in deliveries})
    connection.execute(
        insert(WEBHOOK_DELIVERY),
        [
            values_of_delivery(
                each,
                not_before=waits.get((each.task_id, each.recipient.destination), 0),
            )
            for each in deliveries
        ],
    )
    compute_times(connection, of_task)


def _waits_of(
    connection: Connection, tasks: Collection[str]
) -> Mapping[tuple[str, str], int]:
    """Return until when deliveries of tasks wait, whose later ones wait with them."""
    query = (
        select(_D.task_id, _D.destination, func.max(_D.next_try).label("until"))
        .where(_D.task_id.in_(list(tasks)), IS_PENDING)
        .group_by(_D.task_id, _D.destination)
    )
    rows: Any = connection.execute(query)
    return {(row.task_id, row.destination): row.until for row in rows}
