"""Counts usage from the tasks, to compare with the counters."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, delete, func, select, update

from tesk_model.states import TaskState
from tesk_scheduler.adapters.store import statements
from tesk_scheduler.adapters.store.rows import charged_of
from tesk_scheduler.adapters.store.schema import STATE_NUMBERS, STATES, TASK, USAGE
from tesk_scheduler.adapters.store.usage_keys import usage_key
from tesk_scheduler.adapters.store.usage_reads import read_counters
from tesk_scheduler.domain.accounting import charge
from tesk_scheduler.domain.dimensions import ASKED
from tesk_scheduler.domain.quota import EVERYBODY, Amounts, Demand, Subject, Usage
from tesk_scheduler.domain.records import ACTIVE_STATES

_C = TASK.c
_COUNTED = [STATE_NUMBERS[state] for state in (TaskState.QUEUED, *ACTIVE_STATES)]
_CHARGED = (_C.owner, _C.charged_group, _C.namespace, _C.gpu_type, _C.state)
_SUMS = (
    select(
        *_CHARGED,
        func.count().label("tasks"),
        *(func.sum(_C[each.column]).label(each.column) for each in ASKED),
    )
    .where(_C.state.in_(_COUNTED))
    .group_by(*_CHARGED)
)

Counted = tuple[Mapping[Subject, Usage], Mapping[Subject, Usage]]
"""Usage by the tasks, and by the counters."""


def recount(connection: Connection) -> Counted:
    """Count, and read the counters; each with one statement."""
    counters = read_counters(connection).usage
    return _by_tasks(connection), counters


def lock_counters(connection: Connection) -> None:
    """Let every change of usage wait: each changes that of everybody."""
    nothing = Amounts()
    row = {"kind": EVERYBODY.kind.value, "name": EVERYBODY.name, **nothing.named()}
    statements.ADD_USAGE.run_all(connection, [row])


def set_usage(connection: Connection, usage: Mapping[Subject, Usage]) -> None:
    """Replace counters; who uses nothing needs no row."""
    by_key = sorted((usage_key(subject), used) for subject, used in usage.items())
    for key, used in by_key:
        where = (USAGE.c.kind == key.kind, USAGE.c.name == key.name)
        if not any(used) and key != usage_key(EVERYBODY):
            connection.execute(delete(USAGE).where(*where))
            continue
        changed = connection.execute(update(USAGE).where(*where).values(used.named()))
        if not changed.rowcount:
            row = key._asdict() | used.named()
            statements.ADD_USAGE.run_all(connection, [row])


def unreadable(connection: Connection) -> list[str]:
    """Describe the counters of no subject."""
    return [key.told for key in read_counters(connection).unreadable]


def delete_unreadable(connection: Connection) -> list[str]:
    """Delete the counters of no subject, and describe them."""
    keys = read_counters(connection).unreadable
    for key in keys:
        where = (USAGE.c.kind == key.kind, USAGE.c.name == key.name)
        connection.execute(delete(USAGE).where(*where))
    return [key.told for key in keys]


def _by_tasks(connection: Connection) -> Mapping[Subject, Usage]:
    totals: dict[Subject, Usage] = {}
    rows: Any = connection.execute(_SUMS)
    for row in rows:
        # ``charge`` decides what counts in a state; here it is that of many tasks.
        demand = Demand(
            running=row.tasks,
            **{each.column: int(getattr(row, each.column)) for each in ASKED},
        )
        charged = charge(STATES[row.state], demand)
        if STATES[row.state] is TaskState.QUEUED:
            charged = Amounts.of([amount * row.tasks for amount in charged])
        for subject in charged_of(row._mapping):  # noqa: SLF001 - public in spite of its name
            totals[subject] = totals.get(subject, Usage()).plus(charged)
    return totals
