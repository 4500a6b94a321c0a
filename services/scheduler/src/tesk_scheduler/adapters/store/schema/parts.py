"""Defines the tables of what belongs to a task."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
)

from tesk_scheduler.adapters.store.schema.columns import (
    BYTES_ORDERED,
    METADATA,
    SEQ,
    of_task,
)

DOCUMENT = Table(
    "document",
    METADATA,
    of_task(),
    Column("body", LargeBinary, nullable=False),
)

TAG = Table(
    "tag",
    METADATA,
    of_task(),
    Column("key", BYTES_ORDERED, primary_key=True),
    Column("value", BYTES_ORDERED, nullable=False),
    Column("owner", Text, nullable=False),
    sqlite_with_rowid=False,
)
Index("ix_tag_key_value", TAG.c.key, TAG.c.value, TAG.c.task_seq, TAG.c.owner)
Index("ix_tag_key", TAG.c.key, TAG.c.task_seq, TAG.c.owner)

EXECUTOR_LOG = Table(
    "executor_log",
    METADATA,
    of_task(),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("started", BigInteger),
    Column("ended", BigInteger),
    Column("exit_code", Integer),
    # What the command used: microseconds, and bytes.
    Column("cpu", BigInteger),
    Column("max_memory", BigInteger),
    # Bytes, since PostgreSQL's text cannot hold NUL and a program may print it.
    Column("stdout", LargeBinary, nullable=False),
    Column("stderr", LargeBinary, nullable=False),
    Column("image_digest", Text, nullable=False, server_default=""),
)

OUTPUT_FILE = Table(
    "output_file",
    METADATA,
    of_task(),
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
    of_task(),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("line", Text, nullable=False),
    Column("source", Text, nullable=False),
)

TASK_METADATA = Table(
    "task_metadata",
    METADATA,
    of_task(),
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

# What arrived of all inputs: never searched, read as a whole.
INPUT_SIZES = Table(
    "input_sizes",
    METADATA,
    of_task(),
    Column("body", LargeBinary, nullable=False),
)

TRANSFER = Table(
    "transfer",
    METADATA,
    of_task(),
    Column("direction", Text, primary_key=True),
    Column("files_done", BigInteger, nullable=False),
    Column("files_total", BigInteger, nullable=False),
    Column("bytes_done", BigInteger, nullable=False),
    Column("bytes_total", BigInteger, nullable=False),
    Column("bytes_per_second", BigInteger, nullable=False),
    Column("path", Text, nullable=False),
    Column("url", Text, nullable=False),
)

# Without a foreign key: the feed goes on where tasks were deleted.
STATE_CHANGE = Table(
    "state_change",
    METADATA,
    Column("number", SEQ, primary_key=True, autoincrement=False),
    Column("task_seq", BigInteger, nullable=False),
    Column("task_id", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("state", SmallInteger, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("reason_code", Text, nullable=False),
    Column("changed", BigInteger, nullable=False),
)

# What tasks run, for the call cache; of those that were created while it was on.
CALL = Table(
    "task_call",
    METADATA,
    of_task(),
    Column("scope", Text, nullable=False),
    # "" for none.
    Column("call_key", Text, nullable=False),
    Column("problem", Text, nullable=False),
    Column("inputs_identified", Boolean, nullable=False),
    Column("outputs_identified", Boolean, nullable=False),
    Column("identities", BigInteger, nullable=False),
    Column("identity_bytes", BigInteger, nullable=False),
    Column("reusable", Boolean, nullable=False),
    Column("candidate", Text),
    # NULL: not checked.
    Column("difference", Text),
    Column("hit", Boolean, nullable=False),
)
Index("ix_task_call_key", CALL.c.call_key, CALL.c.scope, CALL.c.task_seq)

# Of the files of one call of a filer, compressed: never searched, read as a whole.
IDENTITY_BATCH = Table(
    "identity_batch",
    METADATA,
    of_task(),
    # Of the body, so that a call that is repeated is stored once.
    Column("digest", Text, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
)
