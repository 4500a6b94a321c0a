"""Reads and writes how far the transfers of a task are; at most two rows each.

A page of tasks may have a few MiB of them, which its limit does not count: a message
has room for that.
"""

from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import Connection, delete, select

from tesk_model.progress import NAME_LENGTH
from tesk_model.task import TransferStatus
from tesk_model.text import elide
from tesk_scheduler.adapters.store import statements
from tesk_scheduler.adapters.store.schema import TRANSFER, clean
from tesk_scheduler.domain.records import ACTIVE_STATES, StoredTask

_C = TRANSFER.c


def put_transfer(connection: Connection, seq: int, status: TransferStatus) -> None:
    """Insert or update the status of one direction."""
    values = asdict(status) | {
        "task_seq": seq,
        "path": clean(elide(status.path, NAME_LENGTH)),
        "url": clean(elide(status.url, NAME_LENGTH)),
    }
    connection.execute(statements.PUT_TRANSFER[connection.dialect.name], values)


def remove_transfer(connection: Connection, seq: int, direction: str) -> None:
    """Delete the status of one direction."""
    connection.execute(
        delete(TRANSFER).where(_C.task_seq == seq, _C.direction == direction)
    )


def add_transfers(connection: Connection, tasks: Sequence[StoredTask]) -> None:
    """Add to tasks that run how far their transfers are."""
    running = {task.seq: task for task in tasks if task.state in ACTIVE_STATES}
    if not running:
        return
    query = (
        select(TRANSFER)
        .where(_C.task_seq.in_(list(running)))
        .order_by(_C.task_seq, _C.direction)
    )
    for row in connection.execute(query).mappings():
        values = dict(row)
        running[values.pop("task_seq")].transfers.append(TransferStatus(**values))
