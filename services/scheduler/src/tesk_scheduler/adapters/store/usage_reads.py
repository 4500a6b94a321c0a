"""Reads the counters of usage, whatever is in their table."""

import logging
from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

from sqlalchemy import Connection, select, tuple_

from tesk_scheduler.adapters.store.schema import USAGE
from tesk_scheduler.adapters.store.usage_keys import UsageKey, subject_of, usage_key
from tesk_scheduler.domain.dimensions import DIMENSIONS
from tesk_scheduler.domain.quota import Subject, Usage

_KEY = (USAGE.c.kind, USAGE.c.name)
_USAGE = select(*_KEY, *(USAGE.c[each.column] for each in DIMENSIONS)).order_by(*_KEY)
_MOST_TOLD = 10

_logger = logging.getLogger(__name__)


class Counters(NamedTuple):
    """All counters, and the keys of rows that no subject of this release has."""

    usage: dict[Subject, Usage]
    unreadable: list[UsageKey]


def read_counters(connection: Connection) -> Counters:
    """Read all there are."""
    return _counters(connection.execute(_USAGE))


def read_usage(
    connection: Connection, subjects: Collection[Subject], *, lock: bool = False
) -> dict[Subject, Usage]:
    """Read the counters of ``subjects``."""
    keys = [tuple(usage_key(subject)) for subject in subjects]
    query = _USAGE.where(tuple_(*_KEY).in_(keys))
    if lock:
        query = query.with_for_update()
    return _counters(connection.execute(query)).usage


def _counters(rows: Iterable[Any]) -> Counters:
    found = Counters({}, [])
    for kind, name, *counters in rows:
        subject = subject_of(kind, name)
        if subject is None:
            found.unreadable.append(UsageKey(kind, name))
        else:
            found.usage[subject] = Usage.of(counters)
    return found


class UnreadableUsage:
    """Warns of each row that cannot be read once, not each time it is left out."""

    def __init__(self) -> None:
        self._told: set[UsageKey] = set()

    def warn(self, found: Iterable[UsageKey]) -> None:
        """Warn of what is new."""
        new = set(found) - self._told
        if new:
            self._told |= new
            rows = [key.told for key in sorted(new)[:_MOST_TOLD]]
            _logger.warning(
                "counters cannot be read: tesk admin verify --fix deletes them",
                extra={"rows": rows, "count": len(new)},
            )
