"""Converts errors of pydantic to violations with TES paths.

Paths read ``executors[0].command``. At most a hundred problems are reported: finding
those of thousands of wrong items would cost too much.
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
# A valid task.
_VALID = {"executors": [{"image": "a", "command": ["a"]}]}
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
    """Return if there are no problems; check no more than ``MAX_VIOLATIONS``.

    Raises:
        InvalidRequestError: Lists the first problems, and tells if there are more.
    """
    problems = list(itertools.islice(found, MAX_VIOLATIONS + 1))
    if len(problems) > MAX_VIOLATIONS:
        problems[MAX_VIOLATIONS:] = [Violation("", "and more problems")]
    if problems:
        raise InvalidRequestError(problems)


def body_problems(document: Any, *, extra: ExtraValues) -> Iterator[Violation]:
    """Yield the errors of pydantic for the body of a task, a part at a time.

    First the fields that are not lists, then lists item by item: errors of pydantic take
    far more memory than the values.
    """
    if not isinstance(document, dict):
        yield from _violations(document, extra=extra)
        return
    lists = {
        field: document[field]
        for field in _LISTS
        if isinstance(document.get(field), list) and document[field]
    }
    rest = document | dict.fromkeys(lists) | (_VALID if "executors" in lists else {})
    yield from _violations(rest, extra=extra)
    for field, items in lists.items():
        for index, item in enumerate(items):
            body = _VALID | {field: [item]}
            yield from _violations(body, extra=extra, field=field, index=index)


def _violations(
    body: Any, *, extra: ExtraValues, field: str = "", index: int = 0
) -> Iterator[Violation]:
    """Yield errors; the only item of ``field`` is the one at ``index``."""
    try:
        TaskBody.model_validate(body, extra=extra)
    except ValidationError as error:
        found = error.errors(include_url=False)
    else:
        return
    for entry in found:
        loc = entry["loc"]
        path = format_path((field, index, *loc[2:]) if loc[0:1] == (field,) else loc)
        if entry["type"] == RULE:
            for problem in entry["ctx"]["problems"]:
                yield Violation(_join(path, problem.path), problem.message)
        else:
            yield Violation(path, _message(entry))


def format_path(path: Sequence[int | str]) -> str:
    """Format the path of a value in a body."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part != "[key]":
            text += f".{format_name(part)}" if text else format_name(part)
    return text


def format_name(name: str) -> str:
    """Format a client's own name, shortened and with control characters escaped."""
    short = name if len(name) <= _MAX_NAME else name[:_MAX_NAME] + "…"
    return short if _PLAIN_NAME.fullmatch(short) else ascii(short)


def _join(path: str, rest: str) -> str:
    if not path or not rest or rest.startswith("["):
        return path + rest
    return f"{path}.{rest}"


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
