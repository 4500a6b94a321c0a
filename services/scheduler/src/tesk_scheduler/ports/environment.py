"""Defines the sources of time and of ids."""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from tesk_model.task import TaskId

Namespaces = Callable[[TaskId], str]
"""Tells the namespace in which a task will run; "" if there are none."""


def no_namespace(_task: TaskId) -> str:
    """Return "": tasks run on this machine."""
    return ""


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """Return the wall-clock time, aware, in UTC."""

    def monotonic(self) -> float:
        """Return seconds that never go back."""


class IdGenerator(Protocol):
    """Makes unique ids."""

    def task_id(self) -> TaskId:
        """Return a new task id; later ones sort after earlier ones."""

    def taskmaster_id(self) -> str:
        """Return a new taskmaster id, ``[a-z0-9-]{1,63}``."""
