"""Reads what a task waits for from TESK's live view; what is missing stays unknown."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tesk_model.task import Wait, WaitHead, WaitNodes, WaitTime

_TEXTS = ("remedy", "scope", "subject", "dimension")
_NUMBERS = ("used", "limit", "needed")
_COUNTS = ("position", "place")


def wait_from_json(entry: Mapping[str, Any]) -> Wait:
    """Read ``wait`` of the live view."""
    fields: dict[str, Any] = {
        **{name: str(entry[name]) for name in _TEXTS if name in entry},
        **{name: float(entry[name]) for name in _NUMBERS if name in entry},
        **{name: int(entry[name]) for name in _COUNTS if name in entry},
    }
    return Wait(
        **fields,
        since=_time(entry.get("since")),
        queued_since=_time(entry.get("queued_since")),
        position_is_least=bool(entry.get("position_is_least")),
        nodes=tuple(
            WaitNodes(cause=str(each.get("cause") or ""), nodes=int(each["nodes"]))
            for each in entry.get("nodes") or []
        ),
        head=_head(entry["head"]) if entry.get("head") else None,
        spent=tuple(
            WaitTime(
                reason_code=str(each.get("reason_code") or ""),
                seconds=float(each.get("seconds") or 0),
                reason=str(each.get("reason") or ""),
            )
            for each in entry.get("spent") or []
        ),
    )


def _head(entry: Mapping[str, Any]) -> WaitHead:
    return WaitHead(
        id=str(entry.get("id") or ""),
        reason=str(entry.get("reason") or ""),
        reason_code=str(entry.get("reason_code") or ""),
        since=_time(entry.get("since")),
    )


def _time(text: Any) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
