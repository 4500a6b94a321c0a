"""Renders what receivers of webhooks are told of a task's new state.

An event holds what its owner may see in a small view of the task, and no more: no
commands, urls or logs. All of it is bounded, whatever a task is called.

Source:
    CloudEvents 1.0, JSON event format, structured mode; the extension ``sequence``.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tesk_model.reasons import ReasonCode
from tesk_model.states import TaskState
from tesk_model.task import TaskId
from tesk_scheduler.domain.bounds import size_of, truncated
from tesk_scheduler.domain.state_changes import StoredChange

CONTENT_TYPE = "application/cloudevents+json"
"""Media type of a rendered event, in UTF-8."""

EVENT_TYPE = "tesk.task.state_changed"

_NAME_BYTES = 1024
_TAGS_BYTES = 8192
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Decimal digits, so that sequences of text compare as numbers do.
_DIGITS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class EventTask:
    """What events about a task tell beside its change.

    Attributes:
        groups: Of its owner.
        webhook: The receiver that it names; "" for none.
    """

    groups: tuple[str, ...]
    attempt: int
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    webhook: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskChange:
    """A state that a task got.

    Attributes:
        position: Of the change in the feed of all changes; later ones have higher ones.
        attempt: Number of the latest attempt; 0 before the first.
        reason: Why it got the state; NONE for nothing to say.
        changed_at: When it got the state.
        created_at: When the task was created.
        started_at: When its latest attempt was admitted, if it was.
        ended_at: When it reached a final state, if it has.
    """

    position: int
    task_id: TaskId
    state: TaskState
    changed_at: datetime
    created_at: datetime
    attempt: int = 0
    reason: ReasonCode = ReasonCode.NONE
    name: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    started_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def event_id(self) -> str:
        """Id of the event, unique in this installation and the same for each try."""
        return f"{self.task_id}.{self.position}"


def event_of_change(
    change: StoredChange, task: EventTask, tags: Mapping[str, str]
) -> TaskChange:
    """Return what is told of a change.

    The task may have gone on since: what was not so yet is left out.
    """
    is_same_attempt = task.attempt == change.attempt
    has_started = is_same_attempt and change.state is not TaskState.QUEUED
    return TaskChange(
        position=change.position.number,
        task_id=change.task_id,
        state=change.state,
        changed_at=_EPOCH + timedelta(microseconds=change.position.time),
        created_at=task.created_at,
        attempt=change.attempt,
        reason=change.reason,
        name=change.name,
        tags=tags,
        started_at=task.started_at if has_started else None,
        ended_at=task.ended_at if change.state.is_final else None,
    )


def render_event(change: TaskChange, source: str) -> bytes:
    """Return the event as it is sent; equal for equal changes.

    Args:
        change: What happened.
        source: Names this installation, a reference by RFC 3986.
    """
    event = {
        "specversion": "1.0",
        "id": change.event_id,
        "source": source,
        "type": EVENT_TYPE,
        "subject": change.task_id,
        "time": _time(change.changed_at),
        "datacontenttype": "application/json",
        "sequence": f"{change.position:0{_DIGITS}d}",
        "data": _data(change),
    }
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()


def _data(change: TaskChange) -> dict[str, Any]:
    tags, omitted = _fitting(change.tags)
    data: dict[str, Any] = {
        "id": change.task_id,
        "state": change.state.value,
        "attempt": change.attempt,
        "creation_time": _time(change.created_at),
        "tags": tags,
    }
    if omitted:
        data["tags_omitted"] = omitted
    if change.name is not None:
        data["name"] = truncated(change.name, _NAME_BYTES)
    if change.reason:
        data["reason"] = change.reason.value
    if change.started_at is not None:
        data["start_time"] = _time(change.started_at)
    if change.ended_at is not None:
        data["end_time"] = _time(change.ended_at)
    return data


def _fitting(tags: Mapping[str, str]) -> tuple[dict[str, str], int]:
    """Return the first tags that fit, whole, and the number of the others."""
    fitting: dict[str, str] = {}
    used = 0
    for key, value in sorted(tags.items()):
        used += size_of(key) + size_of(value)
        if used > _TAGS_BYTES:
            break
        fitting[key] = value
    return fitting, len(tags) - len(fitting)


def _time(time: datetime) -> str:
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")
