"""Renders changes of states as server-sent events.

The id of an event is a cursor, after which who comes back goes on.
"""

import msgspec

from tesk_api.domain.requests import StateChange
from tesk_api.http.responses import ExpiredEvent, TaskChange

CHANGE_EVENTS = {"change": TaskChange, "expired": ExpiredEvent}
"""The names of all events, and what their data are."""

_EXPIRED = ExpiredEvent(
    message="what happened after Last-Event-ID is no longer known: list the tasks "
    "again; changes from now on follow"
)
_encode = msgspec.json.Encoder().encode


def change_block(change: StateChange) -> bytes:
    """Return the event of a change."""
    data = TaskChange(
        id=change.task_id,
        state=change.state,
        attempt=change.attempt,
        time=change.time,
        name=change.name or msgspec.UNSET,
        reason_code=change.reason_code or msgspec.UNSET,
    )
    return _block("change", change.cursor, _encode(data))


def expired_block(cursor: str) -> bytes:
    """Return the event that something was missed; ``cursor`` is the present end."""
    return _block("expired", cursor, _encode(_EXPIRED))


def position_block(cursor: str) -> bytes:
    """Return what makes a client come back after ``cursor``; no event to it.

    It keeps the connection alive, too.
    """
    return b": still here\nid: " + cursor.encode() + b"\n\n"


def _block(name: str, cursor: str, data: bytes) -> bytes:
    # JSON has no line ends.
    fields = (b"id", cursor.encode()), (b"event", name.encode()), (b"data", data)
    return b"\n".join(b"%s: %s" % field for field in fields) + b"\n\n"
