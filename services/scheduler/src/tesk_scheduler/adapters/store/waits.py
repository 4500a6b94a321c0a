"""Keeps what a task waits for in one column: details of its reason, and its history.

JSON, bounded, NULL when there is nothing. It holds a checksum of the reason that it is
about: a release before may have written another reason since, and its details are then
not those of this one.
"""

import json
import zlib
from datetime import timedelta
from typing import Any

from tesk_model.reasons import Reason
from tesk_model.waits import NodeCause, WaitDetails, wait_scope
from tesk_scheduler.adapters.store.schema import clean
from tesk_scheduler.adapters.store.times import from_micros, micros
from tesk_scheduler.domain.waits import NO_HISTORY, Spent, WaitHistory

_MILLISECOND = timedelta(milliseconds=1)
_NUMBERS = ("used", "limit", "needed")


def wait_text(reason: Reason, text: str, history: WaitHistory) -> str | None:
    """Return the column.

    Args:
        reason: With the details.
        text: Of the reason, as it is stored.
        history: Beside it.
    """
    if reason.details is None and history == NO_HISTORY:
        return None
    document: dict[str, Any] = {"of": _checksum(reason.code, text)}
    if reason.details is not None:
        document["details"] = _details_json(reason.details.bounded())
    if history.since is not None:
        document["since"] = micros(history.since)
    if history.spent:
        document["spent"] = [
            [*map(clean, (each.text, *each.cause)), each.time // _MILLISECOND]
            for each in history.spent
        ]
    if history.is_told:
        document["told"] = True
    if history.lines:
        document["lines"] = history.lines
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)


def wait_of(
    column: str | None, code: str, text: str
) -> tuple[WaitDetails | None, WaitHistory]:
    """Read the column, for the reason that is stored beside it."""
    if not column:
        return None, NO_HISTORY
    document = json.loads(column)
    history = WaitHistory(
        spent=tuple(map(_spent_of, document.get("spent", ()))),
        lines=document.get("lines", 0),
    )
    if document["of"] != _checksum(code, text):
        return None, history
    details = document.get("details")
    since = document.get("since")
    return (
        None if details is None else _details_of(details),
        WaitHistory(
            since=None if since is None else from_micros(since),
            spent=history.spent,
            is_told=document.get("told", False),
            lines=history.lines,
        ),
    )


def _checksum(code: str, text: str) -> int:
    return zlib.crc32(f"{code}\n{text}".encode())


def _details_json(details: WaitDetails) -> dict[str, Any]:
    texts = {
        "scope": details.scope.value,
        "subject": clean(details.subject),
        "dimension": clean(details.dimension),
        "remedy": clean(details.remedy),
    }
    values = {name: getattr(details, name) for name in _NUMBERS}
    nodes = [[clean(each.cause), each.nodes] for each in details.nodes]
    every = texts | values | {"nodes": nodes}
    return {name: value for name, value in every.items() if value not in ("", None, [])}


def _details_of(entry: dict[str, Any]) -> WaitDetails:
    return WaitDetails(
        scope=wait_scope(entry.get("scope", "")),
        subject=entry.get("subject", ""),
        dimension=entry.get("dimension", ""),
        remedy=entry.get("remedy", ""),
        nodes=tuple(NodeCause(*each) for each in entry.get("nodes", ())),
        **{name: entry.get(name) for name in _NUMBERS},
    )


def _spent_of(entry: list[Any]) -> Spent:
    text, *cause, milliseconds = entry
    return Spent(
        cause=tuple(cause), text=text, time=timedelta(milliseconds=milliseconds)
    )
