"""Parses query parameters and headers; reports all problems at once.

Unknown parameters are ignored; an empty one counts as absent.
"""

import re
from typing import TypeVar

from werkzeug.datastructures import Headers, MultiDict

from tesk_api.domain.requests import (
    DEFAULT_PAGE_SIZE,
    MAX_PAGE_SIZE,
    TagCondition,
    TaskQuery,
)
from tesk_model.errors import InvalidRequestError, Violation
from tesk_model.states import TaskState
from tesk_model.task import TaskView

_MAX_TOKEN = 4096
_MAX_TAGS = 64
_WHOLE_NUMBER = re.compile(r"[0-9]{1,9}", re.ASCII)
_KEY = re.compile(r"[\x21-\x7e]{1,128}")

EnumT = TypeVar("EnumT", TaskView, TaskState)

Arguments = MultiDict[str, str]


def parse_view(arguments: Arguments) -> TaskView:
    """Return ``view``, by default MINIMAL.

    Raises:
        InvalidRequestError: There is no such view.
    """
    problems: list[Violation] = []
    view = _view(arguments, problems)
    _raise_if_any(problems)
    return view


def parse_query(arguments: Arguments) -> TaskQuery:
    """Return the query of ListTasks.

    Raises:
        InvalidRequestError: Lists every wrong parameter.
    """
    problems: list[Violation] = []
    query = TaskQuery(
        view=_view(arguments, problems),
        name_prefix=_text(arguments, "name_prefix", problems),
        state=_one_of(TaskState, arguments, "state", problems),
        tags=_tags(arguments, problems),
        page_size=_page_size(arguments, problems),
        page_token=_token(arguments, problems),
    )
    _raise_if_any(problems)
    return query


def parse_switch(arguments: Arguments, name: str) -> bool:
    """Return a parameter that is ``true`` or ``false``, by default false.

    Raises:
        InvalidRequestError: It is neither.
    """
    text = arguments.get(name, "")
    if text not in ("", "true", "false"):
        raise InvalidRequestError([Violation(name, "must be true or false")])
    return text == "true"


def parse_idempotency_key(headers: Headers) -> str:
    """Return the header ``Idempotency-Key``, or "".

    Raises:
        InvalidRequestError: It is not a valid key.
    """
    key = headers.get("Idempotency-Key", "").strip(" \t")
    if key and _KEY.fullmatch(key) is None:
        message = "must be 1 to 128 printable ASCII characters without blanks"
        raise InvalidRequestError([Violation("Idempotency-Key", message)])
    return key


def _raise_if_any(problems: list[Violation]) -> None:
    if problems:
        raise InvalidRequestError(problems)


def _view(arguments: Arguments, problems: list[Violation]) -> TaskView:
    return _one_of(TaskView, arguments, "view", problems) or TaskView.MINIMAL


def _one_of(
    kind: type[EnumT], arguments: Arguments, name: str, problems: list[Violation]
) -> EnumT | None:
    text = arguments.get(name, "")
    if not text:
        return None
    try:
        return kind(text)
    except ValueError:
        problems.append(Violation(name, f"must be one of {', '.join(kind)}"))
        return None


def _text(arguments: Arguments, name: str, problems: list[Violation]) -> str:
    text = arguments.get(name, "")
    if "\0" in text:
        problems.append(Violation(name, "must not contain NUL"))
    return text


def _page_size(arguments: Arguments, problems: list[Violation]) -> int:
    text = arguments.get("page_size", "")
    if not text:
        return DEFAULT_PAGE_SIZE
    size = int(text) if _WHOLE_NUMBER.fullmatch(text) else 0
    if not 1 <= size <= MAX_PAGE_SIZE:
        message = f"must be a whole number from 1 to {MAX_PAGE_SIZE}"
        problems.append(Violation("page_size", message))
    return size


def _token(arguments: Arguments, problems: list[Violation]) -> str:
    token = _text(arguments, "page_token", problems)
    if len(token) > _MAX_TOKEN:
        problems.append(Violation("page_token", "is not a token of this server"))
    return token


def _tags(arguments: Arguments, problems: list[Violation]) -> tuple[TagCondition, ...]:
    """Pair keys and values by their index; a missing value means any value."""
    keys = arguments.getlist("tag_key")
    values = arguments.getlist("tag_value")
    if len(values) > len(keys):
        problems.append(Violation("tag_value", "must not outnumber tag_key"))
    if len(set(keys)) < len(keys):
        problems.append(Violation("tag_key", "must not name a key twice"))
    if len(keys) > _MAX_TAGS:
        problems.append(
            Violation("tag_key", f"must be given at most {_MAX_TAGS} times")
        )
    if any("\0" in text for text in (*keys, *values)):
        problems.append(Violation("tag_key", "must not contain NUL"))
    padded = [*values, *[""] * (len(keys) - len(values))]
    return tuple(
        TagCondition(key, value) for key, value in zip(keys, padded, strict=False)
    )
