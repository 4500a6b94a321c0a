"""Reads and writes what operators hold."""

from typing import Any

from sqlalchemy import Connection, delete, select

from tesk_scheduler.adapters.store.schema import HOLD, clean
from tesk_scheduler.adapters.store.statements import replacing
from tesk_scheduler.adapters.store.times import from_micros, micros
from tesk_scheduler.domain.holds import Hold
from tesk_scheduler.domain.quota import Subject, SubjectKind

_C = HOLD.c
_ALL = select(HOLD).order_by(_C.kind, _C.name)
_PUT = replacing(
    HOLD,
    "kind name",
    lambda new: {name: new[name] for name in ("reason", "operator", "since")},
)


def read_holds(connection: Connection) -> list[Hold]:
    """Read all holds; those of a kind that a later release has are left out."""
    rows: Any = connection.execute(_ALL)
    known = {kind.value for kind in SubjectKind}
    return [
        Hold(
            subject=Subject(SubjectKind(row.kind), row.name),
            reason=row.reason,
            operator=row.operator,
            since=from_micros(row.since),
        )
        for row in rows
        if row.kind in known
    ]


def put_hold(connection: Connection, hold: Hold) -> None:
    """Insert or replace one."""
    values = {
        "kind": hold.subject.kind.value,
        "name": clean(hold.subject.name),
        "reason": clean(hold.reason),
        "operator": clean(hold.operator),
        "since": micros(hold.since),
    }
    connection.execute(_PUT[connection.dialect.name], values)


def remove_hold(connection: Connection, subject: Subject) -> None:
    """Delete one."""
    connection.execute(
        delete(HOLD).where(
            _C.kind == subject.kind.value, _C.name == clean(subject.name)
        )
    )
