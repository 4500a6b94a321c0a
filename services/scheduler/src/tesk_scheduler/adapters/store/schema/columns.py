"""Defines what the tables of the task store share: types, columns, forms of texts."""

import hashlib
from collections.abc import Iterable

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, MetaData, Text

from tesk_model.states import TaskState
from tesk_scheduler.domain.dimensions import GPU, Dimension

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
    }
)

# SQLite numbers rows by itself only if the key is called INTEGER.
SEQ = BigInteger().with_variant(Integer(), "sqlite")
# Byte order in both, so that a prefix is a range.
BYTES_ORDERED = Text().with_variant(Text(collation="C"), "postgresql")

INDEXED_LENGTH = 128

# The numbers of tesk.v1.TaskState; never changed.
STATE_NUMBERS: dict[TaskState, int] = {
    TaskState.UNKNOWN: 1,
    TaskState.QUEUED: 2,
    TaskState.INITIALIZING: 3,
    TaskState.RUNNING: 4,
    TaskState.PAUSED: 5,
    TaskState.COMPLETE: 6,
    TaskState.EXECUTOR_ERROR: 7,
    TaskState.SYSTEM_ERROR: 8,
    TaskState.CANCELED: 9,
    TaskState.PREEMPTED: 10,
    TaskState.CANCELING: 11,
}
STATES = {number: state for state, number in STATE_NUMBERS.items()}


def amounts(dimensions: Iterable[Dimension]) -> list[Column[int]]:
    """Return a column for each dimension."""
    # The release before knows no GPUs.
    return [
        Column(
            each.column,
            BigInteger,
            nullable=False,
            server_default="0" if each is GPU else None,
        )
        for each in dimensions
    ]


def of_task(*, primary_key: bool = True) -> Column[int]:
    """Return the column of the task that a row is of; it goes with that."""
    return Column(
        "task_seq",
        SEQ,
        ForeignKey("task.seq", ondelete="CASCADE"),
        primary_key=primary_key,
        autoincrement=False,
    )


def clean(text: str) -> str:
    """Return ``text`` as both databases can hold it: without NUL."""
    return text.replace("\0", "�")


def index_form(text: str) -> str:
    """Return a short stand-in for ``text`` that is equal only for equal texts.

    What is too long is cut and gets its digest, and is then longer than any
    text that stands for itself.
    """
    if len(text) <= INDEXED_LENGTH:
        return clean(text)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return clean(text[:INDEXED_LENGTH]) + digest
