"""Bounds the deliveries of webhooks; lists, revives and drops dead ones."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, delete, func, select
from sqlalchemy import update as update_rows

from tesk_model.errors import InvalidRequestError, Violation
from tesk_scheduler.adapters.store.times import (
    from_micros_or_none,
    micros,
)
from tesk_scheduler.adapters.store.webhook_destinations import (
    compute_times,
    lock_destinations,
)
from tesk_scheduler.adapters.store.webhook_rows import DELIVERY_COLUMNS, delivery_of
from tesk_scheduler.adapters.store.webhook_schema import (
    IS_DEAD,
    IS_PENDING,
    WEBHOOK_DELIVERY,
    WEBHOOK_DESTINATION,
)
from tesk_scheduler.ports.webhooks import (
    Backlog,
    Bounds,
    DeadLetters,
    Selection,
    Trimmed,
)

_D = WEBHOOK_DELIVERY.c
_E = WEBHOOK_DESTINATION.c
_AT_ONCE = 1000
_TOO_OLD = "was not accepted in time"
_TOO_MANY = "more events wait for this receiver than are kept"

_ALL = Selection()
_OF_DESTINATION = select(_D.destination, func.count().label("number")).where(IS_PENDING)


def trim(connection: Connection, bounds: Bounds, now: datetime) -> Trimmed:
    """Apply all bounds, each to as many as one transaction may hold up."""
    dead = _end(connection, _too_old(bounds, now), _TOO_OLD, now)
    counted = _OF_DESTINATION.group_by(_D.destination)
    crowded = counted.having(func.count() > bounds.pending)
    for row in connection.execute(crowded).all():
        surplus = min(_AT_ONCE, row.number - bounds.pending)
        first = (
            select(_D.seq)
            .where(_D.destination == row.destination, IS_PENDING)
            .order_by(_D.seq)
            .limit(surplus)
        )
        dead += _end(connection, first, _TOO_MANY, now)
    deleted = _delete(connection, _expired(bounds, now))
    surplus = count_dead(connection, _ALL) - bounds.dead
    if surplus > 0:
        first = select(_D.seq).where(IS_DEAD).order_by(_D.dead, _D.seq)
        deleted += _delete(connection, first.limit(min(surplus, _AT_ONCE)))
    _repair(connection, now)
    return Trimmed(dead, deleted, has_more=max(dead, deleted) >= _AT_ONCE)


def read_backlog(connection: Connection) -> Backlog:
    """Count by the indices of what waits."""
    pending: dict[str, int] = {}
    for row in connection.execute(_OF_DESTINATION.group_by(_D.destination)):
        target = row.destination.partition(" ")[0]
        pending[target] = pending.get(target, 0) + row.number
    oldest = connection.scalar(select(func.min(_D.created)).where(IS_PENDING))
    return Backlog(pending, count_dead(connection, _ALL), from_micros_or_none(oldest))


def read_dead(
    connection: Connection, selection: Selection, cursor: str, limit: int
) -> DeadLetters:
    """Read one page."""
    if cursor and not cursor.isdecimal():
        problem = "was not made by this release"
        raise InvalidRequestError([Violation("cursor", problem)])
    query = (
        select(*DELIVERY_COLUMNS)
        .where(_selected(selection), _D.seq > int(cursor or 0))
        .order_by(_D.seq)
        .limit(limit + 1)
    )
    rows: Sequence[Any] = connection.execute(query).all()
    found = [delivery_of(row) for row in rows[:limit]]
    more = str(found[-1].seq) if len(rows) > limit else ""
    return DeadLetters(deliveries=found, next_cursor=more)


def count_dead(connection: Connection, selection: Selection) -> int:
    """Count those that are selected."""
    query = select(func.count()).select_from(WEBHOOK_DELIVERY)
    return int(connection.scalar(query.where(_selected(selection))) or 0)


def revive(
    connection: Connection, selection: Selection, limit: int, now: datetime
) -> int:
    """Let the first ones wait again, as if they had just been made."""
    query = (
        select(_D.seq, _D.destination, _D.of_task)
        .where(_selected(selection))
        .order_by(_D.seq)
        .limit(limit)
    )
    rows = connection.execute(query).all()
    of_task = {row.destination: row.of_task for row in rows}
    lock_destinations(connection, of_task)
    at = micros(now)
    revived = connection.execute(
        update_rows(WEBHOOK_DELIVERY)
        .where(_D.seq.in_([row.seq for row in rows]), IS_DEAD)
        .values(dead=None, next_try=at, created=at, tries=0)
    )
    compute_times(connection, of_task)
    return int(revived.rowcount)


def drop(connection: Connection, selection: Selection, limit: int) -> int:
    """Delete the first ones."""
    chosen = select(_D.seq).where(_selected(selection)).order_by(_D.seq).limit(limit)
    return _delete(connection, chosen)


def _selected(selection: Selection) -> ColumnElement[bool]:
    conditions: list[ColumnElement[bool]] = [IS_DEAD]
    if selection.seqs:
        conditions.append(_D.seq.in_(list(selection.seqs)))
    if selection.target:
        conditions.append(_D.target == selection.target)
    return and_(*conditions)


def _too_old(bounds: Bounds, now: datetime) -> Select[tuple[int]]:
    before = micros(now - bounds.max_age)
    query = select(_D.seq).where(_D.created < before, IS_PENDING)
    return query.order_by(_D.created).limit(_AT_ONCE)


def _expired(bounds: Bounds, now: datetime) -> Select[tuple[int]]:
    query = select(_D.seq).where(_D.dead < micros(now - bounds.keep_dead), IS_DEAD)
    return query.order_by(_D.dead, _D.seq).limit(_AT_ONCE)


def _end(
    connection: Connection, chosen: Select[tuple[int]], cause: str, now: datetime
) -> int:
    """Let deliveries be dead; what they last failed of is told, if they were tried."""
    seqs = list(connection.scalars(chosen))
    if not seqs:
        return 0
    names = connection.execute(
        select(_D.destination, _D.of_task).where(_D.seq.in_(seqs)).distinct()
    )
    of_task = {row.destination: row.of_task for row in names}
    lock_destinations(connection, of_task)
    error = func.rtrim(func.substr(cause + "; " + _D.last_error, 1, 400), "; ")
    ended = connection.execute(
        update_rows(WEBHOOK_DELIVERY)
        .where(_D.seq.in_(seqs), IS_PENDING)
        .values(dead=micros(now), next_try=None, last_error=error)
    )
    compute_times(connection, of_task)
    return int(ended.rowcount)


def _delete(connection: Connection, chosen: Select[tuple[int]]) -> int:
    seqs = list(connection.scalars(chosen))
    if not seqs:
        return 0
    statement = delete(WEBHOOK_DELIVERY).where(_D.seq.in_(seqs), IS_DEAD)
    return int(connection.execute(statement).rowcount)


def _repair(connection: Connection, now: datetime) -> None:
    """Forget destinations for which nothing waits; see that the others have a time."""
    waits = select(_D.seq).where(_D.destination == _E.name, IS_PENDING).exists()
    connection.execute(
        delete(WEBHOOK_DESTINATION).where(
            _E.next_try.is_(None),
            _E.not_before.is_(None) | (_E.not_before < micros(now)),
            ~waits,
        )
    )
    known = select(_E.name).where(_E.name == _D.destination, _E.next_try.is_not(None))
    lost = select(_D.destination, _D.of_task).where(IS_PENDING, ~known.exists())
    rows = connection.execute(lost.distinct().limit(_AT_ONCE)).all()
    of_task = {row.destination: row.of_task for row in rows}
    lock_destinations(connection, of_task)
    compute_times(connection, of_task)
