"""Finds wildcards and expands braces in output paths.

A pattern has ``*``, ``?`` or ``[`` without a backslash in front; in one, a backslash
makes the next character stand for itself. Beyond POSIX TESK understands ``**``, any
characters, ``/`` among them, so that ``r/**/*.txt`` finds files at least one folder
below ``r``, and ``{a,b}``. Matching is in ``tesk_runtime.wildcards`` and, for the
launcher, in ``match.c``; both are tested with one table of cases.

Source:
    POSIX.1-2017 XCU 2.13 "Pattern Matching Notation", which TES 1.1 names.
"""

import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from urllib.parse import quote

WILDCARDS = "*?["
_MAX_ALTERNATIVES = 64
_MAX_CHARACTERS = 65_536  # of all alternatives together
_STARS = re.compile(r"\\.|\*\*", re.DOTALL)
_MARK = re.compile(r"\\.|[*?[]", re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED_WILDCARD = re.compile(r"\\([*?[])")
# A segment that matches one name only: "a[*]" and "a\\*" match "a*".
_LITERAL = re.compile(r"\[([*?[])\]|\\(.)|([^*?[\\])", re.DOTALL)


def first_wildcard(text: str, wildcards: str = WILDCARDS) -> int | None:
    """Return where the first wildcard is; None if ``text`` is not a pattern."""
    # Most paths are plain, and each request asks for many.
    if not any(map(text.__contains__, wildcards)):
        return None
    for mark in _MARK.finditer(text):
        if mark[0] in wildcards:
            return mark.start()
    return None


def unescape(pattern: str) -> str:
    """Return the literal that a pattern without wildcards stands for."""
    return _ESCAPE.sub(r"\1", pattern)


def unescape_wildcards(path: str) -> str:
    """Return the name that a path without wildcards means; it may escape some."""
    return _ESCAPED_WILDCARD.sub(r"\1", path)


def escape_pattern(path: str) -> str:
    """Return the pattern that matches the literal ``path`` alone."""
    return re.sub(r"([*?[])", r"[\1]", path.replace("\\", r"\\"))


def literal_name(segment: str) -> str | None:
    """Return the only name that a segment of a pattern matches, if there is one."""
    found, end = [], 0
    for match in _LITERAL.finditer(segment):
        if match.start() != end:
            return None
        end = match.end()
        found.append(match[1] or match[2] or match[3])
    return "".join(found) if end == len(segment) else None


def crosses_folders(pattern: str) -> bool:
    """Tell whether a pattern has a wildcard that matches ``/``."""
    return any(mark[0] == "**" for mark in _STARS.finditer(pattern))


def has_alternatives(path: str) -> bool:
    """Tell whether ``path`` has braces that can be expanded."""
    return "{" in path and _outermost(path) is not None


def expand_braces(path: str) -> tuple[str, ...]:
    """Return what ``path`` stands for if its braces are alternatives.

    ``a{b,c{d,e}}`` stands for ``ab``, ``acd`` and ``ace``. Braces without a comma
    are characters like any other.

    Returns:
        Every expansion once, in order; none if there are no alternatives or more
        than 64, or than 64 KiB of them.
    """
    if not has_alternatives(path):
        return ()
    done: dict[str, None] = {}
    pending = [path]
    while pending:
        current = pending.pop()
        commas = _outermost(current)
        if commas is None:
            done[current] = None
        else:
            pending += reversed(list(_alternatives(current, commas)))
        count = len(done) + len(pending)
        if count > _MAX_ALTERNATIVES or count * len(current) > _MAX_CHARACTERS:
            return ()
    return tuple(done)


@dataclass(frozen=True, slots=True)
class BracedUrl:
    """A url that ends in the braces of a path.

    Attributes:
        above: What comes before the name with the first brace, without slash.
        written: Writes the rest of a path, from its slash on, as the url does.
    """

    above: str
    written: Callable[[str], str]


def braced_end(path: str) -> int:
    """Return where the name of ``path`` with its first brace begins, slash included."""
    return path.rindex("/", 0, path.index("{"))


def braced_url(path: str, url: str) -> BracedUrl | None:
    """Take apart a url that ends as ``path`` does from ``braced_end`` on, if it does.

    Each alternative of ``path`` goes to the same alternative of such a url.
    """
    braced = path[braced_end(path) :]
    for written in (str, quote, partial(quote, safe="/,")):
        if url.endswith(written(braced)):
            return BracedUrl(url.removesuffix(written(braced)), written)
    return None


def _alternatives(path: str, marks: list[int]) -> Iterator[str]:
    before, after = path[: marks[0]], path[marks[-1] + 1 :]
    for start, end in itertools.pairwise(marks):
        yield before + path[start + 1 : end] + after


def _outermost(path: str) -> list[int] | None:
    """Return where the first group opens, has its commas, and closes."""
    found: list[int] | None = None
    opened: list[list[int]] = []
    for match in re.finditer("[{},]", path):
        if match.group() == "{":
            opened.append([match.start()])
        elif opened:
            opened[-1].append(match.start())
            if match.group() == "}":
                group = opened.pop()
                if len(group) > 2 and (found is None or group[0] < found[0]):  # noqa: PLR2004 - with a comma
                    found = group
    return found
