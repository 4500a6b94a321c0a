"""Reads what the tasks in progress take."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, case, exists, func, select

from tesk_model.states import TaskState
from tesk_scheduler.adapters.store.rows import DEMAND_COLUMNS, demand_of
from tesk_scheduler.adapters.store.schema import (
    STATE_NUMBERS,
    TASK,
    TASK_METADATA,
)
from tesk_scheduler.adapters.store.times import from_micros, micros
from tesk_scheduler.domain.dimensions import ASKED, RUNNING
from tesk_scheduler.domain.initializing import Commitments, InitializingTask
from tesk_scheduler.domain.progress import Direction
from tesk_scheduler.domain.quota import Demand, Usage
from tesk_scheduler.domain.records import ACTIVE_STATES

_C = TASK.c
_ENTRY = TASK_METADATA.c
_ACTIVE = sorted(STATE_NUMBERS[state] for state in ACTIVE_STATES)
_INITIALIZING = (_C.state == STATE_NUMBERS[TaskState.INITIALIZING]) & (
    _C.started < bindparam("begun_before")
)

_MINIMUM = "minimum_"


def _at_least(amount: Any) -> Any:
    """Sum up an amount of which each task takes the minimum or more."""
    minimum = bindparam(_MINIMUM + amount.name, type_=amount.type)
    total = func.sum(case((amount > minimum, amount), else_=minimum))
    return func.coalesce(total, 0).label(amount.name)


# Built once: building costs more than running.
_COUNTED = select(
    func.count().label(RUNNING.column), *map(_at_least, DEMAND_COLUMNS)
).where(_C.state.in_(_ACTIVE), ~_INITIALIZING)
_HAS_PROGRESS = exists().where(
    _ENTRY.task_seq == _C.seq, _ENTRY.key == Direction.INPUTS.value
)
_GPUS = (
    select(_C.gpu_type, func.sum(_C.gpu))
    .where(_C.state.in_(_ACTIVE), _C.gpu_type != "")
    .group_by(_C.gpu_type)
)
_LISTED = select(
    *DEMAND_COLUMNS,
    func.coalesce(_C.inputs_ended, _C.started).label("ready"),
    (~_C.inputs_finished & _HAS_PROGRESS).label("moves_inputs"),
).where(_INITIALIZING)


def read_committed(
    connection: Connection, minimum: Demand, *, admitted_before: datetime
) -> Commitments:
    """Add up what is in progress; list what was admitted and has not started."""
    since = {"begun_before": micros(admitted_before)}
    values = {_MINIMUM + each.column: minimum[each] for each in ASKED}
    row = connection.execute(_COUNTED, values | since).one()
    # PostgreSQL adds up to decimals.
    counted = Usage(**{name: int(value) for name, value in row._asdict().items()})
    initializing = map(_initializing_task, connection.execute(_LISTED, since))
    return Commitments(
        counted=counted,
        initializing=tuple(initializing),
        gpus={name: int(count) for name, count in connection.execute(_GPUS)},
    )


def _initializing_task(row: Row[*tuple[Any, ...]]) -> InitializingTask:
    return InitializingTask(
        demand=demand_of(row),
        ready_at=from_micros(row.ready),
        moves_inputs=bool(row.moves_inputs),
    )
