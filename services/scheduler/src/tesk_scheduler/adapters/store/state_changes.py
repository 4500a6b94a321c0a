"""Stores the feed of state changes, see ``domain.state_changes``.

Changes are numbered by the last statement of the transaction that makes them, while a
lock keeps all others from doing so until it has ended: a change becomes visible after
all with smaller numbers. A sequence of PostgreSQL does not promise that. SQLite has one
writer, and needs no lock.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Connection,
    Row,
    bindparam,
    delete,
    func,
    insert,
    select,
    text,
)

from tesk_model.reasons import reason_code
from tesk_model.states import TaskState
from tesk_model.task import TaskId
from tesk_scheduler.adapters.store.driver import DriverStatement
from tesk_scheduler.adapters.store.schema import (
    STATE_CHANGE,
    STATE_NUMBERS,
    STATES,
    TAG,
    TASK,
    clean,
    index_form,
)
from tesk_scheduler.adapters.store.times import micros
from tesk_scheduler.domain.state_changes import (
    BEGINNING,
    NAME_LENGTH,
    ChangeFilter,
    ChangePage,
    NewChange,
    Position,
    StoredChange,
)

_LOCK = 0x7E5D
# Numbers that one read goes through, however few of the changes match.
_LOOKED_AT = 20_000

_C = STATE_CHANGE.c
_LAST = DriverStatement(lambda _: select(func.coalesce(func.max(_C.number), 0)))
_INSERT = DriverStatement(lambda _: insert(STATE_CHANGE))
_TIME = select(_C.changed).where(_C.number == bindparam("number"))
_FIRST = select(func.min(_C.number))
_NEWEST = select(_C.number, _C.changed).order_by(_C.number.desc()).limit(1)
_NEWEST_UP_TO = _NEWEST.where(_C.number <= bindparam("last"))
_NAME = func.substr(TASK.c.name, 1, bindparam("length"))
_CHANGES = (
    select(*STATE_CHANGE.c, _NAME.label("name"))
    .join_from(STATE_CHANGE, TASK, TASK.c.seq == _C.task_seq, isouter=True)
    .where(_C.number > bindparam("first"), _C.number <= bindparam("last"))
    .order_by(_C.number)
    .limit(bindparam("most"))
)
_OF_OWNERS = _CHANGES.where(_C.owner.in_(bindparam("owners", expanding=True)))
_TAGS = select(TAG.c.task_seq, TAG.c.key, TAG.c.value).where(
    TAG.c.task_seq.in_(bindparam("tasks", expanding=True)),
    TAG.c.key.in_(bindparam("keys", expanding=True)),
)

_Tags = Mapping[int, Mapping[str, str]]
"""Tags by the ``seq`` of a task, in their indexed form."""


def write_changes(connection: Connection, changes: Sequence[NewChange]) -> None:
    """Number and store changes; nothing else may be written in this transaction."""
    if not changes:
        return
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    [(last,)] = _LAST.rows(connection, {})
    _INSERT.run_all(
        connection,
        [
            {
                "number": number,
                "task_seq": each.task,
                "task_id": each.task_id,
                "owner": each.owner,
                "state": STATE_NUMBERS[each.state],
                "attempt": each.attempt,
                "reason_code": each.reason.value,
                "changed": micros(each.time),
            }
            for number, each in enumerate(changes, start=last + 1)
        ],
    )


def read_changes(
    connection: Connection,
    after: Position | None,
    filters: Sequence[ChangeFilter],
    limit: int,
) -> ChangePage:
    """Read the changes after a position that match a filter; None: after the last."""
    if after is None:
        return ChangePage(changes=(), position=_newest(connection))
    last = _newest_up_to(connection, after.number + _LOOKED_AT)
    rows = _rows(connection, (after.number, last.number), filters, limit)
    tags = _tags(connection, rows, filters)
    newest = _newest(connection)
    # Now: the first ones may be deleted while this reads.
    if not _is_stored(connection, after):
        return ChangePage(changes=(), position=newest, is_expired=True)
    if len(rows) == limit:
        last = Position(rows[-1].number, rows[-1].changed)
    end = max(after, last)
    return ChangePage(
        changes=_matching(rows, filters, tags),
        position=end,
        has_more=end.number < newest.number,
    )


def delete_changes(
    connection: Connection, *, before: datetime, most: int, limit: int
) -> int:
    """Delete the first ones; never the last one, which is where the feed ends."""
    newest = _newest(connection).number
    oldest = connection.execute(
        select(_C.number, _C.changed).order_by(_C.number).limit(limit)
    ).all()
    last = 0
    for row in oldest:
        if row.number == newest or (
            row.changed >= micros(before) and row.number > newest - most
        ):
            break
        last = row.number
    if not last:
        return 0
    return connection.execute(delete(STATE_CHANGE).where(_C.number <= last)).rowcount


def _is_stored(connection: Connection, position: Position) -> bool:
    """Tell whether all that came after a position is stored."""
    if position == BEGINNING:
        first = connection.scalar(_FIRST)
        return first is None or first == 1
    time = connection.scalar(_TIME, {"number": position.number})
    return bool(time == position.time)


def _newest(connection: Connection) -> Position:
    row = connection.execute(_NEWEST).one_or_none()
    return BEGINNING if row is None else Position(row.number, row.changed)


def _newest_up_to(connection: Connection, number: int) -> Position:
    row = connection.execute(_NEWEST_UP_TO, {"last": number}).one_or_none()
    return BEGINNING if row is None else Position(row.number, row.changed)


def _rows(
    connection: Connection,
    between: tuple[int, int],
    filters: Sequence[ChangeFilter],
    limit: int,
) -> Sequence[Row[*tuple[Any, ...]]]:
    first, last = between
    if last <= first:
        return []
    prefixes = (len(each.name_prefix) for each in filters)
    length = max(NAME_LENGTH, *prefixes, 0)
    values = {"first": first, "last": last, "most": limit, "length": length}
    owners = {each.owner for each in filters}
    if None in owners:
        return connection.execute(_CHANGES, values).all()
    found = connection.execute(_OF_OWNERS, values | {"owners": list(owners)})
    return found.all()


def _tags(
    connection: Connection,
    rows: Iterable[Row[*tuple[Any, ...]]],
    filters: Sequence[ChangeFilter],
) -> _Tags:
    """Read the tags that filters name."""
    keys = {index_form(key) for each in filters for key, _ in each.tags}
    found: dict[int, dict[str, str]] = {}
    if keys:
        tasks = {row.task_seq for row in rows}
        values = {"tasks": list(tasks), "keys": list(keys)}
        for seq, key, value in connection.execute(_TAGS, values):
            found.setdefault(seq, {})[key] = value
    return found


def _matching(
    rows: Sequence[Row[*tuple[Any, ...]]], filters: Sequence[ChangeFilter], tags: _Tags
) -> list[StoredChange]:
    by_owner: dict[str | None, list[tuple[int, _Condition]]] = {}
    for index, each in enumerate(filters):
        by_owner.setdefault(each.owner, []).append((index, _Condition(each)))
    changes = []
    for row in rows:
        asked = [*by_owner.get(row.owner, ()), *by_owner.get(None, ())]
        own = tags.get(row.task_seq, {})
        matched = [index for index, each in asked if each.matches(row, own)]
        if matched:
            changes.append(_change_of(row, tuple(sorted(matched))))
    return changes


class _Condition:
    """A filter beside the owner, as rows have its values."""

    __slots__ = ("_prefix", "_state", "_tags")

    def __init__(self, given: ChangeFilter) -> None:
        self._prefix = clean(given.name_prefix)
        self._state = None if given.state is None else STATE_NUMBERS[given.state]
        self._tags = [
            (index_form(key), index_form(value) if value else "")
            for key, value in given.tags
        ]

    def matches(self, row: Row[*tuple[Any, ...]], tags: Mapping[str, str]) -> bool:
        if self._state is not None and row.state != self._state:
            return False
        if self._prefix and not (row.name or "").startswith(self._prefix):
            return False
        return all(
            key in tags and value in ("", tags[key]) for key, value in self._tags
        )


def _change_of(row: Row[*tuple[Any, ...]], matched: tuple[int, ...]) -> StoredChange:
    return StoredChange(
        position=Position(row.number, row.changed),
        task=row.task_seq,
        task_id=TaskId(row.task_id),
        owner=row.owner,
        name=None if row.name is None else row.name[:NAME_LENGTH],
        state=STATES.get(row.state, TaskState.UNKNOWN),
        attempt=row.attempt,
        reason=reason_code(row.reason_code),
        matched=matched,
    )
