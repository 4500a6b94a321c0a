"""Defines the trace of a task: one for each, whose ids follow from the task's.

No service tells another one where it is in a trace: the ids of the trace, of its
root and of its attempts are hashes of what every service knows. All other spans
have no children, and ids that are drawn.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from typing import Protocol

from tesk_model.names import Attempt
from tesk_model.task import TaskId


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Something that took time in the life of a task.

    Attributes:
        task_id: Names the trace.
        id: 64 bits; None: any.
        parent: The id of the span that this is a part of; None for the root.
        failed: It did not end as it should.
    """

    name: str
    task_id: TaskId
    parent: int | None
    start: datetime
    end: datetime
    id: int | None = None
    failed: bool = False
    attributes: Mapping[str, str | int | float | bool] = field(default_factory=dict)


class Tracer(Protocol):
    """Takes spans that have ended; thread-safe, quick, never raises."""

    def record(self, span: Span) -> None:
        """Send a span on, some time."""

    def close(self) -> None:
        """Send what is left, within a second or two."""


class NoTracer:
    """Drops all spans."""

    def record(self, span: Span) -> None:
        """See ``Tracer``."""

    def close(self) -> None:
        """See ``Tracer``."""


def trace_id_of(task_id: TaskId) -> int:
    """Return the id of a task's trace: 128 bits."""
    return _hash(task_id, 16)


def task_span_id(task_id: TaskId) -> int:
    """Return the id of the root of a task's trace: its life."""
    return _hash(task_id, 8)


def attempt_span_id(attempt: Attempt) -> int:
    """Return the id of the span of an attempt."""
    return _hash(attempt.name, 8)


def _hash(text: str, size: int) -> int:
    digest = blake2b(text.encode(), digest_size=size, person=b"tesk-trace")
    return int.from_bytes(digest.digest(), "big") or 1
