"""pydantic's findings in the words of TES paths, for people.

Paths read ``executors[0].command``; all problems are told at once, but a body
of a million wrong items does not make an answer of a million lines.
"""

import re
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from tesk_api.http.bodies import RULE
from tesk_model.errors import Violation

MAX_VIOLATIONS = 100
_MAX_NAME = 64
_PLAIN_NAME = re.compile(r"[^\x00-\x20\x7f-\x9f\u2028\u2029]+")

_MESSAGES = {
    "missing": "is required",
    "string_type": "must be a string",
    "list_type": "must be an array",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "bool_type": "must be true or false",
    "float_type": "must be a number",
    "too_short": "must have at least one item",
    "literal_error": "must be FILE or DIRECTORY",
    "greater_than": "must be greater than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than_equal": "must be at most {le:.0f}",
    "finite_number": "must be a finite number",
    "extra_forbidden": "is not a field of TES",
}
_PATTERNS = {
    r"^[^\x00]*$": "must not contain NUL",
    r"^[^\s\x00]+$": "must not be empty or contain blanks",
}


def violations(error: ValidationError) -> list[Violation]:
    """Return what pydantic found, in its order."""
    found: list[Violation] = []
    for entry in error.errors(include_url=False):
        place = path_words(entry["loc"])
        if entry["type"] == RULE:
            found.extend(
                Violation(_join(place, problem.path), problem.message)
                for problem in entry["ctx"]["problems"]
            )
        else:
            found.append(Violation(place, _message(entry)))
    return found


def shortened(found: Sequence[Violation]) -> list[Violation]:
    """Return the first ``MAX_VIOLATIONS`` and say how many more there are."""
    kept = list(found[:MAX_VIOLATIONS])
    if len(found) > len(kept):
        kept.append(Violation("", f"and {len(found) - len(kept)} more problems"))
    return kept


def path_words(place: Sequence[int | str]) -> str:
    """Write a place in a body as TES users read it."""
    words = ""
    for part in place:
        if isinstance(part, int):
            words += f"[{part}]"
        elif part != "[key]":
            words += f".{name_words(part)}" if words else name_words(part)
    return words


def name_words(name: str) -> str:
    """Write a client's own name so that it cannot disturb a log or a screen."""
    short = name if len(name) <= _MAX_NAME else name[:_MAX_NAME] + "…"
    return short if _PLAIN_NAME.fullmatch(short) else ascii(short)


def _join(place: str, rest: str) -> str:
    if not place or not rest or rest.startswith("["):
        return place + rest
    return f"{place}.{rest}"


def _message(entry: Any) -> str:
    if entry["input"] is None:
        return "is required"
    kind, context = entry["type"], entry.get("ctx", {})
    if kind == "string_pattern_mismatch":
        return _PATTERNS.get(context["pattern"], "has a wrong form")
    if kind == "float_type" and isinstance(entry["input"], int):
        return (
            "must be a number" if isinstance(entry["input"], bool) else "is too large"
        )
    message: str = entry["msg"]
    return _MESSAGES.get(kind, message[:1].lower() + message[1:]).format(**context)
