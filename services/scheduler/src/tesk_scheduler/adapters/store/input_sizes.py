"""Reads and writes what arrived of the inputs of tasks: one row for each task."""

from collections.abc import Mapping, Sequence

import msgspec
from sqlalchemy import Connection, select

from tesk_model.task import InputSize
from tesk_scheduler.adapters.store import statements
from tesk_scheduler.adapters.store.schema import INPUT_SIZES
from tesk_scheduler.domain.records import StoredTask

_C = INPUT_SIZES.c
_Rows = list[tuple[int, int, int]]


def put_input_sizes(
    connection: Connection, seq: int, sizes: Sequence[InputSize]
) -> None:
    """Insert or replace the row."""
    rows = [(each.index, each.files, each.size_bytes) for each in sizes]
    values = {"task_seq": seq, "body": msgspec.msgpack.encode(rows)}
    connection.execute(statements.PUT_INPUT_SIZES[connection.dialect.name], values)


def add_input_sizes(connection: Connection, tasks: Mapping[int, StoredTask]) -> None:
    """Add to tasks what arrived of their inputs."""
    query = select(_C.task_seq, _C.body).where(_C.task_seq.in_(list(tasks)))
    for seq, body in connection.execute(query):
        rows = msgspec.msgpack.decode(body, type=_Rows)
        tasks[seq].input_sizes.extend(
            InputSize(index=index, files=files, size_bytes=size)
            for index, files, size in rows
        )
