"""pydantic's findings as problems of TES paths, for people.

Paths read ``executors[0].command``; problems are told at once, up to a hundred:
a body of many thousand wrong items is not worth the work of finding them all.
"""

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic.config import ExtraValues

from tesk_api.http.bodies import RULE, TaskBody
from tesk_model.errors import InvalidRequestError, Violation
from tesk_model.fields import Shape, document_fields
from tesk_model.task import Task

MAX_VIOLATIONS = 100
_LISTS = [
    field.name
    for field in document_fields(Task)
    if field.shape is Shape.REPEATED and not field.read_only
]
# A task that has nothing wrong.
_RIGHT = {"executors": [{"image": "a", "command": ["a"]}]}
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
    "string_too_long": "must be at most {max_length} characters",
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


def raise_if_any(found: Iterable[Violation]) -> None:
    """Return if there are no problems; look no further than ``MAX_VIOLATIONS``.

    Raises:
        InvalidRequestError: Lists the first problems, and says if there are more.
    """
    problems = list(itertools.islice(found, MAX_VIOLATIONS + 1))
    if len(problems) > MAX_VIOLATIONS:
        problems[MAX_VIOLATIONS:] = [Violation("", "and more problems")]
    if problems:
        raise InvalidRequestError(problems)


def body_problems(document: Any, *, extra: ExtraValues) -> Iterator[Violation]:
    """Yield what pydantic finds in the body of a task, bit by bit.

    First what is outside of lists, then these item by item: what pydantic finds
    takes far more room than the item that is wrong.
    """
    if not isinstance(document, dict):
        yield from _violations(document, extra=extra)
        return
    lists = {
        field: document[field]
        for field in _LISTS
        if isinstance(document.get(field), list) and document[field]
    }
    rest = document | dict.fromkeys(lists) | (_RIGHT if "executors" in lists else {})
    yield from _violations(rest, extra=extra)
    for field, items in lists.items():
        for index, item in enumerate(items):
            body = _RIGHT | {field: [item]}
            yield from _violations(body, extra=extra, field=field, index=index)


def _violations(
    body: Any, *, extra: ExtraValues, field: str = "", index: int = 0
) -> Iterator[Violation]:
    """Yield what pydantic finds; the only item of ``field`` is the one at ``index``."""
    try:
        TaskBody.model_validate(body, extra=extra)
    except ValidationError as error:
        found = error.errors(include_url=False)
    else:
        return
    for entry in found:
        loc = entry["loc"]
        place = format_path((field, index, *loc[2:]) if loc[0:1] == (field,) else loc)
        if entry["type"] == RULE:
            for problem in entry["ctx"]["problems"]:
                yield Violation(_join(place, problem.path), problem.message)
        else:
            yield Violation(place, _message(entry))


def format_path(place: Sequence[int | str]) -> str:
    """Write a place in a body as TES users read it."""
    text = ""
    for part in place:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part != "[key]":
            text += f".{format_name(part)}" if text else format_name(part)
    return text


def format_name(name: str) -> str:
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
