"""Starts taskmasters gradually: a few at first, more when they have called.

A wave of tasks needs many, and a start takes more CPU time than many tasks do. Ten at
once on few cores hold up each other, and the pods of the tasks; meanwhile the first
could serve, and tasks that end make room, so that fewer are needed in the end.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from tesk_scheduler.domain.fleet import Taskmaster

_AT_FIRST: Final = 2
_GROWTH: Final = 2  # so many that have called, for each that may start
# What takes longer waits for a node or an image, without any CPU time.
_USUAL_START: Final = timedelta(seconds=15)


def count_starting(fleet: Sequence[Taskmaster], now: datetime) -> int:
    """Count the taskmasters that were started just now and have not called yet."""
    return sum(
        not member.seen and now - member.started_at < _USUAL_START for member in fleet
    )


def startable_beside(fleet: Sequence[Taskmaster], now: datetime) -> int:
    """Return how many may be started beside those that start already."""
    called = sum(member.seen for member in fleet)
    return max(0, max(_AT_FIRST, called // _GROWTH) - count_starting(fleet, now))
