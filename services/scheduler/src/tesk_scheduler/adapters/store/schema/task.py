"""Defines the table of tasks, and its indexes."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    literal_column,
)
from sqlalchemy import (
    text as sql_text,
)

from tesk_model.states import TaskState
from tesk_scheduler.adapters.store.schema.columns import (
    BYTES_ORDERED,
    METADATA,
    SEQ,
    STATE_NUMBERS,
    amounts,
)
from tesk_scheduler.domain.dimensions import ASKED

TASK = Table(
    "task",
    METADATA,
    Column("seq", SEQ, primary_key=True),
    Column("id", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("charged_group", Text),
    Column("state", SmallInteger, nullable=False),
    Column("name", Text),
    Column("name_key", BYTES_ORDERED),
    *amounts(ASKED),
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
    Column("priority", Integer, nullable=False, server_default="0"),
    # JSON, see ``waits``; NULL for none.
    Column("wait", Text),
    Column("namespace", Text, nullable=False, server_default=""),
    Column("gpu_type", Text, nullable=False, server_default=""),
    # JSON; "" for none.
    Column("attempt_parameters", Text, nullable=False, server_default=""),
    Column("losses", Text, nullable=False, server_default=""),
    Column("last_exit_code", Integer),
    Column("running_since", BigInteger),
    Column("not_before", BigInteger),
    Column("due", BigInteger),
    Column("stop_reason", Text, nullable=False, server_default=""),
    Column("stop_reason_code", Text, nullable=False, server_default=""),
)
_C = TASK.c
Index("uq_task_id", _C.id, unique=True)
Index("uq_task_owner_idempotency_key", _C.owner, _C.idempotency_key, unique=True)
Index("ix_task_owner_seq", _C.owner, _C.seq)
Index("ix_task_owner_state_seq", _C.owner, _C.state, _C.seq)
Index("ix_task_state_seq", _C.state, _C.seq)
# A query must name the state as text, not as a parameter, to be answered by it.
IS_QUEUED = _C.state == literal_column(str(STATE_NUMBERS[TaskState.QUEUED]))
Index(
    "ix_task_queue",
    _C.owner,
    _C.priority.desc(),
    _C.seq,
    sqlite_where=IS_QUEUED,
    postgresql_where=IS_QUEUED,
)
Index("ix_task_name_key_owner", _C.name_key, _C.owner)
# Literals: SQLite uses the index only where a query has the same words.
IS_EXPLAINED = sql_text("state IN (2, 3) AND reason_code <> ''")
Index(
    "ix_task_waiting",
    _C.state,
    _C.reason_code,
    sqlite_where=IS_EXPLAINED,
    postgresql_where=IS_EXPLAINED,
)
_UNRELEASED = _C.released.is_(False)
Index(
    "ix_task_taskmaster",
    _C.taskmaster,
    sqlite_where=_UNRELEASED,
    postgresql_where=_UNRELEASED,
)
_ENDED = _C.ended.is_not(None)
Index("ix_task_ended", _C.ended, sqlite_where=_ENDED, postgresql_where=_ENDED)
# What ``load_reads`` counts, without reading tasks.
Index("ix_task_queued_load", _C.queued, _C.owner)
_STARTED = _C.started.is_not(None)
Index(
    "ix_task_started_load",
    _C.started,
    _C.owner,
    _C.queued,
    sqlite_where=_STARTED,
    postgresql_where=_STARTED,
)
Index(
    "ix_task_ended_load",
    _C.ended,
    _C.owner,
    _C.state,
    _C.started,
    _C.queued,
    sqlite_where=_ENDED,
    postgresql_where=_ENDED,
)
_DUE = _C.due.is_not(None)
Index("ix_task_due", _C.due, sqlite_where=_DUE, postgresql_where=_DUE)
