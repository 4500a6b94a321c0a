"""Defines queries that both readers and transactions use."""

from datetime import UTC, datetime
from itertools import groupby
from operator import attrgetter
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Row,
    Select,
    bindparam,
    func,
    select,
    true,
)

from tesk_model.names import Attempt
from tesk_model.reasons import reason_code
from tesk_model.task import TaskId
from tesk_scheduler.adapters.store.driver import DriverStatement
from tesk_scheduler.adapters.store.rows import (
    QUEUE_COLUMNS,
    RECORD_COLUMNS,
    queued_task_of,
    reason_of,
    record_of,
)
from tesk_scheduler.adapters.store.schema import (
    IS_QUEUED,
    LEADER,
    STATES,
    TASK,
    TASKMASTER,
    USAGE,
)
from tesk_scheduler.adapters.store.times import from_micros, from_micros_or_none
from tesk_scheduler.domain.fleet import Taskmaster
from tesk_scheduler.domain.leadership import Leadership
from tesk_scheduler.domain.queues import QueuedTask
from tesk_scheduler.domain.quota import SubjectKind
from tesk_scheduler.domain.records import (
    AssignedAttempt,
    Oldest,
    TaskRecord,
    UnassignedAttempt,
)

_C = TASK.c
UNRELEASED = _C.released.is_(False)

# Built once: building costs more than running.
_ASSIGNED_COUNT = select(func.count()).where(
    _C.taskmaster == TASKMASTER.c.id, UNRELEASED
)
_TASKMASTERS = select(TASKMASTER, _ASSIGNED_COUNT.scalar_subquery().label("assigned"))
_FLEET = _TASKMASTERS.order_by(TASKMASTER.c.started, TASKMASTER.c.id)
# Lasting until the transaction ends: none of them can be removed, but its lease can be
# renewed. It does not wait for one that is just being removed, but leaves it out.
_LASTING_FLEET = _FLEET.with_for_update(
    of=TASKMASTER, read=True, key_share=True, skip_locked=True
)
_TASKMASTER = _TASKMASTERS.where(TASKMASTER.c.id == bindparam("taskmaster"))
_LOCKED_TASKMASTER = _TASKMASTER.with_for_update(of=TASKMASTER)
_ASSIGNED = (
    select(*RECORD_COLUMNS)
    .where(_C.taskmaster == bindparam("taskmaster"), UNRELEASED)
    .order_by(_C.seq)
)
_ASSIGNED_ATTEMPTS = DriverStatement(
    lambda _: (
        select(
            *(_C.id, _C.attempt, _C.state, _C.inputs_finished, _C.outputs_finished),
            _C.stop_reason_code,
        )
        .where(_C.taskmaster == bindparam("taskmaster"), UNRELEASED)
        .order_by(_C.seq)
    )
)
_REASON = (_C.reason_code, _C.reason, _C.wait)
_UNASSIGNED = DriverStatement(
    lambda _: (
        select(_C.id, _C.attempt, _C.state, _C.takeovers, *_REASON)
        .where(_C.taskmaster.is_(None), UNRELEASED)
        .order_by(_C.seq)
    )
)
_OWNERS = (
    select(USAGE.c.name)
    .where(USAGE.c.kind == SubjectKind.USER.value, USAGE.c.queued > 0)
    .order_by(USAGE.c.name)
)


def _first_of(owner: ColumnElement[str]) -> Select[Any]:
    """Select the first queued tasks of an owner."""
    return (
        select(*QUEUE_COLUMNS)
        .where(
            _C.owner == owner,
            IS_QUEUED,
            _C.released.is_(True),
            _C.not_before.is_(None),
        )
        .order_by(_C.priority.desc(), _C.seq)
        .limit(bindparam("window"))
    )


QUEUE = _first_of(bindparam("owner"))
_QUEUE = DriverStatement(lambda _: QUEUE)
_FIRST = _first_of(USAGE.c.name).lateral()
# Of all owners at once: hundreds of round trips to a server take longer than all else.
_QUEUES = DriverStatement(
    lambda _: (
        select(_FIRST)
        .select_from(USAGE)
        .join(_FIRST, true())
        .where(USAGE.c.kind == SubjectKind.USER.value, USAGE.c.queued > 0)
        .order_by(USAGE.c.name, _FIRST.c.priority.desc(), _FIRST.c.seq)
    )
)
DUE = (
    select(_C.id, _C.due)
    .where(_C.due.is_not(None))
    .order_by(_C.due)
    .limit(bindparam("limit"))
)
_FIRST_QUEUED = select(_C.queued).where(IS_QUEUED).order_by(_C.seq).limit(1)
_FIRST_ENDED = select(_C.ended).where(_C.ended.is_not(None)).order_by(_C.ended).limit(1)


def read_oldest(connection: Connection) -> Oldest:
    """Read the first entries of two indices."""
    return Oldest(
        queued_at=from_micros_or_none(connection.scalar(_FIRST_QUEUED)),
        ended_at=from_micros_or_none(connection.scalar(_FIRST_ENDED)),
    )


def read_taskmasters(
    connection: Connection, *, lasting: bool = False
) -> list[Taskmaster]:
    """Read all taskmasters, oldest first, with the number of attempts of each.

    With ``lasting``, none of them is removed before the transaction ends.
    """
    query = _LASTING_FLEET if lasting else _FLEET
    return [_taskmaster_of(row) for row in connection.execute(query)]


def read_taskmaster(
    connection: Connection, taskmaster_id: str, *, lock: bool = False
) -> Taskmaster | None:
    """Read one taskmaster, with the number of its attempts."""
    query = _LOCKED_TASKMASTER if lock else _TASKMASTER
    row = connection.execute(query, {"taskmaster": taskmaster_id}).one_or_none()
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
        draining=row.draining,
        dedicated=row.dedicated,
    )


def read_queues(connection: Connection, window: int) -> list[list[QueuedTask]]:
    """Read the first tasks of each owner, one short index scan for each."""
    if connection.dialect.name == "postgresql":
        rows = _QUEUES.rows(connection, {"window": window})
        tasks = map(queued_task_of, rows)
        return [list(queue) for _, queue in groupby(tasks, attrgetter("owner"))]
    queues = []
    for owner in connection.scalars(_OWNERS).all():
        rows = _QUEUE.rows(connection, {"owner": owner, "window": window})
        if rows:
            queues.append(list(map(queued_task_of, rows)))
    return queues


def read_assigned(connection: Connection, taskmaster_id: str) -> list[TaskRecord]:
    """Read the attempts of a taskmaster, oldest first."""
    rows = connection.execute(_ASSIGNED, {"taskmaster": taskmaster_id})
    return [record_of(row) for row in rows]


def read_assigned_attempts(engine: Engine, taskmaster_id: str) -> list[AssignedAttempt]:
    """Read of the attempts of a taskmaster what orders follow from, oldest first."""
    return [
        AssignedAttempt(
            attempt=Attempt(TaskId(task_id), number),
            state=STATES[state],
            inputs_finished=bool(inputs_finished),
            outputs_finished=bool(outputs_finished),
            stop_code=reason_code(stop_code),
        )
        for task_id, number, state, inputs_finished, outputs_finished, stop_code in (
            _ASSIGNED_ATTEMPTS.read(engine, {"taskmaster": taskmaster_id})
        )
    ]


def read_unassigned(connection: Connection) -> list[UnassignedAttempt]:
    """Read the attempts without a taskmaster, oldest first."""
    return [
        UnassignedAttempt(
            id=TaskId(task_id),
            attempt=attempt,
            state=STATES[state],
            takeovers=takeovers,
            reason=reason_of(*reason)[0],
        )
        for task_id, attempt, state, takeovers, *reason in _UNASSIGNED.rows(
            connection, {}
        )
    ]


def read_due(connection: Connection, limit: int) -> list[tuple[TaskId, datetime]]:
    """Read which tasks the leader is to look at first, and when."""
    rows = connection.execute(DUE, {"limit": limit})
    return [(TaskId(row.id), from_micros(row.due)) for row in rows]


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
