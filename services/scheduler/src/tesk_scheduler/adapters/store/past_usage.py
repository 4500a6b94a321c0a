"""Reads and writes what users and groups have used: one row for each.

Amounts are JSON: another dimension needs no migration, and one that this release
does not know is left out.
"""

import json
from typing import Any

from sqlalchemy import Connection, Row, delete, select, tuple_

from tesk_scheduler.adapters.store.schema import USAGE_HISTORY
from tesk_scheduler.adapters.store.statements import PUT_USAGE_HISTORY
from tesk_scheduler.adapters.store.times import from_micros, micros
from tesk_scheduler.domain.dimensions import DIMENSIONS
from tesk_scheduler.domain.quota import Amounts, Subject, SubjectKind
from tesk_scheduler.domain.usage_history import History, HistoryChange, PastUsage

_C = USAGE_HISTORY.c
_COLUMNS = frozenset(each.column for each in DIMENSIONS)
_KINDS = frozenset(kind.value for kind in SubjectKind)
# Parameters of one statement are limited.
_AT_ONCE = 500

# Built once: building costs more than running.
_ALL = select(USAGE_HISTORY)


def read_history(connection: Connection) -> History:
    """Read all rows; those of kinds that a later release has are left out."""
    return {
        Subject(SubjectKind(row.kind), row.name): _past_of(row)
        for row in connection.execute(_ALL)
        if row.kind in _KINDS
    }


def write_history(connection: Connection, change: HistoryChange) -> None:
    """Replace and delete rows."""
    rows = [
        {
            "kind": subject.kind.value,
            "name": subject.name,
            "average": json.dumps(_named(past.average)),
            "sampled": micros(past.sampled_at),
            "used": micros(past.used_at),
        }
        for subject, past in sorted(change.changed.items())
    ]
    if rows:
        connection.execute(PUT_USAGE_HISTORY[connection.dialect.name], rows)
    keys = [(each.kind.value, each.name) for each in sorted(change.forgotten)]
    for first in range(0, len(keys), _AT_ONCE):
        chosen = tuple_(_C.kind, _C.name).in_(keys[first : first + _AT_ONCE])
        connection.execute(delete(USAGE_HISTORY).where(chosen))


def _named(average: Amounts) -> dict[str, float]:
    return {name: value for name, value in average.named().items() if value}


def _past_of(row: Row[*tuple[Any, ...]]) -> PastUsage:
    named = {
        name: float(value)
        for name, value in json.loads(row.average).items()
        if name in _COLUMNS
    }
    return PastUsage(
        average=Amounts(**named),
        sampled_at=from_micros(row.sampled),
        used_at=from_micros(row.used),
    )
