"""Names of settings in another case: ``perTask`` for ``per_task``.

Settings come out of values of a chart and out of files written for Kubernetes,
where names are written like that. Both are read; ours wins.
"""

import re
from collections.abc import Iterable
from typing import Any

from msgspec import inspect

_BETWEEN = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def in_our_case(value: Any, kind: inspect.Type) -> Any:
    """Return ``value`` with the names that the structs of ``kind`` have.

    Keys that users choose (of a dict) are left as they are, and so is what is
    no name in either case: the decoder tells of it.
    """
    for each in _kinds(kind):
        if isinstance(value, list):
            if isinstance(each, inspect.VarTupleType | inspect.ListType):
                return [in_our_case(item, each.item_type) for item in value]
        elif not isinstance(value, dict):
            return value
        elif isinstance(each, inspect.StructType):
            return _struct_in_our_case(value, each)
        elif isinstance(each, inspect.DictType):
            return {
                key: in_our_case(item, each.value_type) for key, item in value.items()
            }
    return value


def _struct_in_our_case(
    value: dict[str, Any], kind: inspect.StructType
) -> dict[str, Any]:
    kinds = {field.encode_name: field.type for field in kind.fields}
    found = {}
    for key, item in value.items():
        name = _BETWEEN.sub("_", str(key)).lower()
        is_other = key not in kinds and name in kinds and name not in value
        own = name if is_other else key
        found[own] = in_our_case(item, kinds[own]) if own in kinds else item
    return found


def _kinds(kind: inspect.Type) -> Iterable[inspect.Type]:
    """Return the alternatives of a type, without what is said about them."""
    if isinstance(kind, inspect.Metadata):
        return _kinds(kind.type)
    if isinstance(kind, inspect.UnionType):
        return [part for each in kind.types for part in _kinds(each)]
    return (kind,)
