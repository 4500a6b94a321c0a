"""Finds lines in what an executor printed; pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

MAX_WANTED = 200  # characters
_MOST_LINES = 500
_MOST_MARKS = 50  # in one line


@dataclass(frozen=True, slots=True)
class FoundLine:
    """A line, its number from 1, and its pieces: each a text and whether it matches."""

    number: int
    pieces: Sequence[tuple[str, bool]]


@dataclass(frozen=True, slots=True)
class FoundLines:
    """The lines that were found; of very many the last ones.

    Attributes:
        total: How many there are.
        searched: How many lines the text has.
    """

    lines: Sequence[FoundLine]
    total: int
    searched: int


def find_lines(text: str, wanted: str) -> FoundLines:
    """Return the lines of ``text`` that contain ``wanted``, in upper or lower case."""
    pattern = re.compile(re.escape(wanted[:MAX_WANTED]), re.IGNORECASE)
    lines = text.split("\n")
    if lines and not lines[-1]:
        lines.pop()
    numbers = [index for index, line in enumerate(lines) if pattern.search(line)]
    return FoundLines(
        [
            FoundLine(index + 1, _pieces(lines[index], pattern))
            for index in numbers[-_MOST_LINES:]
        ],
        len(numbers),
        len(lines),
    )


def _pieces(line: str, pattern: re.Pattern[str]) -> list[tuple[str, bool]]:
    pieces = []
    at = 0
    for match in islice(pattern.finditer(line), _MOST_MARKS):
        pieces += [(line[at : match.start()], False), (match[0], True)]
        at = match.end()
    pieces.append((line[at:], False))
    return [(text, found) for text, found in pieces if text]
