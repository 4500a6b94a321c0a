"""Writes exports to files, and reads them for an import.

A file is lines of JSON: a header, one line for each task and each other row, and a last
line with the number of lines and tasks and the SHA-256 of all before it. Memory does
not grow with the number of tasks.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from tesk_cli.ports.admin import AdminServer, ImportCount
from tesk_model.errors import ConflictError, InvalidRequestError, Violation

# Keys of a line are in order of name, so that this one is last.
_TASK_END = b'"table":"task"}\n'
_BATCH = 1024 * 1024
_MAX_RESTARTS = 100

Report = Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveSummary:
    """What an export holds.

    Attributes:
        lines: Without the last one.
        sha256: Of these, with their ends.
    """

    lines: int
    tasks: int
    sha256: str

    def line(self) -> bytes:
        """Return the last line."""
        fields = {"lines": self.lines, "tasks": self.tasks, "sha256": self.sha256}
        return json.dumps(fields).encode() + b"\n"


def write_archive(
    server: AdminServer, file: BinaryIO, report: Report
) -> ArchiveSummary:
    """Write all tasks of a server; ``report`` is told now and then how many."""
    digest = hashlib.sha256()
    lines = tasks = 0
    for line in _exported_lines(server):
        file.write(line)
        digest.update(line)
        lines += 1
        tasks += line.endswith(_TASK_END)
        report(tasks)
    summary = ArchiveSummary(lines=lines, tasks=tasks, sha256=digest.hexdigest())
    file.write(summary.line())
    return summary


def _exported_lines(server: AdminServer) -> Iterator[bytes]:
    """Yield lines with their ends; one alone may come in several parts.

    Raises:
        ConflictError: A task changes again and again while it is read.
    """
    cursor, unfinished, restarts = "", bytearray(), 0
    while True:
        data, cursor, restart = server.export_part(cursor)
        if restart:
            unfinished.clear()
            restarts += 1
            if restarts > _MAX_RESTARTS:
                raise ConflictError(
                    "tasks change while they are exported; `tesk admin drain` first"
                )
        unfinished += data
        *whole, rest = bytes(unfinished).split(b"\n")
        yield from (line + b"\n" for line in whole)
        unfinished[:] = rest
        if not cursor:
            return


def check_archive(file: BinaryIO) -> tuple[bytes, ArchiveSummary]:
    """Read a whole file; return its header and its summary, which is right.

    Raises:
        InvalidRequestError: It is no export, not complete or damaged.
    """
    digest = hashlib.sha256()
    header = last = b""
    lines = tasks = 0
    for line in file:
        if last:
            digest.update(last)
            lines += 1
            tasks += last.endswith(_TASK_END)
            header = header or last
        last = line
    wanted = ArchiveSummary(lines=lines, tasks=tasks, sha256=digest.hexdigest())
    if not lines or last != wanted.line():
        problem = (
            "is no complete export: what its last line says of the others is wrong"
        )
        raise InvalidRequestError([Violation("FILE", problem)])
    return header.rstrip(b"\n"), wanted


def send_archive(
    server: AdminServer, file: BinaryIO, summary: ArchiveSummary, report: Report
) -> ImportCount:
    """Send all lines of a checked file, behind its header.

    Raises:
        ConflictError: The server took another number of tasks than there are.
    """
    imported = present = 0
    for batch in _batches(file, summary.lines):
        count = server.import_lines(batch)
        imported += count.imported
        present += count.present
        report(imported + present)
    if imported + present != summary.tasks:
        raise ConflictError(
            f"{summary.tasks} tasks were sent, and {imported + present} arrived"
        )
    return ImportCount(imported, present)


def _batches(file: BinaryIO, lines: int) -> Iterator[list[bytes]]:
    """Yield the lines between the first and the last one, some at a time."""
    batch: list[bytes] = []
    size = 0
    for number, line in enumerate(file):
        if not 0 < number < lines:
            continue
        batch.append(line.rstrip(b"\n"))
        size += len(line)
        if size >= _BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
