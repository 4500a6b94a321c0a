"""Reads what queued tasks wait for, and where they stand."""

from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    bindparam,
    func,
    select,
    union_all,
)

from tesk_model.reasons import ReasonCode, reason_code
from tesk_model.states import TaskState
from tesk_model.task import TaskId
from tesk_scheduler.adapters.store.admin_reads import SqlAdminReads
from tesk_scheduler.adapters.store.rows import reason_of
from tesk_scheduler.adapters.store.schema import (
    IS_EXPLAINED,
    IS_QUEUED,
    STATES,
    TASK,
    USAGE,
)
from tesk_scheduler.adapters.store.times import from_micros
from tesk_scheduler.domain.queue_places import HOLDING_UP_NOBODY
from tesk_scheduler.domain.quota import EVERYBODY
from tesk_scheduler.domain.records import PassedOver, QueueHead, WaitingTasks

_C = TASK.c
_PRIORITY_BEFORE = (
    select(_C.priority).where(_C.seq == bindparam("before")).scalar_subquery()
)
_PASSED = sorted(HOLDING_UP_NOBODY)
_PASSED_OVER = (
    select(_C.owner, _C.priority, _C.seq)
    .where(IS_EXPLAINED, IS_QUEUED, _C.reason_code.in_(_PASSED))
    .limit(bindparam("limit"))
)
_HEAD = (
    select(_C.id, _C.reason, _C.reason_code, _C.wait)
    .where(
        *(_C.owner == bindparam("owner"), IS_QUEUED, _C.released.is_(True)),
        _C.reason_code.not_in(_PASSED),
    )
    .order_by(_C.priority.desc(), _C.seq)
    .limit(1)
)
# By the index of what is explained: heads of queues and admitted tasks alone.
_EXPLAINED = (
    select(
        _C.state,
        _C.reason_code,
        func.count().label("tasks"),
        func.min(_C.queued).label("queued"),
        func.min(_C.started).label("started"),
    )
    .where(IS_EXPLAINED)
    .group_by(_C.state, _C.reason_code)
)
# What waits for a pause or for the end of an earlier attempt is not explained by rounds.
_EXPLAINED_TASKS = select(_C.id).where(
    IS_EXPLAINED, IS_QUEUED, _C.released.is_(True), _C.not_before.is_(None)
)
_OLDEST_UNEXPLAINED = (
    select(_C.queued).where(IS_QUEUED, _C.reason_code == "").order_by(_C.seq).limit(1)
)
_ALL_QUEUED = select(USAGE.c.queued).where(
    USAGE.c.kind == EVERYBODY.kind.value, USAGE.c.name == EVERYBODY.name
)
_OF_OWNER = (_C.owner == bindparam("owner"), IS_QUEUED)


def _some(*condition: ColumnElement[bool]) -> Select[Any]:
    """Select tasks of a part of an owner's queue, which its index has in one piece."""
    part = select(_C.seq).where(*_OF_OWNER, *condition).limit(bindparam("limit"))
    return select(part.subquery().c.seq)


# Two pieces, each no longer than the limit: by one condition for both, the whole queue
# of the owner would be read.
_QUEUED_BEFORE = select(func.count()).select_from(
    union_all(
        _some(_C.priority > _PRIORITY_BEFORE),
        _some(_C.priority == _PRIORITY_BEFORE, _C.seq < bindparam("before")),
    ).subquery()
)


class SqlWaitReads(SqlAdminReads):
    """See ``WaitReads``."""

    def count_queued_before(self, owner: str, seq: int, *, limit: int) -> int:
        """Count by the index of owner and state."""
        values = {"owner": owner, "before": seq, "limit": limit}
        count = self._read(lambda connection: connection.scalar(_QUEUED_BEFORE, values))
        return min(limit, int(count or 0))

    def queue_head(self, owner: str) -> QueueHead | None:
        """Read by the index of owner and state."""
        values = {"owner": owner}
        row = self._read(lambda connection: connection.execute(_HEAD, values).first())
        if row is None:
            return None
        reason, history = reason_of(row.reason_code, row.reason, row.wait)
        return QueueHead(TaskId(row.id), reason, history.since)

    def passed_over(self, limit: int) -> list[PassedOver]:
        """Read by the index of what is explained."""
        values = {"limit": limit}
        rows = self._read(
            lambda connection: connection.execute(_PASSED_OVER, values).all()
        )
        return [PassedOver(*row) for row in rows]

    def explained(self) -> list[TaskId]:
        """Read by the index of what is explained."""
        return self._read(
            lambda connection: list(map(TaskId, connection.scalars(_EXPLAINED_TASKS)))
        )

    def waiting(self) -> list[WaitingTasks]:
        """Read by the index of what is explained.

        Those that no reason is stored of are behind others of their owner.
        """
        return self._read(_waiting)


def _waiting(connection: Connection) -> list[WaitingTasks]:
    found = [_waiting_of(row) for row in connection.execute(_EXPLAINED)]
    oldest = connection.scalar(_OLDEST_UNEXPLAINED)
    if oldest is None:
        return found
    queued = connection.scalar(_ALL_QUEUED) or 0
    explained = sum(each.tasks for each in found if each.state is TaskState.QUEUED)
    behind = WaitingTasks(
        state=TaskState.QUEUED,
        reason=ReasonCode.ADMISSION_PENDING,
        tasks=max(1, queued - explained),
        oldest=from_micros(oldest),
    )
    return [*found, behind]


def _waiting_of(row: Row[*tuple[Any, ...]]) -> WaitingTasks:
    state = STATES[row.state]
    return WaitingTasks(
        state=state,
        reason=reason_code(row.reason_code),
        tasks=row.tasks,
        oldest=from_micros(row.queued if state is TaskState.QUEUED else row.started),
    )
