"""Declares what the command needs from outside: a TES server and time."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

from tesk_cli.domain.snapshot import Snapshot
from tesk_filer.domain.checks import Check
from tesk_filer.ports import Entry, Stat
from tesk_filer.ports.transfers import TransferResult
from tesk_model.errors import Violation
from tesk_model.task import Task, TaskView, TransferStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskQuery:
    """The conditions of tasks to list; empty fields do not restrict.

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

    def check_task(self, body: bytes) -> Mapping[str, Any]:
        """Return what would come of a JSON document, as TESK sent it; create nothing.

        Raises:
            NotFoundError: The server is not TESK, or of an earlier release.
        """

    def get_task(self, task_id: str, view: TaskView) -> dict[str, Any]:
        """Return the task as the server sent it."""

    def list_tasks(self, query: TaskQuery) -> list[dict[str, Any]]:
        """Return the tasks that ``query`` asks for, newest first."""

    def list_reasons(self, query: TaskQuery) -> Mapping[str, Mapping[str, Any]]:
        """Return why the same tasks wait, by id: ``reason``, ``reason_code``, ``wait``.

        Empty from a server other than TESK.
        """

    def cancel_task(self, task_id: str) -> None:
        """Cancel the task; one that has ended is not an error."""

    def cancel_matching(self, query: TaskQuery, *, dry_run: bool) -> int:
        """Cancel all tasks that ``query`` asks for and that can be; return how many.

        Args:
            query: Its view and limit do not matter.
            dry_run: Only count them.
        """

    def get_extensions(self, task_id: str) -> Mapping[str, Any]:
        """Return the same of one task, and what arrived of its inputs."""

    def report_task(self, task_id: str, kind: str) -> str:
        """Return the record of a task as ``text``, ``json`` or ``ro-crate``.

        Raises:
            NotFoundError: There is no such task, or the server is not TESK.
        """

    def why_not_cached(self, task_id: str) -> Mapping[str, Any]:
        """Return what the call cache did for a task, as the server sent it.

        Raises:
            NotFoundError: There is no such task, or the server is not TESK.
        """

    def watch_task(self, task_id: str) -> Snapshot:
        """Return the task as it is now, with the output of running executors."""

    def follow_task(
        self, task_id: str, timeout: timedelta | None = None
    ) -> Iterator[Snapshot] | None:
        """Yield the task as it is and each time it has changed, until it has ended.

        Args:
            task_id: Which.
            timeout: After which the connection is broken off; None: never.

        Returns:
            None from a server that tells nobody, but must be asked.

        Raises:
            UnavailableError: While it is told: the connection broke, and the rest is
                to be asked for.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationResult:
    """What a server would report about a task.

    Attributes:
        problems: Why it would be refused; empty if it would be accepted.
        warnings: One line for each part that would be ignored.
    """

    problems: tuple[Violation, ...] = ()
    warnings: tuple[str, ...] = ()


class Validator(Protocol):
    """Validates a task as a server would."""

    def __call__(self, body: bytes) -> ValidationResult:
        """Validate the JSON document of a task without submitting it."""


class StorageFailedError(Exception):
    """Files of a storage cannot be read or moved; the message says why."""


class StorageStoppedError(Exception):
    """A transfer was interrupted; complete files stay."""


class ShowStatus(Protocol):
    """Shows how far a transfer is; called now and then, from another thread."""

    def __call__(self, status: TransferStatus) -> None:
        """Show ``status``."""


class StorageAccess(Protocol):
    """The storages that a filer would use, by its settings.

    Every call raises ``StorageFailedError``, ``UnavailableError`` if the same may succeed
    later, and ``InvalidLocationError`` for a url that cannot be read.
    """

    def stat(self, url: str) -> Stat | None:
        """Return the status of a file or directory; None if nothing is there."""

    def list(self, url: str) -> Iterator[Entry]:
        """Yield the files below a directory, at any depth, page by page."""

    def get(
        self, url: str, path: Path, *, is_directory: bool, show: ShowStatus
    ) -> TransferResult:
        """Download to ``path``: a file, or what is in a directory.

        Raises:
            StorageStoppedError: It was interrupted.
        """

    def put(self, path: Path, url: str, *, show: ShowStatus) -> TransferResult:
        """Upload a file, or what is in a directory, to ``url``.

        Raises:
            StorageStoppedError: It was interrupted.
        """

    def check(self, task: Task, *, write_probe: bool) -> Iterator[Check]:
        """Check the inputs and outputs of a task, in its order."""


class Clock(Protocol):
    """Reads the time and sleeps."""

    def monotonic(self) -> timedelta:
        """Return the time since some fixed moment."""

    def sleep(self, duration: timedelta) -> None:
        """Wait for ``duration``."""
