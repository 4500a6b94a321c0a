"""Tells how two quotas differ, setting by setting."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec

from tesk_scheduler.quota_config.settings import QuotaSettings

_EMPTY: tuple[Any, ...] = (None, {}, [], ())


@dataclass(frozen=True, slots=True)
class Change:
    """One setting that differs; "none" where there was or is no value."""

    path: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.path}: {self.before} → {self.after}"


def difference(old: QuotaSettings, new: QuotaSettings) -> list[Change]:
    """Return all that differs, in the order of the settings.

    Entries of ``limits`` are compared by whom they match, whatever their order.
    """
    before, after = (dict(_flat("", _document(each))) for each in (old, new))
    return [
        Change(path, before.get(path, "none"), after.get(path, "none"))
        for path in (*before, *(path for path in after if path not in before))
        if before.get(path) != after.get(path)
    ]


def _document(settings: QuotaSettings) -> Mapping[str, Any]:
    document = msgspec.structs.asdict(settings)
    document["limits"] = {
        f"{entry.match.subject.kind} {entry.match.subject.name}": {
            name: value
            for name, value in msgspec.structs.asdict(entry).items()
            if name != "match"
        }
        for entry in settings.limits
    }
    return document


def _flat(path: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, msgspec.Struct):
        value = msgspec.structs.asdict(value)
    if isinstance(value, Mapping) and value:
        for name, item in value.items():
            yield from _flat(f"{path}.{name}" if path else str(name), item)
    elif value not in _EMPTY:
        yield path, _shown(value)


def _shown(value: Any) -> str:
    if isinstance(value, timedelta):
        return f"{value.total_seconds():g} s"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
