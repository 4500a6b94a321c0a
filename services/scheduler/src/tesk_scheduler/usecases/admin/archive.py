"""Exports and imports all tasks, part by part."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tesk_model.errors import ConflictError, InvalidRequestError, Violation
from tesk_scheduler.domain.holds import Holds
from tesk_scheduler.domain.occurrences import OperatorActed
from tesk_scheduler.ports.admin_store import ExportPart, ImportCount
from tesk_scheduler.ports.observer import Observer
from tesk_scheduler.ports.store import TaskStore, Transaction
from tesk_scheduler.usecases.admin.checks import check_operator

# Half of what a message may have.
PART_BYTES = 2 * 1024 * 1024
FORMAT = 1
_NOTHING = ImportCount(0, 0)


class LinePart(NamedTuple):
    """A piece of a line; ``digest`` is the SHA-256 of the whole line."""

    digest: str
    number: int
    data: bytes
    is_last: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Exporting:
    """Reads all tasks for an export."""

    store: TaskStore
    observer: Observer

    def part(self, operator: str, cursor: str) -> ExportPart:
        """Return the next bytes of an export, and the cursor of those behind them."""
        check_operator(operator)
        if cursor:
            return self.store.export_part(cursor, PART_BYTES)
        self.observer.happened(
            OperatorActed(operator=operator, action="export", target="all tasks")
        )
        first = self.store.export_part("", PART_BYTES)
        return first._replace(data=self.store.export_header() + b"\n" + first.data)


@dataclass(frozen=True, slots=True, kw_only=True)
class Importing:
    """Stores the tasks of an export. Everything must be held meanwhile.

    What is sent again is left as it is, so that an import that was interrupted is
    repeated as a whole.
    """

    store: TaskStore

    def begin(
        self,
        operator: str,
        line: bytes,
        *,
        allow_tasks: bool,
        dry_run: bool,
    ) -> None:
        """Check by its first line that what follows can be imported here.

        Raises:
            InvalidRequestError: It is no export that this release can read.
            ConflictError: Nothing is held, or there are tasks.
        """
        check_operator(operator)
        header = _parse_header(line)

        def begin(tx: Transaction) -> None:
            if tx.count_tasks(1) and not allow_tasks:
                raise ConflictError(
                    "there are tasks already; allow it to import beside them"
                )
            if dry_run:
                return
            _check_held(tx)
            tx.clear_line_parts()
            tx.announce(
                OperatorActed(
                    operator=operator,
                    action="import",
                    target="all tasks",
                    detail=f"{header.tasks} tasks of release {header.release}",
                )
            )

        self.store.write(begin)

    def lines(self, operator: str, lines: Sequence[bytes]) -> ImportCount:
        """Store lines, all or none; return how many tasks they had.

        Raises:
            InvalidRequestError: A line cannot be read.
            ConflictError: Nothing is held, or what was read back differs.
        """
        check_operator(operator)

        def store(tx: Transaction) -> ImportCount:
            _check_held(tx)
            return tx.import_lines(lines)

        return self.store.write(store)

    def part(self, operator: str, part: LinePart) -> ImportCount:
        """Keep a part of a line; store the line with the last one.

        Raises:
            InvalidRequestError: The line is not what the digest says.
            ConflictError: As of ``lines``.
        """
        check_operator(operator)

        def store(tx: Transaction) -> ImportCount:
            _check_held(tx)
            tx.put_line_part(part.digest, part.number, part.data)
            if not part.is_last:
                return _NOTHING
            line = tx.take_line(part.digest)
            if hashlib.sha256(line).hexdigest() != part.digest:
                problem = "its parts do not make up the line"
                raise InvalidRequestError([Violation("part.digest", problem)])
            return tx.import_lines([line])

        return self.store.write(store)


class _Header(NamedTuple):
    release: str
    tasks: int


def _parse_header(line: bytes) -> _Header:
    try:
        fields = json.loads(line)
        kind, header = (
            fields["tesk_export"],
            _Header(fields["release"], fields["tasks"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        problem = "is not the first line of an export"
        raise InvalidRequestError([Violation("header", problem)]) from error
    if kind != FORMAT:
        problem = f"is of format {kind}, and this release reads {FORMAT}"
        raise InvalidRequestError([Violation("header", problem)])
    return header


def _check_held(tx: Transaction) -> None:
    if Holds(tx.holds()).everything is None:
        raise ConflictError(
            "hold all tasks first (`tesk admin hold --all`), so that none starts"
        )
