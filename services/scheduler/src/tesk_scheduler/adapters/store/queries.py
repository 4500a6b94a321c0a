"""Defines queries that both readers and transactions use."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    Connection,
    Row,
    Select,
    bindparam,
    func,
    select,
    tuple_,
)

from tesk_model.states import TaskState
from tesk_scheduler.adapters.store.rows import (
    QUEUE_COLUMNS,
    RECORD_COLUMNS,
    queued_task_of,
    record_of,
)
from tesk_scheduler.adapters.store.schema import (
    LEADER,
    STATE_NUMBERS,
    TASK,
    TASKMASTER,
    USAGE,
)
from tesk_scheduler.adapters.store.times import from_micros, from_micros_or_none
from tesk_scheduler.domain.admission import QueuedTask
from tesk_scheduler.domain.dimensions import DIMENSIONS
from tesk_scheduler.domain.fleet import Taskmaster
from tesk_scheduler.domain.leadership import Leadership
from tesk_scheduler.domain.quota import Subject, SubjectKind, Usage
from tesk_scheduler.domain.records import TaskRecord

_C = TASK.c
UNRELEASED = _C.released.is_(False)
_QUEUED = STATE_NUMBERS[TaskState.QUEUED]

# Built once: building costs more than running.
_ASSIGNED_COUNT = select(func.count()).where(
    _C.taskmaster == TASKMASTER.c.id, UNRELEASED
)
_TASKMASTERS = select(TASKMASTER, _ASSIGNED_COUNT.scalar_subquery().label("assigned"))
_FLEET = _TASKMASTERS.order_by(TASKMASTER.c.started, TASKMASTER.c.id)
_TASKMASTER = _TASKMASTERS.where(TASKMASTER.c.id == bindparam("taskmaster"))
_ASSIGNED = (
    select(*RECORD_COLUMNS)
    .where(_C.taskmaster == bindparam("taskmaster"), UNRELEASED)
    .order_by(_C.seq)
)
_UNASSIGNED = select(_C.seq).where(_C.taskmaster.is_(None), UNRELEASED).limit(1)
_OWNERS = (
    select(USAGE.c.name)
    .where(USAGE.c.kind == SubjectKind.USER.value, USAGE.c.queued > 0)
    .order_by(USAGE.c.name)
)
_QUEUE = (
    select(*QUEUE_COLUMNS)
    .where(_C.owner == bindparam("owner"), _C.state == _QUEUED, _C.released.is_(True))
    .order_by(_C.seq)
    .limit(bindparam("window"))
)
_QUEUED_BEFORE = select(func.count()).select_from(
    select(_C.seq)
    .where(
        _C.owner == bindparam("owner"),
        _C.state == _QUEUED,
        _C.seq < bindparam("before"),
    )
    .limit(bindparam("limit"))
    .subquery()
)


def read_usage(
    connection: Connection,
    subjects: Collection[Subject] | None = None,
    *,
    lock: bool = False,
) -> dict[Subject, Usage]:
    """Read counters: of ``subjects``, or all there are."""
    query: Select[Any] = select(USAGE).order_by(USAGE.c.kind, USAGE.c.name)
    if subjects is not None:
        pairs = [(subject.kind.value, subject.name) for subject in subjects]
        query = query.where(tuple_(USAGE.c.kind, USAGE.c.name).in_(pairs))
    if lock:
        query = query.with_for_update()
    return {
        Subject(SubjectKind(row.kind), row.name): _usage_of(row)
        for row in connection.execute(query)
    }


def _usage_of(row: Row[*tuple[Any, ...]]) -> Usage:
    return Usage(**{each.column: getattr(row, each.column) for each in DIMENSIONS})


def read_taskmasters(connection: Connection) -> list[Taskmaster]:
    """Read all taskmasters, oldest first, with the number of attempts of each."""
    return [_taskmaster_of(row) for row in connection.execute(_FLEET)]


def read_taskmaster(connection: Connection, taskmaster_id: str) -> Taskmaster | None:
    """Read one taskmaster, with the number of its attempts."""
    row = connection.execute(_TASKMASTER, {"taskmaster": taskmaster_id}).one_or_none()
    return None if row is None else _taskmaster_of(row)


def _taskmaster_of(row: Row[*tuple[Any, ...]]) -> Taskmaster:
    return Taskmaster(
        id=row.id,
        slots=row.slots,
        assigned=row.assigned,
        lease_until=from_micros(row.lease_until),
        seen=row.seen,
        started_at=from_micros(row.started),
        revision=row.revision,
    )


def read_queues(connection: Connection, window: int) -> list[list[QueuedTask]]:
    """Read the oldest tasks of each owner, one short index scan for each."""
    queues = []
    for owner in connection.scalars(_OWNERS).all():
        rows = connection.execute(_QUEUE, {"owner": owner, "window": window})
        queue = [queued_task_of(row) for row in rows]
        if queue:
            queues.append(queue)
    return queues


def read_assigned(connection: Connection, taskmaster_id: str) -> list[TaskRecord]:
    """Read the attempts of a taskmaster, oldest first."""
    rows = connection.execute(_ASSIGNED, {"taskmaster": taskmaster_id})
    return [record_of(row) for row in rows]


def any_unassigned(connection: Connection) -> bool:
    """Tell whether some attempt has no taskmaster."""
    return connection.scalar(_UNASSIGNED) is not None


def read_leader(connection: Connection) -> Leadership | None:
    """Read the lead."""
    row = connection.execute(select(LEADER)).one_or_none()
    if row is None:
        return None
    return Leadership(
        holder=row.holder,
        epoch=row.epoch,
        since=from_micros_or_none(row.since),
        until=from_micros(row.until),
    )


def read_clock(connection: Connection) -> datetime | None:
    """Return the time of the database server; None for SQLite."""
    if connection.dialect.name != "postgresql":
        return None
    time: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
    return time.astimezone(UTC)


def count_queued_before(
    connection: Connection, owner: str, seq: int, *, limit: int
) -> int:
    """Count the queued tasks of an owner that are older, up to ``limit``."""
    values = {"owner": owner, "before": seq, "limit": limit}
    return int(connection.scalar(_QUEUED_BEFORE, values) or 0)
