"""Maps names of settings to those of the code: ``perTask`` and old names.

Settings come out of values of a chart and out of files written for Kubernetes, where
names are in camel case; and a setting that was renamed is read under its old name for
one release. The present name in snake case wins. Durations may have a unit (``72h``).
"""

import re
from collections.abc import Iterable
from typing import Any

from msgspec import inspect

OLD_NAME = "old_name"
"""Key of ``Meta.extra`` that holds the name of a setting in the release before."""

_DURATION = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?)([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_BETWEEN = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def normalize_names(value: Any, kind: inspect.Type) -> Any:
    """Return ``value`` with the names that the structs of ``kind`` have.

    Keys that users choose (of a dict) are left as they are, and so are unknown names:
    the decoder reports them.
    """
    if isinstance(value, str):
        return _normalize_text(value, kind)
    for each in alternatives(kind):
        if isinstance(value, list):
            if isinstance(each, inspect.VarTupleType | inspect.ListType):
                return [normalize_names(item, each.item_type) for item in value]
        elif not isinstance(value, dict):
            return value
        elif isinstance(each, inspect.StructType):
            return _normalize_struct(value, each)
        elif isinstance(each, inspect.DictType):
            return {
                key: normalize_names(item, each.value_type)
                for key, item in value.items()
            }
    return value


def _normalize_text(value: str, kind: inspect.Type) -> str | float:
    """Return the seconds of a duration such as ``72h``."""
    if (found := _DURATION.fullmatch(value)) and any(
        isinstance(each, inspect.TimeDeltaType) for each in alternatives(kind)
    ):
        return float(found[1]) * _SECONDS[found[2]]
    return value


def _normalize_struct(
    value: dict[str, Any], kind: inspect.StructType
) -> dict[str, Any]:
    kinds = {field.encode_name: field.type for field in kind.fields}
    renamed = {old_name(field.type): field.encode_name for field in kind.fields}
    found = {}
    for key, item in value.items():
        name = _BETWEEN.sub("_", str(key)).lower()
        name = renamed.get(name, name)
        is_other = key not in kinds and name in kinds and name not in value
        own = name if is_other else key
        found[own] = normalize_names(item, kinds[own]) if own in kinds else item
    return found


def old_name(kind: inspect.Type) -> str:
    """Return what a setting of this type was called before; "" if it was not renamed."""
    if not isinstance(kind, inspect.Metadata):
        return ""
    return str((kind.extra or {}).get(OLD_NAME, ""))


def alternatives(kind: inspect.Type) -> Iterable[inspect.Type]:
    """Return the alternatives of a type, without their metadata."""
    if isinstance(kind, inspect.Metadata):
        return alternatives(kind.type)
    if isinstance(kind, inspect.UnionType):
        return [part for each in kind.types for part in alternatives(each)]
    return (kind,)
