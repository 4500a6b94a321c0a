"""Defines what operators read and change in the store, beside tasks and fleet."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from tesk_model.reasons import ReasonCode
from tesk_model.task import TaskId
from tesk_scheduler.domain.holds import Hold
from tesk_scheduler.domain.quota import Subject, Usage
from tesk_scheduler.domain.records import TaskRecord


class ExportPart(NamedTuple):
    """Some bytes of an export, and the cursor of what follows; "" at the end.

    With ``restart``, what was read of a line without its end is void.
    """

    data: bytes
    next_cursor: str
    restart: bool = False


class ImportCount(NamedTuple):
    """How many tasks of some lines were stored, and how many were there already."""

    imported: int
    present: int


class AdminChanges(Protocol):
    """Changes by operators within one unit of work."""

    def lock_admission(self) -> None:
        """Wait for admissions that are being written; the next ones wait for this."""

    def holds(self) -> list[Hold]:
        """List all holds, by subject."""

    def put_hold(self, hold: Hold) -> None:
        """Add or replace one."""

    def remove_hold(self, subject: Subject) -> None:
        """Delete one; no-op if there is none."""

    def waiting_for(self, code: ReasonCode, limit: int) -> list[TaskId]:
        """List queued tasks that wait for this, up to ``limit``, oldest first."""

    def drain_taskmaster(self, taskmaster_id: str) -> None:
        """Let it get no more attempts."""

    def recount(self) -> tuple[Mapping[Subject, Usage], Mapping[Subject, Usage]]:
        """Count usage from the tasks; return that and the counters, both locked.

        Subjects that use nothing may be left out of both.
        """

    def set_usage(self, usage: Mapping[Subject, Usage]) -> None:
        """Replace counters; those of ``recount`` are locked.

        Those of who uses nothing are deleted.
        """

    def delete_unreadable_usage(self) -> list[str]:
        """Delete the counters of no subject; return them as ``unreadable_usage``."""

    def count_tasks(self, limit: int) -> int:
        """Count tasks, up to ``limit``."""

    def import_lines(self, lines: Sequence[bytes]) -> ImportCount:
        """Store what lines of an export hold, and read it back.

        Raises:
            InvalidRequestError: A line is malformed or of a later release.
            ConflictError: What was read back differs.
        """

    def put_line_part(self, digest: str, index: int, data: bytes) -> None:
        """Keep a part of a line; replaces one with this digest and index."""

    def take_line(self, digest: str) -> bytes:
        """Join the parts of a line, and delete them."""

    def clear_line_parts(self) -> None:
        """Delete what an import that did not end has left."""


class AdminReads(Protocol):
    """What operators read; every method may raise UnavailableError."""

    def holds(self) -> list[Hold]:
        """Read all holds, by subject."""

    def recounted(self) -> tuple[Mapping[Subject, Usage], Mapping[Subject, Usage]]:
        """Read as ``AdminChanges.recount``, without locks; both at one moment."""

    def unreadable_usage(self) -> list[str]:
        """Describe counters that are of no subject of this release, by their keys."""

    def stranded(self, limit: int) -> list[TaskRecord]:
        """List tasks in progress whose attempt is released, up to ``limit``."""

    def count_unreleased(self) -> int:
        """Count attempts of which something may be left."""

    def count_expired(self, ended_before: datetime) -> int:
        """Count the tasks that ``delete_tasks`` would delete."""

    def known_attempts(
        self, ids: Sequence[TaskId]
    ) -> Mapping[TaskId, tuple[int, bool]]:
        """Return the latest attempt of tasks, and whether it is released."""

    def export_header(self) -> bytes:
        """Return the first line of an export of this store, without its end."""

    def export_part(self, cursor: str, max_bytes: int) -> ExportPart:
        """Read the next bytes of an export, behind the header.

        Each task is as it was at one moment. A part holds whole lines, unless one
        alone is larger than ``max_bytes``.

        Raises:
            InvalidRequestError: The cursor is none of this release.
        """
