"""Finds where in the text of a document the fields stand that problems name."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tesk_model.errors import Violation

_STEP = re.compile(r"\[(?P<index>\d+)\]|(?P<name>[^.\[\]]+)")
_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()
# Each place is looked for from the beginning of the text.
_MOST_CHARACTERS = 256 * 1024
_MOST_PLACES = 50


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem of a document, for people who look at its text.

    Attributes:
        path: As in ``Violation``.
        message: Likewise.
        line: Where the field stands, or what is nearest around it, from 1; None if
            that is not known.
    """

    path: str
    message: str
    line: int | None


def placed(text: str, violations: Iterable[Violation]) -> list[Problem]:
    """Return problems with their lines: of the first fifty, in texts up to 256 KiB."""
    is_short = len(text) <= _MOST_CHARACTERS
    return [
        Problem(
            each.path,
            each.message,
            line_of(text, each.path) if is_short and number < _MOST_PLACES else None,
        )
        for number, each in enumerate(violations)
    ]


def line_of(text: str, path: str) -> int | None:
    """Return the line of a field, e.g. ``executors[0].image``, or of what is around it.

    None if the path is empty, or the text is not JSON.
    """
    at = _after_space(text, 0)
    try:
        _DECODER.raw_decode(text, at)
        for step in _STEP.finditer(path):
            found = dict(_values(text, at)).get(_name_of(step))
            if found is None:
                break
            at = found
    except (ValueError, RecursionError):
        return None
    return text.count("\n", 0, at) + 1 if path else None


def _name_of(step: "re.Match[str]") -> str | int:
    return step["name"] if step["index"] is None else int(step["index"])


def _values(text: str, at: int) -> Iterator[tuple[str | int, int]]:
    """Yield the name or the index of each value in one, and where it begins."""
    end = {"{": "}", "[": "]"}.get(text[at])
    if end is None:
        return
    at = _after_space(text, at + 1)
    index = 0
    while text[at] != end:
        name: str | int = index
        if end == "}":
            name, at = _DECODER.raw_decode(text, at)
            at = _after_space(text, _after_space(text, at) + 1)  # and its colon
        yield name, at
        _, at = _DECODER.raw_decode(text, at)
        at = _after_space(text, at)
        if text[at] == ",":
            at = _after_space(text, at + 1)
        index += 1


def _after_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at
