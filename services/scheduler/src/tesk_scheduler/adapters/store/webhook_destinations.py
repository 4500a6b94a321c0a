"""Keeps when each destination of webhooks is to be tried next.

Whoever changes deliveries locks their destinations first and computes their times
last, so that a change of another process is either seen or waits.
"""

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import Connection, bindparam, case, func, select, update

from tesk_scheduler.adapters.store.statements import upsert
from tesk_scheduler.adapters.store.times import (
    from_micros_or_none,
    micros,
    micros_or_none,
)
from tesk_scheduler.adapters.store.webhook_schema import (
    IS_PENDING,
    WEBHOOK_DELIVERY,
    WEBHOOK_DESTINATION,
)
from tesk_scheduler.domain.webhooks.deliveries import Circuit
from tesk_scheduler.domain.webhooks.lanes import Lane
from tesk_scheduler.ports.webhooks import DueDestination

_D = WEBHOOK_DELIVERY.c
_E = WEBHOOK_DESTINATION.c

_ADD = {
    name: statement.on_conflict_do_nothing()
    for name, statement in upsert(WEBHOOK_DESTINATION).items()
}
_SET_CIRCUIT = (
    update(WEBHOOK_DESTINATION)
    .where(_E.name == bindparam("destination"))
    .values(
        failing=bindparam("new_failing"),
        failures=bindparam("new_failures"),
        not_before=bindparam("new_not_before"),
    )
)
_FIRST_PENDING = (
    select(func.min(_D.next_try))
    .where(_D.destination == _E.name, IS_PENDING)
    .scalar_subquery()
)
_NEXT_TRY = case(
    (_FIRST_PENDING.is_(None), None),
    (_E.not_before > _FIRST_PENDING, _E.not_before),
    else_=_FIRST_PENDING,
)


def lock_destinations(connection: Connection, of_task: Mapping[str, bool]) -> None:
    """Add those that are missing, and lock all.

    Args:
        connection: In a transaction.
        of_task: By name, whether tasks name it.
    """
    names = sorted(of_task)
    if not names:
        return
    connection.execute(
        _ADD[connection.dialect.name],
        [
            {"name": name, "of_task": of_task[name], "failing": False, "failures": 0}
            for name in names
        ],
    )
    locked = select(_E.name).where(_E.name.in_(names)).order_by(_E.name)
    connection.execute(locked.with_for_update()).all()


def set_circuits(connection: Connection, circuits: Mapping[str, Circuit]) -> None:
    """Keep how destinations that are locked did of late."""
    if circuits:
        connection.execute(
            _SET_CIRCUIT,
            [
                {
                    "destination": name,
                    "new_failing": circuit.failures > 0,
                    "new_failures": circuit.failures,
                    "new_not_before": micros_or_none(circuit.not_before),
                }
                for name, circuit in circuits.items()
            ],
        )


def compute_times(connection: Connection, names: Collection[str]) -> None:
    """Set when destinations that are locked are tried next."""
    if names:
        connection.execute(
            update(WEBHOOK_DESTINATION)
            .where(_E.name.in_(sorted(names)))
            .values(next_try=_NEXT_TRY)
        )


def read_due(
    connection: Connection,
    lane: Lane,
    now: datetime,
    limit: int,
    leave_out: Collection[str],
) -> list[DueDestination]:
    """Read by the index of what is due."""
    query = (
        select(_E.name, _E.failures, _E.not_before)
        .where(
            _E.of_task == lane.of_tasks,
            _E.failing == lane.failing,
            _E.next_try <= micros(now),
            _E.name.not_in(list(leave_out)),
        )
        .order_by(_E.next_try)
        .limit(limit)
    )
    return [
        DueDestination(
            row.name,
            Circuit(
                failures=row.failures, not_before=from_micros_or_none(row.not_before)
            ),
        )
        for row in connection.execute(query)
    ]


def read_next_due(connection: Connection) -> datetime | None:
    """Read the earliest time."""
    query = select(func.min(_E.next_try)).where(_E.next_try.is_not(None))
    return from_micros_or_none(connection.scalar(query))
