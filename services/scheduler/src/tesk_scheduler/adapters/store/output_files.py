"""Writes the output files of a task within a transaction."""

import hashlib
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from tesk_model.task import OutputFileLog
from tesk_scheduler.adapters.store import statements
from tesk_scheduler.adapters.store.schema import clean
from tesk_scheduler.domain import bounds

_FILES_AT_ONCE = 1000


def put_output_files(
    connection: Connection, seq: int, files: Sequence[OutputFileLog]
) -> None:
    """Insert or update files; a known one keeps its position."""
    for first in range(0, len(files), _FILES_AT_ONCE):
        _put_files(connection, seq, files[first : first + _FILES_AT_ONCE])


def _put_files(
    connection: Connection, seq: int, files: Sequence[OutputFileLog]
) -> None:
    # Of duplicates the last counts, as it would in two calls.
    by_fingerprint = {_fingerprint(file): file for file in files}
    values = {"row": seq, "fingerprints": list(by_fingerprint)}
    known = set(connection.scalars(statements.KNOWN_OUTPUTS, values))
    fresh = [each for each in by_fingerprint if each not in known]
    sizes = [_names_size(by_fingerprint[each]) for each in fresh]
    there = bounds.Retained(
        *connection.execute(statements.STORED_OUTPUTS, {"row": seq}).one()
    )
    used = there.size + there.number * bounds.OUTPUT_OVERHEAD
    room = bounds.fitting_outputs(sizes, bounds.Retained(there.number, used))
    listed = [*fresh[:room], *known]
    if listed:
        connection.execute(
            statements.PUT_OUTPUT[connection.dialect.name],
            [
                _file_values(by_fingerprint[each])
                | {"task_seq": seq, "fingerprint": each, "position": position}
                for position, each in enumerate(listed, there.number)
            ],
        )
    if fresh:
        connection.execute(
            statements.COUNT_OUTPUTS,
            {
                "row": seq,
                "more_files": room,
                "more_bytes": sum(sizes[:room]),
                "more_unlisted": len(fresh) - room,
            },
        )


def _fingerprint(entry: OutputFileLog) -> str:
    return hashlib.sha256(f"{entry.url}\0{entry.path}".encode()).hexdigest()


def _names_size(file: OutputFileLog) -> int:
    return bounds.size_of(clean(file.url)) + bounds.size_of(clean(file.path))


def _file_values(file: OutputFileLog) -> dict[str, Any]:
    return {
        "url": clean(file.url),
        "path": clean(file.path),
        "size": file.size_bytes,
    }
