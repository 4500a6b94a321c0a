"""Tasks and records as the scheduler keeps them, for its tests."""

from datetime import UTC, datetime
from typing import Any

from tesk_model.quantities import ByteCount
from tesk_model.states import TaskState
from tesk_model.task import TaskId
from tesk_scheduler.domain.quota import Demand
from tesk_scheduler.domain.records import Document, NewTask, TaskRecord

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def make_demand(**overrides: Any) -> Demand:
    """Return one core, 1 GiB and no disk."""
    fields = {"cpu_millis": 1000, "ram": ByteCount(2**30), "disk": ByteCount(0)}
    return Demand(**(fields | overrides))


def make_new_task(task_id: str, **overrides: Any) -> NewTask:
    """Return a task of alice that is to be stored."""
    fields: dict[str, Any] = {
        "id": TaskId(task_id),
        "owner": "alice",
        "group": None,
        "demand": make_demand(),
        "name": None,
        "tags": {},
        "document": Document(b"\x1a\x04name"),
        "created_at": NOON,
    }
    return NewTask(**(fields | overrides))


def make_record(**overrides: Any) -> TaskRecord:
    """Return a task of alice that waits."""
    fields: dict[str, Any] = {
        "seq": 1,
        "id": TaskId("t-1"),
        "owner": "alice",
        "group": None,
        "demand": make_demand(),
        "state": TaskState.QUEUED,
        "queued_at": NOON,
    }
    return TaskRecord(**(fields | overrides))
