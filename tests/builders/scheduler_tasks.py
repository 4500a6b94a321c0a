"""Tasks and records as the scheduler keeps them, for its tests."""

from datetime import UTC, datetime
from typing import Any

from fakes.scheduler_environment import FrozenClock
from tesk_model.quantities import ByteCount
from tesk_model.states import TaskState
from tesk_model.task import TaskId
from tesk_scheduler.domain.quota import Demand, Quota
from tesk_scheduler.domain.records import Document, NewTask, TaskRecord
from tesk_scheduler.ports.environment import Clock
from tesk_scheduler.ports.observer import NoObserver
from tesk_scheduler.ports.quota import FixedQuota
from tesk_scheduler.ports.store import TaskStore
from tesk_scheduler.usecases.queue_places import QueuePlaces
from tesk_scheduler.usecases.reading import Reading

_NO_QUOTA = Quota()
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


def make_reading(
    store: TaskStore, clock: Clock | None = None, *, quota: Quota = _NO_QUOTA
) -> Reading:
    """Return what reads tasks of ``store``, unobserved."""
    places = QueuePlaces(
        store=store, clock=clock or FrozenClock(NOON), quotas=FixedQuota(quota)
    )
    return Reading(store=store, secret="s", observer=NoObserver(), places=places)


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
