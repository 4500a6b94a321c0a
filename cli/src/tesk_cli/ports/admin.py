"""Declares what operators' commands need of a scheduler."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminCaller:
    """Who calls a scheduler.

    Attributes:
        operator: Name of the person, for the audit log.
        tls_name: Name in the scheduler's certificate; "": its host.
    """

    operator: str
    tls_name: str = ""


class ExportPart(NamedTuple):
    """Some bytes of an export, and the cursor of those behind them; "" at the end.

    With ``restart``, what was read of a line without its end is void.
    """

    data: bytes
    next_cursor: str
    restart: bool = False


class ImportCount(NamedTuple):
    """How many tasks were stored, and how many were there already."""

    imported: int = 0
    present: int = 0


class AdminServer(Protocol):
    """AdminService of a scheduler; see ``admin_service.proto``.

    Every call raises an error of ``tesk_model.errors``.
    """

    def call(self, method: str, **fields: Any) -> dict[str, Any]:
        """Call a method; return the response with all its fields.

        Args:
            method: Its name.
            fields: Of the request, as in the JSON of its message; not ``operator``.
        """

    def export_part(self, cursor: str) -> ExportPart:
        """Read the next bytes of an export; "" begins it."""

    def begin_import(self, header: bytes, *, allow_tasks: bool, dry_run: bool) -> None:
        """Check by its first line that an export can be imported."""

    def import_lines(self, lines: Sequence[bytes]) -> ImportCount:
        """Store lines, without their ends; any number of any size."""
