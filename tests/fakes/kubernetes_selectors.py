"""Label and field selectors, as the API server reads them."""

import re
from typing import Any

_SETS = re.compile(r"^(?P<key>\S+) +(?P<verb>in|notin) +\((?P<values>[^)]*)\)$")
_COMMA_OUTSIDE_BRACKETS = re.compile(r",(?![^(]*\))")


def matches(body: dict[str, Any], *, labels: str = "", fields: str = "") -> bool:
    own = body["metadata"].get("labels") or {}
    return all(_label_agrees(own, term) for term in _terms(labels)) and all(
        _field_agrees(body, term) for term in _terms(fields)
    )


def _terms(selector: str) -> list[str]:
    return [term.strip() for term in _COMMA_OUTSIDE_BRACKETS.split(selector) if term]


def _label_agrees(labels: dict[str, str], term: str) -> bool:
    if found := _SETS.match(term):
        values = {value.strip() for value in found["values"].split(",")}
        return (labels.get(found["key"]) in values) == (found["verb"] == "in")
    if "!=" in term:
        key, value = term.split("!=")
        return labels.get(key.strip()) != value.strip()
    if "=" in term:
        key, value = term.replace("==", "=").split("=")
        return labels.get(key.strip()) == value.strip()
    if term.startswith("!"):
        return term[1:] not in labels
    return term in labels


def _field_agrees(body: dict[str, Any], term: str) -> bool:
    wanted = "!=" not in term
    path, value = term.split("=" if wanted else "!=")
    found: Any = body
    for part in path.split("."):
        found = (found or {}).get(part)
    return (str(found or "") == value) == wanted
