"""Defines the tables of webhooks, see ``ports.webhooks``."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
)

from tesk_scheduler.adapters.store.schema import METADATA
from tesk_scheduler.adapters.store.schema.columns import SEQ, of_task

TASK_WEBHOOK = Table(
    "task_webhook",
    METADATA,
    of_task(),
    Column("url", Text, nullable=False),
)

# One row: up to where state changes were expanded.
WEBHOOK_CURSOR = Table(
    "webhook_cursor",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("number", BigInteger, nullable=False),
    Column("changed", BigInteger, nullable=False),
)

# Without a foreign key: events are delivered though their task was deleted.
WEBHOOK_DELIVERY = Table(
    "webhook_delivery",
    METADATA,
    Column("seq", SEQ, primary_key=True),
    Column("destination", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("of_task", Boolean, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("task_id", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("last_error", Text, nullable=False),
    # NULL if it is dead, and ``dead`` is NULL if it is not.
    Column("next_try", BigInteger),
    Column("dead", BigInteger),
)
_D = WEBHOOK_DELIVERY.c
IS_PENDING = _D.dead.is_(None)
IS_DEAD = _D.dead.is_not(None)
Index(
    "ix_webhook_delivery_due",
    _D.destination,
    _D.next_try,
    _D.seq,
    sqlite_where=IS_PENDING,
    postgresql_where=IS_PENDING,
)
Index(
    "ix_webhook_delivery_task",
    _D.task_id,
    _D.destination,
    _D.seq,
    sqlite_where=IS_PENDING,
    postgresql_where=IS_PENDING,
)
Index(
    "ix_webhook_delivery_created",
    _D.created,
    sqlite_where=IS_PENDING,
    postgresql_where=IS_PENDING,
)
Index(
    "ix_webhook_delivery_dead",
    _D.dead,
    _D.seq,
    sqlite_where=IS_DEAD,
    postgresql_where=IS_DEAD,
)

WEBHOOK_DESTINATION = Table(
    "webhook_destination",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("of_task", Boolean, nullable=False),
    Column("failing", Boolean, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("not_before", BigInteger),
    # NULL: nothing waits for it.
    Column("next_try", BigInteger),
)
_E = WEBHOOK_DESTINATION.c
_IS_DUE = _E.next_try.is_not(None)
Index(
    "ix_webhook_destination_due",
    _E.of_task,
    _E.failing,
    _E.next_try,
    sqlite_where=_IS_DUE,
    postgresql_where=_IS_DUE,
)
