"""Logs one line for each occurrence, so that logs show the life of a task."""

import logging
import re
from collections.abc import Callable
from dataclasses import fields
from functools import cache
from operator import attrgetter
from typing import Any

from tesk_scheduler.domain.occurrences import (
    AttemptLeftFiles,
    AttemptLost,
    CancelRequested,
    Occurrence,
    OperatorActed,
    PriorityChanged,
    TaskCreated,
    TaskmasterLost,
    TaskRead,
    TaskRequeued,
    TasksListed,
)

_TASKS = logging.getLogger("tesk.tasks")
# Actions of users on tasks; documented, so that it can be stored apart.
_AUDIT = logging.getLogger("tesk.audit")
_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")
_AUDITED: tuple[type[Any], ...] = (
    *(TaskCreated, CancelRequested, TaskRead, TasksListed),
    *(OperatorActed, TaskRequeued, PriorityChanged),
)
_WARNINGS: tuple[type[Any], ...] = (AttemptLeftFiles, AttemptLost, TaskmasterLost)


class EventLog:
    """See ``Observer``; metrics alone count transactions and calls."""

    def happened(self, occurrence: Occurrence) -> None:
        """Log one line."""
        kind: Any = type(occurrence)
        logger = _AUDIT if kind in _AUDITED else _TASKS
        level = logging.WARNING if kind in _WARNINGS else logging.INFO
        if logger.isEnabledFor(level):
            logger.log(level, title_of(kind), extra=_reader(kind)(occurrence))

    def wrote(self, *, units: int, seconds: float, succeeded: bool) -> None:
        """Log nothing."""

    def answered(self, method: str, code: str, seconds: float) -> None:
        """Log nothing."""

    def round_ended(self, *, seconds: float, admitted: int) -> None:
        """Log nothing."""


@cache
def title_of(kind: Any) -> str:
    """Return the message of the lines of a kind: ``task created``."""
    return _CAPITAL.sub(" ", kind.__name__).lower()


@cache
def _reader(kind: Any) -> Callable[[Any], dict[str, Any]]:
    """Return a function from an occurrence of a kind to the fields of its line."""
    names = [field.name for field in fields(kind)]
    values = attrgetter(*names)
    return lambda occurrence: dict(zip(names, values(occurrence), strict=True))
