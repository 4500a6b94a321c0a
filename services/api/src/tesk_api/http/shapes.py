"""Whether a body is small enough to be checked: lengths alone, before anything else.

A check of each value costs a hundred times as much, and what it finds takes
more room than the body.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from tesk_model.errors import Violation

MAX_FILES = 10_000  # inputs; outputs
MAX_EXECUTORS = 1000
MAX_VOLUMES = 1000
MAX_ARGUMENTS = 10_000
MAX_ENTRIES = 1000  # of tags, variables, backend parameters
MAX_ZONES = 1000
# TES knows a dozen at most in each object. The least of all limits.
MAX_FIELDS = 100

_LISTS = {
    "inputs": MAX_FILES,
    "outputs": MAX_FILES,
    "executors": MAX_EXECUTORS,
    "volumes": MAX_VOLUMES,
}
_EXECUTOR = {"command": MAX_ARGUMENTS, "env": MAX_ENTRIES}
_RESOURCES = {"zones": MAX_ZONES, "backend_parameters": MAX_ENTRIES}
_NOTHING: Mapping[str, int] = {}


def shape_problems(document: Any) -> Iterator[Violation]:
    """Yield what of a parsed body has too many parts."""
    if not isinstance(document, dict):
        return
    yield from _too_long("", document, {**_LISTS, "tags": MAX_ENTRIES})
    yield from _too_long("resources", document.get("resources"), _RESOURCES)
    for field, most in _LISTS.items():
        entries = document.get(field)
        if isinstance(entries, list):
            limits = _EXECUTOR if field == "executors" else _NOTHING
            for index, entry in enumerate(entries[:most]):
                yield from _too_long(f"{field}[{index}]", entry, limits)


def _too_long(path: str, entry: Any, limits: Mapping[str, int]) -> Iterator[Violation]:
    if not isinstance(entry, dict):
        return
    if len(entry) > MAX_FIELDS:
        yield Violation(path, f"must have at most {MAX_FIELDS} fields")
    for field, most in limits.items():
        value = entry.get(field)
        if isinstance(value, list | dict) and len(value) > most:
            name = f"{path}.{field}" if path else field
            problem = f"must have at most {most} items, not {len(value)}"
            yield Violation(name, problem)
