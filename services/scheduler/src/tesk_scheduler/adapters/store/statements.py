"""Statements of the hot paths, built once: building costs more than running.

INSERT … ON CONFLICT is spelled by each dialect for itself; everything else is
the same on both databases.
"""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import bindparam, insert, update
from sqlalchemy.dialects import postgresql, sqlite

from tesk_model.states import TaskState
from tesk_scheduler.adapters.store import schema
from tesk_scheduler.adapters.store.schema import TASK

_C = TASK.c
_COUNTERS = ("running", "queued", "cpu_millis", "ram", "disk")

Upsert = Mapping[str, Any]
"""One statement for each dialect, by its name."""


def upsert(table: Any) -> Upsert:
    """Begin an INSERT … ON CONFLICT."""
    return {"sqlite": sqlite.insert(table), "postgresql": postgresql.insert(table)}


def _replacing(table: Any, key: str, values: Callable[[Any], dict[str, Any]]) -> Upsert:
    return {
        name: statement.on_conflict_do_update(
            index_elements=key.split(), set_=values(statement.excluded)
        )
        for name, statement in upsert(table).items()
    }


INSERT_TASK = insert(TASK).returning(_C.id, _C.seq)
INSERT_DOCUMENT = insert(schema.DOCUMENT)
INSERT_TAG = insert(schema.TAG)
INSERT_LINE = insert(schema.SYSTEM_LOG)

SAVE_TASK = (
    update(TASK)
    .where(
        _C.seq == bindparam("row"),
        _C.state == bindparam("old_state"),
        _C.attempt == bindparam("old_attempt"),
        _C.last_sequence == bindparam("old_last_sequence"),
    )
    .values(
        {
            column: bindparam(f"new_{column}")
            for column in (
                "state",
                "attempt",
                "taskmaster",
                "released",
                "last_sequence",
                "reason",
                "queued",
                "started",
                "ended",
                "inputs_finished",
                "outputs_finished",
                "takeovers",
                "assigned",
            )
        }
    )
)

SET_REASON = (
    update(TASK)
    .where(
        _C.id == bindparam("task"),
        _C.state == schema.STATE_NUMBERS[TaskState.QUEUED],
        _C.reason != bindparam("new_reason"),
    )
    .values(reason=bindparam("new_reason"))
)

ADD_USAGE = _replacing(
    schema.USAGE,
    "kind name",
    lambda new: {name: schema.USAGE.c[name] + new[name] for name in _COUNTERS},
)
PUT_ENTRY = _replacing(
    schema.TASK_METADATA, "task_seq key", lambda new: {"value": new.value}
)
PUT_OUTPUT = _replacing(
    schema.OUTPUT_FILE, "task_seq fingerprint", lambda new: {"size": new.size}
)
PUT_TASKMASTER = _replacing(
    schema.TASKMASTER,
    "id",
    lambda new: {
        name: new[name] for name in ("slots", "lease_until", "seen", "started")
    },
)
PUT_EXECUTOR_LOG = upsert(schema.EXECUTOR_LOG)
