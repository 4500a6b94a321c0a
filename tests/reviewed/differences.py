"""Shows only what of one document differs from another, so that a reviewer sees it.

Mappings are compared key by key, and so are lists whose items all have a
``name``. Everything else is shown whole where it differs.
"""

from typing import Any

ABSENT = "(absent)"
"""Stands for what the base has and the other does not."""


def difference(base: Any, other: Any) -> Any:
    """Return what of ``other`` differs from ``base``; {} if nothing does."""
    if base == other:
        return {}
    if not (isinstance(base, dict) and isinstance(other, dict)):
        pair = _by_name(base), _by_name(other)
        if None in pair:
            return other
        base, other = pair
    found = {
        key: difference(base[key], other[key])
        for key in other
        if key in base and base[key] != other[key]
    }
    found |= {key: other[key] for key in other if key not in base}
    found |= {key: ABSENT for key in base if key not in other}
    # The order of a list matters, and is all that differs.
    return found or list(other)


def _by_name(value: Any) -> dict[str, Any] | None:
    if not isinstance(value, list):
        return None
    named = {
        item["name"]: item
        for item in value
        if isinstance(item, dict) and isinstance(item.get("name"), str)
    }
    return named if len(named) == len(value) else None
