"""Reading what the tasks in progress take."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, case, exists, func, select

from tesk_model.quantities import ByteCount
from tesk_model.states import TaskState
from tesk_scheduler.adapters.store.schema import (
    STATE_NUMBERS,
    TASK,
    TASK_METADATA,
)
from tesk_scheduler.adapters.store.times import from_micros, micros
from tesk_scheduler.domain.begun import BegunTask, Commitments
from tesk_scheduler.domain.progress import Direction
from tesk_scheduler.domain.quota import Demand, Usage
from tesk_scheduler.domain.records import ACTIVE_STATES

_C = TASK.c
_ENTRY = TASK_METADATA.c
_ACTIVE = sorted(STATE_NUMBERS[state] for state in ACTIVE_STATES)
_BEGUN = (_C.state == STATE_NUMBERS[TaskState.INITIALIZING]) & (
    _C.started < bindparam("begun_before")
)


def _at_least(amount: Any, name: str) -> Any:
    """Sum up an amount of which each task takes ``name`` or more."""
    least = bindparam(name, type_=amount.type)
    return func.coalesce(func.sum(case((amount > least, amount), else_=least)), 0)


# Built once: building costs more than running.
_COUNTED = select(
    func.count().label("running"),
    _at_least(_C.cpu_millis, "least_cpu").label("cpu_millis"),
    _at_least(_C.ram, "least_ram").label("ram"),
    _at_least(_C.disk, "least_disk").label("disk"),
).where(_C.state.in_(_ACTIVE), ~_BEGUN)
_HAS_PROGRESS = exists().where(
    _ENTRY.task_seq == _C.seq, _ENTRY.key == Direction.INPUTS.value
)
_LISTED = select(
    _C.cpu_millis,
    _C.ram,
    _C.disk,
    func.coalesce(_C.inputs_ended, _C.started).label("ready"),
    (~_C.inputs_finished & _HAS_PROGRESS).label("moves_inputs"),
).where(_BEGUN)


def read_committed(
    connection: Connection, least: Demand, *, begun_before: datetime
) -> Commitments:
    """Add up what is in progress; list what has begun and not started."""
    since = {"begun_before": micros(begun_before)}
    values = {
        "least_cpu": least.cpu_millis,
        "least_ram": least.ram,
        "least_disk": least.disk,
    }
    row = connection.execute(_COUNTED, values | since).one()
    counted = Usage(
        running=row.running,
        cpu_millis=int(row.cpu_millis),
        ram=ByteCount(int(row.ram)),
        disk=ByteCount(int(row.disk)),
    )
    begun = map(_begun_task, connection.execute(_LISTED, since))
    return Commitments(counted=counted, begun=tuple(begun))


def _begun_task(row: Row[*tuple[Any, ...]]) -> BegunTask:
    return BegunTask(
        demand=Demand(
            cpu_millis=row.cpu_millis, ram=ByteCount(row.ram), disk=ByteCount(row.disk)
        ),
        ready_at=from_micros(row.ready),
        moves_inputs=bool(row.moves_inputs),
    )
