"""Defines the statements of the hot paths, built once: building costs more.

INSERT … ON CONFLICT differs by dialect; everything else is the same on both
databases.
"""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import LargeBinary, bindparam, func, insert, literal, select, update
from sqlalchemy.dialects import postgresql, sqlite

from tesk_model.states import TaskState
from tesk_scheduler.adapters.store import schema
from tesk_scheduler.adapters.store.driver import DriverStatement
from tesk_scheduler.adapters.store.octets import octets
from tesk_scheduler.adapters.store.rows import RECORD_COLUMNS
from tesk_scheduler.adapters.store.schema import TASK
from tesk_scheduler.domain.dimensions import ASKED, DIMENSIONS

_C = TASK.c
_COUNTERS = tuple(each.column for each in DIMENSIONS)

Upsert = Mapping[str, Any]
"""One statement for each dialect, by its name."""


def upsert(table: Any) -> Upsert:
    """Begin an INSERT … ON CONFLICT."""
    return {"sqlite": sqlite.insert(table), "postgresql": postgresql.insert(table)}


def replacing(table: Any, key: str, values: Callable[[Any], dict[str, Any]]) -> Upsert:
    """Build an INSERT that updates the row with the same ``key`` (columns, by spaces)."""
    return {
        name: statement.on_conflict_do_update(
            index_elements=key.split(), set_=values(statement.excluded)
        )
        for name, statement in upsert(table).items()
    }


INSERT_TASK = insert(TASK).returning(_C.id, _C.seq)
INSERT_ONE_TASK = DriverStatement(lambda _: INSERT_TASK)
INSERT_DOCUMENT = DriverStatement(lambda _: insert(schema.DOCUMENT))
INSERT_TAG = DriverStatement(lambda _: insert(schema.TAG))
INSERT_LINE = DriverStatement(lambda _: insert(schema.SYSTEM_LOG))


def _new_values(*columns: str) -> dict[str, Any]:
    """Return values for columns of a task: a parameter for each, ``new_`` before it."""
    return {name: bindparam(f"new_{name}", type_=_C[name].type) for name in columns}


_CHANGING = (
    "state",
    "attempt",
    "taskmaster",
    "released",
    "last_sequence",
    "reason",
    "reason_code",
    "wait",
    "queued",
    "started",
    "ended",
    "inputs_finished",
    "outputs_finished",
    "takeovers",
    "assigned",
    "inputs_ended",
    "held_up_since",
    "priority",
    "losses",
    "last_exit_code",
    "running_since",
    "not_before",
    "due",
    "stop_reason",
    "stop_reason_code",
)
SAVE_TASK = DriverStatement(
    lambda _: (
        update(TASK)
        .where(
            _C.seq == bindparam("row"),
            _C.state == bindparam("old_state"),
            _C.attempt == bindparam("old_attempt"),
            _C.last_sequence == bindparam("old_last_sequence"),
        )
        .values(_new_values(*_CHANGING))
    )
)
SET_DEMAND = DriverStatement(
    lambda _: (
        update(TASK)
        .where(_C.seq == bindparam("row"))
        .values(_new_values(*(each.column for each in ASKED)))
    )
)

_IS_QUEUED = _C.state == schema.STATE_NUMBERS[TaskState.QUEUED]
EXPLAINED_TASKS = (
    select(_C.seq, _C.id, _C.reason, _C.reason_code, _C.wait, _C.queued)
    .where(
        _C.id.in_(bindparam("ids", expanding=True)),
        # What was queued anew meanwhile waits for something else.
        *(_IS_QUEUED, _C.released.is_(True), _C.not_before.is_(None)),
    )
    .order_by(_C.seq)
    .with_for_update()
)
SET_REASON = DriverStatement(
    lambda _: (
        update(TASK)
        .where(_C.seq == bindparam("row"), _IS_QUEUED)
        .values(_new_values("reason", "reason_code", "wait"))
    )
)

ADD_USAGE = DriverStatement(
    replacing(
        schema.USAGE,
        "kind name",
        lambda new: {name: schema.USAGE.c[name] + new[name] for name in _COUNTERS},
    ).__getitem__
)
PUT_USAGE_HISTORY = replacing(
    schema.USAGE_HISTORY,
    "kind name",
    lambda new: {name: new[name] for name in ("average", "sampled", "used")},
)
PUT_ENTRY = replacing(
    schema.TASK_METADATA, "task_seq key", lambda new: {"value": new.value}
)
PUT_TRANSFER = replacing(
    schema.TRANSFER,
    "task_seq direction",
    lambda new: {
        column.name: new[column.name]
        for column in schema.TRANSFER.c
        if not column.primary_key
    },
)
PUT_INPUT_SIZES = replacing(
    schema.INPUT_SIZES, "task_seq", lambda new: {"body": new.body}
)
PUT_OUTPUT = replacing(
    schema.OUTPUT_FILE, "task_seq fingerprint", lambda new: {"size": new.size}
)
PUT_TASKMASTER = replacing(
    schema.TASKMASTER,
    "id",
    lambda new: {
        name: new[name]
        for name in (
            *("slots", "lease_until", "seen", "started"),
            *("revision", "dedicated"),
        )
    },
)

PUT_PROBE = replacing(schema.PROBE, "id", lambda new: {"written": new.written})

_LOG = schema.EXECUTOR_LOG.c
_NOTHING = literal(b"", LargeBinary)


def _put_executor_log(dialect: str) -> Any:
    """Insert or update one log; what is NULL or empty stays as it is."""
    put = upsert(schema.EXECUTOR_LOG)[dialect]
    new = put.excluded
    values = {
        name: func.coalesce(new[name], _LOG[name])
        for name in ("started", "ended", "exit_code", "cpu", "max_memory")
    } | {
        name: func.coalesce(func.nullif(new[name], nothing), _LOG[name])
        for name, nothing in {
            "image_digest": "",
            "stdout": _NOTHING,
            "stderr": _NOTHING,
        }.items()
    }
    return put.on_conflict_do_update(
        index_elements=["task_seq", "position"], set_=values
    )


PUT_EXECUTOR_LOG = DriverStatement(_put_executor_log)

IDS_BY_KEY = select(_C.idempotency_key, _C.id).where(
    _C.owner == bindparam("owner"),
    _C.idempotency_key.in_(bindparam("keys", expanding=True)),
)
ID_BY_KEY = DriverStatement(
    lambda _: select(_C.id).where(
        _C.owner == bindparam("owner"), _C.idempotency_key == bindparam("key")
    )
)
LOCKED_RECORDS = (
    select(*RECORD_COLUMNS)
    .where(_C.id.in_(bindparam("ids", expanding=True)))
    .order_by(_C.seq)  # the same order everywhere avoids deadlocks
    .with_for_update()
)


_LINE = schema.SYSTEM_LOG.c
_OF_TASK: Any = bindparam("row")
_LINES = (
    func.count(),
    func.coalesce(func.sum(octets(_LINE.line)), 0),
    func.max(_LINE.position),
)
_STORED_LINES = select(*_LINES).where(_LINE.task_seq == _OF_TASK)
STORED_LINES = DriverStatement(lambda _: _STORED_LINES)
STORED_LINES_OF_TASKS = (
    select(_LINE.task_seq, *_LINES)
    .where(_LINE.task_seq.in_(bindparam("rows", expanding=True)))
    .group_by(_LINE.task_seq)
)

_ENTRY = schema.TASK_METADATA.c
STORED_ENTRIES = select(_ENTRY.key, octets(_ENTRY.key) + octets(_ENTRY.value)).where(
    _ENTRY.task_seq == _OF_TASK
)

ENTRIES = select(_ENTRY.key, _ENTRY.value).where(_ENTRY.task_seq == _OF_TASK)

_OUTPUT = schema.OUTPUT_FILE.c
STORED_OUTPUTS = select(_C.output_files, _C.output_bytes).where(_C.seq == _OF_TASK)
KNOWN_OUTPUTS = select(_OUTPUT.fingerprint).where(
    _OUTPUT.task_seq == _OF_TASK,
    _OUTPUT.fingerprint.in_(bindparam("fingerprints", expanding=True)),
)
COUNT_OUTPUTS = (
    update(TASK)
    .where(_C.seq == _OF_TASK)
    .values(
        output_files=_C.output_files + bindparam("more_files"),
        output_bytes=_C.output_bytes + bindparam("more_bytes"),
        outputs_unlisted=_C.outputs_unlisted + bindparam("more_unlisted"),
    )
)
SET_UNLISTED = (
    update(TASK)
    .where(
        _C.seq == _OF_TASK,
        _C.outputs_unlisted > 0,
        _C.output_files < bindparam("uploaded"),
    )
    .values(
        outputs_unlisted=bindparam("uploaded", type_=_C.output_files.type)
        - _C.output_files
    )
)
_CALL = schema.CALL.c
INSERT_CALL = insert(schema.CALL)
CLEAR_CALL = (
    update(schema.CALL)
    .where(_CALL.task_seq == _OF_TASK)
    .values(
        inputs_identified=False,
        outputs_identified=False,
        identities=0,
        identity_bytes=0,
        reusable=False,
        candidate=None,
        difference=None,
    )
)

CLEAR_OUTPUTS = (
    update(TASK)
    .where(_C.seq == _OF_TASK)
    .values(output_files=0, output_bytes=0, outputs_unlisted=0)
)
