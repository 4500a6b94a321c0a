"""Checks the lengths of the lists and maps of a body, before their values.

A check of each value costs a hundred times as much, and its errors take more memory
than the body.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tesk_api.http.bodies import TaskBody
from tesk_model.errors import Violation

# Objects of TES have at most a dozen. The smallest of all limits.
MAX_FIELDS = 100


@dataclass(frozen=True, slots=True)
class _Limits:
    """The largest numbers of items of an object's fields, and the limits of objects in it."""

    items: dict[str, int]
    objects: dict[str, "_Limits"]


def size_problems(document: Any) -> Iterator[Violation]:
    """Yield the lists, maps and objects of a parsed body that are too large."""
    yield from _problems("", document, _TASK)


def _problems(path: str, entry: Any, limits: _Limits) -> Iterator[Violation]:
    if not isinstance(entry, dict):
        return
    if len(entry) > MAX_FIELDS:
        yield Violation(path, f"must have at most {MAX_FIELDS} fields")
    prefix = f"{path}." if path else ""
    for field, limit in limits.items.items():
        value = entry.get(field)
        if isinstance(value, list | dict) and len(value) > limit:
            problem = f"must have at most {limit} items, not {len(value)}"
            yield Violation(prefix + field, problem)
    for field, inner in limits.objects.items():
        value = entry.get(field)
        if not isinstance(value, list):
            yield from _problems(prefix + field, value, inner)
            continue
        for index, each in enumerate(value[: limits.items.get(field)]):
            yield from _problems(f"{prefix}{field}[{index}]", each, inner)


def _limits(schema: dict[str, Any], schemas: dict[str, Any]) -> _Limits:
    """Read the limits that the JSON Schema of a body states."""
    found = _Limits({}, {})
    for name, stated in schema["properties"].items():
        for part in stated.get("anyOf", [stated]):
            if limit := part.get("maxItems") or part.get("maxProperties"):
                found.items[name] = limit
            reference = part.get("$ref") or part.get("items", {}).get("$ref")
            if reference:
                inner = schemas[reference.rpartition("/")[2]]
                found.objects[name] = _limits(inner, schemas)
    return found


_SCHEMA = TaskBody.model_json_schema()
_TASK = _limits(_SCHEMA, _SCHEMA["$defs"])
