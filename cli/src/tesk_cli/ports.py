"""What the command needs from outside: a TES server and time."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

from tesk_cli.domain.snapshot import Snapshot
from tesk_model.errors import Violation
from tesk_model.task import TaskView


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskQuery:
    """Which tasks to list; empty fields do not restrict.

    Attributes:
        limit: Largest number of tasks.
    """

    state: str = ""
    name_prefix: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    view: TaskView = TaskView.MINIMAL
    limit: int


class TaskServer(Protocol):
    """A TES server, TESK or another.

    Every call raises an error of ``tesk_model.errors``: ``UnavailableError`` if
    the server cannot be reached, ``NotFoundError`` for an unknown task, …
    """

    def create_task(self, body: bytes) -> str:
        """Submit a JSON document and return the id of the new task."""

    def get_task(self, task_id: str, view: TaskView) -> dict[str, Any]:
        """Return the task as the server sent it."""

    def list_tasks(self, query: TaskQuery) -> list[dict[str, Any]]:
        """Return the tasks that ``query`` asks for, newest first."""

    def cancel_task(self, task_id: str) -> None:
        """Ask for the end of the task; one that has ended is no error."""

    def watch_task(self, task_id: str) -> Snapshot:
        """Return what is to be seen of the task now, running output included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What there is to say about a task before it is submitted.

    Attributes:
        problems: Why it would be refused; empty if it would be accepted.
        warnings: What would be ignored, one line each.
    """

    problems: tuple[Violation, ...] = ()
    warnings: tuple[str, ...] = ()


class Validator(Protocol):
    """Tells what a server would find wrong with a task."""

    def __call__(self, body: bytes) -> Findings:
        """Examine the JSON document of a task; submits nothing."""


class Clock(Protocol):
    """Time that passes."""

    def monotonic(self) -> timedelta:
        """Return the time since some fixed moment."""

    def sleep(self, duration: timedelta) -> None:
        """Let ``duration`` pass."""
