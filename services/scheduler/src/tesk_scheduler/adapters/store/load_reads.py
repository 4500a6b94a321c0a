"""Reads what happened in the last hours; see ``LoadReads``.

One statement counts one interval, each part of it from an index that holds all that it
needs: no row of a task is read.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    bindparam,
    case,
    func,
    or_,
    select,
    true,
)

from tesk_model.states import TaskState
from tesk_model.task import TaskId
from tesk_scheduler.adapters.store.schema import STATE_NUMBERS, STATES, TASK
from tesk_scheduler.adapters.store.times import from_micros, micros
from tesk_scheduler.domain.load import FailedTask, Interval, IntervalCounts

_C = TASK.c
_FAILURES = tuple(
    STATE_NUMBERS[state] for state in (TaskState.EXECUTOR_ERROR, TaskState.SYSTEM_ERROR)
)

ResultT = TypeVar("ResultT")


def _sum_where(condition: ColumnElement[bool]) -> ColumnElement[Any]:
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)


def _counts(*, of_owner: bool) -> Select[Any]:
    """Select one row: the counts of an interval."""

    def within(column: ColumnElement[Any]) -> list[ColumnElement[bool]]:
        found = [column >= bindparam("start"), column < bindparam("end")]
        # An expression, so that SQLite does not take an index of the owner, by which
        # it would read every task of a busy one.
        is_own = _C.owner.concat("") == bindparam("owner")
        return [*found, is_own] if of_owner else found

    queued = select(func.count().label("queued")).where(*within(_C.queued)).subquery()
    wait = _C.started - _C.queued
    started = (
        select(
            func.count().label("started"),
            func.coalesce(func.sum(wait), 0).label("waited"),
            func.coalesce(func.max(wait), 0).label("longest_wait"),
        )
        # An earlier attempt's start is older than the time at which it is queued now.
        .where(*within(_C.started), wait >= 0)
        .subquery()
    )
    ended = (
        select(
            _sum_where(_C.state == STATE_NUMBERS[TaskState.COMPLETE]).label("complete"),
            _sum_where(_C.state.in_(_FAILURES)).label("failed"),
            _sum_where(_C.state == STATE_NUMBERS[TaskState.CANCELED]).label("canceled"),
            _sum_where(or_(_C.started.is_(None), wait < 0)).label("unstarted"),
        )
        .where(*within(_C.ended))
        .subquery()
    )
    return select(queued, started, ended).select_from(
        queued.join(started, true()).join(ended, true())
    )


# Built once: building costs more than running.
_COUNTS = {of_owner: _counts(of_owner=of_owner) for of_owner in (False, True)}


def _failed(*, of_owner: bool) -> Select[Any]:
    found = select(
        _C.id, _C.name, _C.owner, _C.state, _C.reason_code, _C.ended, _C.seq
    ).where(_C.state == bindparam("state"))
    if of_owner:
        found = found.where(_C.owner == bindparam("owner"))
    return found.order_by(_C.seq.desc()).limit(bindparam("limit"))


_FAILED = {of_owner: _failed(of_owner=of_owner) for of_owner in (False, True)}


class SqlLoadReads:
    """See ``LoadReads``."""

    def _read(
        self, read: Callable[[Connection], ResultT], *, at_one_moment: bool = False
    ) -> ResultT:
        """Run ``read`` on a connection; the store does."""
        raise NotImplementedError

    def interval_counts(
        self, intervals: Sequence[Interval], *, owner: str | None
    ) -> list[IntervalCounts]:
        """Count by the indices of times."""
        statement = _COUNTS[owner is not None]

        def read(connection: Connection) -> list[IntervalCounts]:
            return [
                _counts_of(
                    connection.execute(
                        statement,
                        {
                            "start": micros(each.start),
                            "end": micros(each.end),
                            **_owner(owner),
                        },
                    ).one()
                )
                for each in intervals
            ]

        return self._read(read, at_one_moment=True)

    def last_failed(self, limit: int, *, owner: str | None) -> list[FailedTask]:
        """List by the indices of states."""
        statement = _FAILED[owner is not None]

        def read(connection: Connection) -> list[Any]:
            return [
                row
                for state in _FAILURES
                for row in connection.execute(
                    statement, {"state": state, "limit": limit, **_owner(owner)}
                )
            ]

        rows = sorted(self._read(read), key=lambda row: -row.seq)[:limit]
        found = [
            FailedTask(
                id=TaskId(row.id),
                name=row.name,
                owner=row.owner,
                state=STATES[row.state],
                reason_code=row.reason_code,
                ended=from_micros(row.ended),
            )
            for row in rows
        ]
        return sorted(found, key=lambda each: each.ended, reverse=True)


def _owner(owner: str | None) -> dict[str, str]:
    return {} if owner is None else {"owner": owner}


def _counts_of(row: Any) -> IntervalCounts:
    return IntervalCounts(
        queued=row.queued,
        started=row.started,
        complete=int(row.complete),
        failed=int(row.failed),
        canceled=int(row.canceled),
        unstarted=int(row.unstarted),
        # PostgreSQL adds integers up to decimals.
        waited=timedelta(microseconds=int(row.waited)),
        longest_wait=timedelta(microseconds=int(row.longest_wait)),
    )
