"""Defines the tables of the task store.

Frequently read columns are apart from the document, so that filters and
MINIMAL views never read it. Times are microseconds since 1970: integers read
and compare fastest, on both databases. Texts that a client chose are indexed
in a bounded form (``index_form``), since PostgreSQL limits an index entry.
"""

import hashlib
from collections.abc import Iterable

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
)

from tesk_model.states import TaskState
from tesk_scheduler.domain.dimensions import ASKED, DIMENSIONS, Dimension

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
    }
)

# SQLite numbers rows by itself only if the key is called INTEGER.
_SEQ = BigInteger().with_variant(Integer(), "sqlite")
# Byte order in both, so that a prefix is a range.
_BYTES_ORDERED = Text().with_variant(Text(collation="C"), "postgresql")

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


def _amounts(dimensions: Iterable[Dimension]) -> list[Column[int]]:
    return [Column(each.column, BigInteger, nullable=False) for each in dimensions]


TASK = Table(
    "task",
    METADATA,
    Column("seq", _SEQ, primary_key=True),
    Column("id", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("charged_group", Text),
    Column("state", SmallInteger, nullable=False),
    Column("name", Text),
    Column("name_key", _BYTES_ORDERED),
    *_amounts(ASKED),
    Column("attempt", Integer, nullable=False),
    Column("taskmaster", Text),
    Column("released", Boolean, nullable=False),
    Column("last_sequence", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("reason_code", Text, nullable=False, server_default=""),
    Column("inputs_finished", Boolean, nullable=False),
    Column("outputs_finished", Boolean, nullable=False),
    Column("idempotency_key", Text),
    Column("created", BigInteger, nullable=False),
    Column("queued", BigInteger, nullable=False),
    Column("started", BigInteger),
    Column("ended", BigInteger),
    Column("takeovers", Integer, nullable=False, server_default="0"),
    Column("assigned", BigInteger),
    Column("inputs_ended", BigInteger),
    Column("held_up_since", BigInteger),
    Column("output_files", BigInteger, nullable=False, server_default="0"),
    Column("output_bytes", BigInteger, nullable=False, server_default="0"),
    Column("outputs_unlisted", BigInteger, nullable=False, server_default="0"),
    # JSON; "" for none.
    Column("owner_groups", Text, nullable=False, server_default=""),
)
_C = TASK.c
Index("uq_task_id", _C.id, unique=True)
Index("uq_task_owner_idempotency_key", _C.owner, _C.idempotency_key, unique=True)
Index("ix_task_owner_seq", _C.owner, _C.seq)
Index("ix_task_owner_state_seq", _C.owner, _C.state, _C.seq)
Index("ix_task_state_seq", _C.state, _C.seq)
Index("ix_task_name_key_owner", _C.name_key, _C.owner)
_UNRELEASED = _C.released.is_(False)
Index(
    "ix_task_taskmaster",
    _C.taskmaster,
    sqlite_where=_UNRELEASED,
    postgresql_where=_UNRELEASED,
)
_ENDED = _C.ended.is_not(None)
Index("ix_task_ended", _C.ended, sqlite_where=_ENDED, postgresql_where=_ENDED)


def _of_task(*, primary_key: bool = True) -> Column[int]:
    return Column(
        "task_seq",
        _SEQ,
        ForeignKey("task.seq", ondelete="CASCADE"),
        primary_key=primary_key,
        autoincrement=False,
    )


DOCUMENT = Table(
    "document",
    METADATA,
    _of_task(),
    Column("body", LargeBinary, nullable=False),
)

TAG = Table(
    "tag",
    METADATA,
    _of_task(),
    Column("key", _BYTES_ORDERED, primary_key=True),
    Column("value", _BYTES_ORDERED, nullable=False),
    Column("owner", Text, nullable=False),
    sqlite_with_rowid=False,
)
Index("ix_tag_key_value", TAG.c.key, TAG.c.value, TAG.c.task_seq, TAG.c.owner)
Index("ix_tag_key", TAG.c.key, TAG.c.task_seq, TAG.c.owner)

EXECUTOR_LOG = Table(
    "executor_log",
    METADATA,
    _of_task(),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("started", BigInteger),
    Column("ended", BigInteger),
    Column("exit_code", Integer),
    # Bytes, since PostgreSQL's text cannot hold NUL and a program may print it.
    Column("stdout", LargeBinary, nullable=False),
    Column("stderr", LargeBinary, nullable=False),
)

OUTPUT_FILE = Table(
    "output_file",
    METADATA,
    _of_task(),
    # Of url and path, which may be too long for an index.
    Column("fingerprint", Text, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("url", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
)

SYSTEM_LOG = Table(
    "system_log",
    METADATA,
    _of_task(),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("line", Text, nullable=False),
    Column("source", Text, nullable=False),
)

TASK_METADATA = Table(
    "task_metadata",
    METADATA,
    _of_task(),
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

TRANSFER = Table(
    "transfer",
    METADATA,
    _of_task(),
    Column("direction", Text, primary_key=True),
    Column("files_done", BigInteger, nullable=False),
    Column("files_total", BigInteger, nullable=False),
    Column("bytes_done", BigInteger, nullable=False),
    Column("bytes_total", BigInteger, nullable=False),
    Column("bytes_per_second", BigInteger, nullable=False),
    Column("path", Text, nullable=False),
    Column("url", Text, nullable=False),
)

USAGE = Table(
    "usage",
    METADATA,
    Column("kind", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    *_amounts(DIMENSIONS),
)

TASKMASTER = Table(
    "taskmaster",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("slots", Integer, nullable=False),
    Column("lease_until", BigInteger, nullable=False),
    Column("seen", Boolean, nullable=False),
    Column("started", BigInteger, nullable=False),
    Column("revision", Text, nullable=False, server_default=""),
)

LEADER = Table(
    "leader",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("epoch", BigInteger, nullable=False),
    Column("holder", Text, nullable=False),
    Column("until", BigInteger, nullable=False),
    Column("since", BigInteger),
)

PROBE = Table(
    "probe",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("written", BigInteger, nullable=False),
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
