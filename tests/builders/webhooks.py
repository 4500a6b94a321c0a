"""Webhooks for tests: changes of tasks, targets and deliveries."""

from datetime import timedelta
from typing import Any

from builders.scheduler_tasks import NOON
from tesk_model.backoff import Backoff
from tesk_model.states import TaskState
from tesk_model.task import TaskId
from tesk_scheduler.domain.webhooks.deliveries import Delivery, DeliveryRules
from tesk_scheduler.domain.webhooks.events import TaskChange
from tesk_scheduler.domain.webhooks.targets import Audience, Recipient, Target

RULES = DeliveryRules(
    backoff=Backoff(first=timedelta(seconds=2), longest=timedelta(seconds=600)),
    max_tries=3,
    max_age=timedelta(hours=1),
)


def make_change(**overrides: Any) -> TaskChange:
    """Return that a task of ours has ended."""
    fields: dict[str, Any] = {
        "position": 7,
        "task_id": TaskId("t-1"),
        "state": TaskState.COMPLETE,
        "changed_at": NOON + timedelta(minutes=2),
        "created_at": NOON,
        "attempt": 1,
        "name": "sort",
        "tags": {"project": "x"},
        "started_at": NOON + timedelta(minutes=1),
        "ended_at": NOON + timedelta(minutes=2),
    }
    return TaskChange(**(fields | overrides))


def make_target(**overrides: Any) -> Target:
    """Return a receiver that hears of everything."""
    fields: dict[str, Any] = {
        "name": "lab",
        "secrets": ("key",),
        "audience": Audience(),
        "url": "https://hooks.example.org/tesk",
    }
    return Target(**(fields | overrides))


def make_delivery(**overrides: Any) -> Delivery:
    """Return an event that was not tried yet."""
    fields: dict[str, Any] = {
        "seq": 1,
        "event_id": "t-1.7",
        "recipient": Recipient("lab", "https://hooks.example.org/tesk"),
        "task_id": "t-1",
        "body": b'{"id":"t-1.7"}',
        "created_at": NOON,
    }
    return Delivery(**(fields | overrides))
