"""Keeps the deliveries of webhooks; see ``DeliveryStore``."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol, TypeVar

from sqlalchemy import (
    Connection,
    bindparam,
    delete,
    insert,
    select,
    update,
)

from tesk_model.task import TaskId
from tesk_scheduler.adapters.store import webhook_destinations, webhook_letters
from tesk_scheduler.adapters.store.rows import groups_of
from tesk_scheduler.adapters.store.schema import TASK, clean
from tesk_scheduler.adapters.store.times import (
    from_micros,
    from_micros_or_none,
    micros,
    micros_or_none,
)
from tesk_scheduler.adapters.store.webhook_destinations import (
    compute_times,
    lock_destinations,
    set_circuits,
)
from tesk_scheduler.adapters.store.webhook_expansion import (
    add_deliveries,
    move_cursor,
)
from tesk_scheduler.adapters.store.webhook_rows import (
    DELIVERY_COLUMNS,
    EVENT_TASK_COLUMNS,
    delivery_of,
)
from tesk_scheduler.adapters.store.webhook_schema import (
    IS_PENDING,
    TASK_WEBHOOK,
    WEBHOOK_CURSOR,
    WEBHOOK_DELIVERY,
)
from tesk_scheduler.domain.records import Micros, NewTask
from tesk_scheduler.domain.state_changes import Position
from tesk_scheduler.domain.webhooks.deliveries import (
    Circuit,
    Delivery,
    NewDelivery,
    Outcome,
    Settled,
)
from tesk_scheduler.domain.webhooks.events import EventTask
from tesk_scheduler.domain.webhooks.lanes import Lane
from tesk_scheduler.ports.webhooks import (
    Backlog,
    Bounds,
    DeadLetters,
    DueDestination,
    Selection,
    Trimmed,
)

_D = WEBHOOK_DELIVERY.c
_EARLIER = WEBHOOK_DELIVERY.alias()
_HAS_EARLIER = (
    select(_EARLIER.c.seq)
    .where(
        _EARLIER.c.task_id == _D.task_id,
        _EARLIER.c.destination == _D.destination,
        _EARLIER.c.dead.is_(None),
        _EARLIER.c.seq < _D.seq,
    )
    .exists()
)
_RETRY = (
    update(WEBHOOK_DELIVERY)
    .where(_D.seq == bindparam("row"))
    .values(
        tries=_D.tries + 1,
        last_error=bindparam("new_error"),
        next_try=bindparam("new_next_try"),
        dead=bindparam("new_dead"),
    )
)
_POSTPONE = (
    update(WEBHOOK_DELIVERY)
    .where(
        _D.task_id == bindparam("of_id"),
        _D.destination == bindparam("of_destination"),
        IS_PENDING,
        _D.next_try < bindparam("until"),
    )
    .values(next_try=bindparam("until"))
)

ResultT = TypeVar("ResultT")


class _Run(Protocol):
    def __call__(self, work: Callable[[Connection], ResultT], /) -> ResultT:
        """Run ``work`` on a connection."""


class SqlDeliveries:
    """See ``DeliveryStore``."""

    def __init__(self, read: _Run, write: _Run) -> None:
        """Read and write as a store does, whose database this is."""
        self._read = read
        self._write = write

    def cursor(self) -> Position | None:
        """Read the one row."""
        columns = (WEBHOOK_CURSOR.c.number, WEBHOOK_CURSOR.c.changed)
        row = self._read(lambda each: each.execute(select(*columns)).one_or_none())
        return None if row is None else Position(row.number, Micros(row.changed))

    def expand(
        self,
        before: Position | None,
        after: Position | None,
        deliveries: Sequence[NewDelivery],
    ) -> None:
        """Move the one row, guarded, and insert."""

        def work(connection: Connection) -> None:
            move_cursor(connection, before, after)
            add_deliveries(connection, deliveries)

        self._write(work)

    def event_tasks(self, tasks: Collection[int]) -> Mapping[int, EventTask]:
        """Read from the narrow table."""
        query = (
            select(*EVENT_TASK_COLUMNS)
            .join_from(TASK, TASK_WEBHOOK, isouter=True)
            .where(TASK.c.seq.in_(list(tasks)))
        )
        rows: Any = self._read(lambda each: each.execute(query).all())
        return {
            row.seq: EventTask(
                groups=groups_of(row.owner_groups),
                attempt=row.attempt,
                created_at=from_micros(row.created),
                started_at=from_micros_or_none(row.started),
                ended_at=from_micros_or_none(row.ended),
                webhook=row.url or "",
            )
            for row in rows
        }

    def due_destinations(
        self, lane: Lane, now: datetime, limit: int, *, leave_out: Collection[str]
    ) -> list[DueDestination]:
        """Read by the index of what is due."""
        return self._read(
            lambda each: webhook_destinations.read_due(
                each, lane, now, limit, leave_out
            )
        )

    def due_deliveries(
        self,
        destination: str,
        now: datetime,
        limit: int,
        *,
        leave_out: Collection[str],
    ) -> list[Delivery]:
        """Read by the index of what is due, without what comes later in its task."""
        query = (
            select(*DELIVERY_COLUMNS)
            .where(
                _D.destination == destination,
                IS_PENDING,
                _D.next_try <= micros(now),
                _D.task_id.not_in(list(leave_out)),
                ~_HAS_EARLIER,
            )
            .order_by(_D.next_try, _D.seq)
            .limit(limit)
        )
        rows = self._read(lambda each: each.execute(query).all())
        return [delivery_of(row) for row in rows]

    def next_due(self) -> datetime | None:
        """Read the earliest of the destinations."""
        return self._read(webhook_destinations.read_next_due)

    def settle(
        self,
        settled: Sequence[Settled],
        circuits: Mapping[str, Circuit],
        *,
        now: datetime,
    ) -> None:
        """Delete what is done; update the rest."""
        self._write(lambda each: _settle(each, settled, circuits, now))

    def trim(self, bounds: Bounds, *, now: datetime) -> Trimmed:
        """Update and delete."""
        return self._write(lambda each: webhook_letters.trim(each, bounds, now))

    def backlog(self) -> Backlog:
        """Count by index."""
        return self._read(webhook_letters.read_backlog)

    def dead_letters(
        self, selection: Selection, cursor: str, limit: int
    ) -> DeadLetters:
        """Read by number."""
        return self._read(
            lambda each: webhook_letters.read_dead(each, selection, cursor, limit)
        )

    def count_dead(self, selection: Selection) -> int:
        """Count."""
        return self._read(lambda each: webhook_letters.count_dead(each, selection))

    def revive(self, selection: Selection, limit: int, *, now: datetime) -> int:
        """Update."""
        return self._write(
            lambda each: webhook_letters.revive(each, selection, limit, now)
        )

    def drop(self, selection: Selection, limit: int) -> int:
        """Delete."""
        return self._write(lambda each: webhook_letters.drop(each, selection, limit))


def insert_webhooks(
    connection: Connection, tasks: Sequence[NewTask], seqs: Mapping[TaskId, int]
) -> None:
    """Insert the receivers that new tasks name."""
    named = [
        {"task_seq": seqs[task.id], "url": clean(task.webhook)}
        for task in tasks
        if task.webhook
    ]
    if named:
        connection.execute(insert(TASK_WEBHOOK), named)


def _settle(
    connection: Connection,
    settled: Sequence[Settled],
    circuits: Mapping[str, Circuit],
    now: datetime,
) -> None:
    of_task = {
        each.delivery.recipient.destination: each.delivery.recipient.is_of_task
        for each in settled
    }
    lock_destinations(connection, of_task)
    done = [
        each.delivery.seq
        for each in settled
        if each.outcome in (Outcome.DELIVERED, Outcome.DROPPED)
    ]
    if done:
        connection.execute(delete(WEBHOOK_DELIVERY).where(_D.seq.in_(done)))
    failed = [
        each for each in settled if each.outcome in (Outcome.RETRIED, Outcome.DEAD)
    ]
    if failed:
        connection.execute(_RETRY, [_failure_values(each, now) for each in failed])
    postponed = [
        {
            "of_id": each.delivery.task_id,
            "of_destination": each.delivery.recipient.destination,
            "until": micros(each.retry_at),
        }
        for each in failed
        if each.retry_at is not None
    ]
    if postponed:
        connection.execute(_POSTPONE, postponed)
    set_circuits(connection, circuits)
    compute_times(connection, of_task)


def _failure_values(settled: Settled, now: datetime) -> dict[str, Any]:
    is_dead = settled.outcome is Outcome.DEAD
    return {
        "row": settled.delivery.seq,
        "new_error": clean(settled.detail),
        "new_next_try": micros_or_none(settled.retry_at),
        "new_dead": micros(now) if is_dead else None,
    }
