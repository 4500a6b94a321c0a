"""The events of all attempts that are to be reported, in order.

Those that nothing waits for are held for a moment, until others go: each call is a
transaction of the scheduler, and most reasons are over in a second.
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from tesk_model.events import (
    EventPayload,
    ExecutorEnded,
    ExecutorOutput,
    Metadata,
    Notice,
    ReasonChanged,
    TaskEvent,
)
from tesk_model.names import Attempt

_MAX_EVENTS = 200
# Far below the limit of a message; a single event is always sent.
_MAX_BYTES = 8 * 1024 * 1024
_MAX_ENCODED_BYTES = 3  # of the replacement character for an invalid byte
# What a successor would find out again, and what people read.
_HELD = (ReasonChanged, Metadata, Notice, ExecutorEnded)


class PendingEvents:
    """Events that are not sent yet; used under a lock.

    Attributes:
        due: When they are to be sent, in monotonic seconds; infinite if there are none.
    """

    def __init__(self, hold: timedelta) -> None:
        """Hold events that nothing waits for as long as ``hold``."""
        self._hold = hold.total_seconds()
        self._events: deque[TaskEvent] = deque()
        self.due = math.inf

    def __bool__(self) -> bool:
        """Tell whether there are any."""
        return bool(self._events)

    def add(self, event: TaskEvent, now: float) -> None:
        """Add the next event of an attempt."""
        self._events.append(event)
        self.hasten(now + self._hold if isinstance(event.payload, _HELD) else now)

    def replace(self, attempt: Attempt, payload: EventPayload) -> bool:
        """Put live output in place of older one, if that is the last event."""
        if not isinstance(payload, ExecutorOutput):
            return False
        for place in range(len(self._events) - 1, -1, -1):
            event = self._events[place]
            if event.attempt != attempt:
                continue
            if not isinstance(event.payload, ExecutorOutput):
                return False
            self._events[place] = replace(event, payload=payload)
            return True
        return False

    def hasten(self, due: float) -> None:
        """Let what there is be sent at ``due`` at the latest."""
        if self._events:
            self.due = min(self.due, due)

    def take(self) -> list[TaskEvent]:
        """Take as many as one call should carry; there must be some."""
        batch = [self._events.popleft()]
        size = _size(batch[0])
        while self._events and len(batch) < _MAX_EVENTS:
            size += _size(self._events[0])
            if size > _MAX_BYTES:
                break
            batch.append(self._events.popleft())
        self._forget_due()
        return batch

    def drop(self, attempt: Attempt) -> None:
        """Drop the events of an attempt."""
        kept: Sequence[TaskEvent] = [
            event for event in self._events if event.attempt != attempt
        ]
        self._events.clear()
        self._events.extend(kept)
        self._forget_due()

    def _forget_due(self) -> None:
        if not self._events:
            self.due = math.inf


def _size(event: TaskEvent) -> int:
    """Return an upper estimate of the bytes that an event takes."""
    match event.payload:
        case ExecutorOutput() | ExecutorEnded():
            return _MAX_ENCODED_BYTES * (
                len(event.payload.stdout) + len(event.payload.stderr)
            )
        case _:
            return 0
