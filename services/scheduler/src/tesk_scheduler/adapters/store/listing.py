"""Builds the statements of filtered lists, newest first, each served by an index.

One condition *drives*: the one with the fewest matches, found by counting each
up to a bound. A selective driver gives its matches as a set; otherwise its
index is walked from the newest task on, and the page is full soon. The other
conditions are tested on what the driver gives, written so that no planner
takes them for the driver.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, exists, func, select

from tesk_model.states import TaskState
from tesk_scheduler.adapters.store.reading import SUMMARY_COLUMNS
from tesk_scheduler.adapters.store.schema import (
    INDEXED_LENGTH,
    STATE_NUMBERS,
    TAG,
    TASK,
    clean,
    index_form,
)
from tesk_scheduler.adapters.store.times import micros
from tesk_scheduler.domain.records import TaskQuery

_C = TASK.c
_FEW = 2000
_LAST_CHARACTER = 0x10FFFF
_SURROGATES = range(0xD800, 0xE000)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Condition:
    """One filter.

    Attributes:
        seq: Column with the numbers of matching tasks.
        where: The condition on that column's table, by its index.
        test: The same on a row of ``task``, without that index.
        ordered: Its index is ordered by ``seq``.
    """

    seq: ColumnElement[int]
    where: tuple[ColumnElement[bool], ...]
    test: ColumnElement[bool]
    ordered: bool

    def seqs(self) -> Select[int]:
        """Select the matching tasks."""
        return select(self.seq).where(*self.where)


def page_statement(connection: Connection, query: TaskQuery) -> Select[Any]:
    """Build the statement that reads one page of ``SUMMARY_COLUMNS``."""
    conditions = _conditions(query)
    driver, few = _choose(connection, conditions)
    tests = [other.test for other in conditions if other is not driver]
    statement = select(*SUMMARY_COLUMNS).limit(query.limit)
    if driver is not None and few:
        return _newest_first(
            statement.where(_C.seq.in_(driver.seqs()), *tests), _C.seq, query
        )
    if driver is None or not driver.ordered:
        if driver is not None:
            tests.append(driver.test)
        return _newest_first(
            statement.where(*_owned(query, _C.owner), *tests), _C.seq, query
        )
    if driver.seq.table is not TASK:
        statement = statement.join_from(TAG, TASK, _C.seq == driver.seq)
    return _newest_first(statement.where(*driver.where, *tests), driver.seq, query)


def _choose(
    connection: Connection, conditions: list[_Condition]
) -> tuple[_Condition | None, bool]:
    if not conditions:
        return None, False
    if len(conditions) == 1 and conditions[0].ordered:
        return conditions[0], False
    counts = [_count(connection, condition) for condition in conditions]
    least = min(counts)
    if least >= _FEW:
        # All match a lot: walk one that comes in order, if there is one.
        return next((each for each in conditions if each.ordered), conditions[0]), False
    return conditions[counts.index(least)], True


def _count(connection: Connection, condition: _Condition) -> int:
    bounded = condition.seqs().limit(_FEW).subquery()
    return int(connection.scalar(select(func.count()).select_from(bounded)) or 0)


def _newest_first(
    statement: Select[Any], seq: ColumnElement[int], query: TaskQuery
) -> Select[Any]:
    if query.before is not None:
        statement = statement.where(seq < query.before)
    if query.created_before is not None:
        statement = statement.where(_C.created < micros(query.created_before))
    return statement.order_by(seq.desc())


def _owned(
    query: TaskQuery, owner: ColumnElement[str]
) -> tuple[ColumnElement[bool], ...]:
    return () if query.owner is None else (owner == query.owner,)


def _conditions(query: TaskQuery) -> list[_Condition]:
    conditions = [_has_tag(query, key, value) for key, value in query.tags]
    if query.state is not None:
        conditions.append(_has_state(query, query.state))
    if query.name_prefix:
        conditions.append(_has_name(query))
    return conditions


def _has_state(query: TaskQuery, state: TaskState) -> _Condition:
    number = STATE_NUMBERS[state]
    return _Condition(
        seq=_C.seq,
        where=(*_owned(query, _C.owner), _C.state == number),
        test=_C.state + 0 == number,
        ordered=True,
    )


def _has_tag(query: TaskQuery, key: str, value: str) -> _Condition:
    tag = TAG.c
    pair = [tag.key == index_form(key)]
    if value:
        pair.append(tag.value == index_form(value))
    other = TAG.alias()
    same = [other.c.task_seq == _C.seq, other.c.key == index_form(key)]
    if value:
        same.append(other.c.value + "" == index_form(value))
    return _Condition(
        seq=tag.task_seq,
        where=(*pair, *_owned(query, tag.owner)),
        test=exists(select(other.c.task_seq).where(*same).correlate(TASK)),
        ordered=True,
    )


def _has_name(query: TaskQuery) -> _Condition:
    prefix = clean(query.name_prefix)
    test = func.substr(_C.name, 1, len(prefix)) == prefix
    indexed = prefix[:INDEXED_LENGTH]
    where = [_C.name_key >= indexed]
    end = _after(indexed)
    if end is not None:
        where.append(_C.name_key < end)
    if len(prefix) > INDEXED_LENGTH:
        where.append(test)
    return _Condition(
        seq=_C.seq,
        # Not the bare column, or its own index may seem better.
        where=(*where, *_owned(query, _C.owner + "")),
        test=test,
        ordered=False,
    )


def _after(prefix: str) -> str | None:
    """Return the first text after all that begin with ``prefix``."""
    stem = prefix.rstrip(chr(_LAST_CHARACTER))
    if not stem:
        return None
    following = ord(stem[-1]) + 1
    if following in _SURROGATES:
        following = _SURROGATES.stop
    return stem[:-1] + chr(following)
