"""What TESK understands in output paths beyond POSIX: ``**`` and ``{a,b}``.

``**`` stands for any characters, ``/`` among them, so that ``r/**/*.txt`` finds
files at least one folder below ``r``. As with every other wildcard, a dot at the
start of a name is matched by a dot alone. The launcher has the same rules in C
(``deep.c``); one table of cases holds both.
"""

import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from urllib.parse import quote

_MOST_ALTERNATIVES = 64
_MOST_CHARACTERS = 65_536  # of all alternatives together
_STAR = "*"
_DEEP = "**"
_TOKEN = re.compile(r"(\*+)|(\[[!^]?\]?(?:\[:[a-z]+:\]|[^]/])*\])|(.)", re.DOTALL)
_CLASS = re.compile(r"\[:([a-z]+):\]")
_CLASSES = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "blank": r" \t",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": "!-/:-@[-`{-~",
    "space": r"\s",
    "upper": "A-Z",
    "xdigit": "0-9A-Fa-f",
}
_Token = str | Callable[[str], bool]


def crosses_folders(pattern: str) -> bool:
    """Tell whether a pattern has a wildcard that matches ``/``."""
    return _DEEP in pattern


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
        if count > _MOST_ALTERNATIVES or count * len(current) > _MOST_CHARACTERS:
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


class DeepPattern:
    """A relative pattern with ``**``, matched against relative paths."""

    def __init__(self, pattern: str) -> None:
        """Compile ``pattern``, which does not start with ``/``."""
        self._tokens = tuple(_tokens(pattern))

    def matches(self, path: str) -> bool:
        """Tell whether all of ``path`` is matched.

        Of several wildcards only the last of each kind is ever tried again: what
        an earlier one could still take, the later one can take as well.
        """
        tokens, at, here = self._tokens, 0, 0
        star: tuple[int, int] | None = None
        deep: tuple[int, int] | None = None
        while True:
            token = tokens[at] if at < len(tokens) else None
            if token in (_STAR, _DEEP):
                at += 1
                if token == _DEEP:
                    star, deep = None, (at, here)
                else:
                    star = (at, here)
            elif here == len(path):
                return token is None
            elif token is not None and self._fits(at, path, here):
                at, here = at + 1, here + 1
            elif star and _may_take(path, star[1]) and path[star[1]] != "/":
                at, here = star = (star[0], star[1] + 1)
            elif deep and _may_take(path, deep[1]):
                at, here = deep = (deep[0], deep[1] + 1)
                star = None
            else:
                return False

    def _fits(self, at: int, path: str, here: int) -> bool:
        token = self._tokens[at]
        if not isinstance(token, str):
            return path[here] != "/" and _may_take(path, here) and token(path[here])
        is_first = at == 0 or self._tokens[at - 1] == "/"
        return token == path[here] and (_may_take(path, here) or is_first)


def _may_take(path: str, here: int) -> bool:
    """Tell whether a wildcard may stand for the character at ``here``."""
    return path[here] != "." or (here > 0 and path[here - 1] != "/")


def _tokens(pattern: str) -> Iterator[_Token]:
    for stars, bracket, character in _TOKEN.findall(pattern):
        if stars:
            yield _DEEP if len(stars) > 1 else _STAR
        elif bracket:
            yield _bracket(bracket)
        else:
            yield _any if character == "?" else character


def _any(_character: str) -> bool:
    return True


def _bracket(bracket: str) -> Callable[[str], bool]:
    inner = bracket[1:-1]
    negated = inner[:1] in ("!", "^")
    inner = inner[1:] if negated else inner
    parts, last = [], 0
    for match in _CLASS.finditer(inner):
        parts += [_ranges(inner[last : match.start()])]
        parts += [_CLASSES.get(match[1], "")]
        last = match.end()
    members = "".join([*parts, _ranges(inner[last:])])
    if not members:
        return lambda _character: negated
    found = re.compile(f"[{members}]", re.DOTALL)
    return lambda character: (found.match(character) is None) is negated


def _ranges(text: str) -> str:
    """Return the members of a bracket, without classes, for a regular expression."""
    found = []
    while text:
        if len(text) > 2 and text[1] == "-":  # noqa: PLR2004 - first, hyphen, last
            if text[0] <= text[2]:
                found.append(f"{re.escape(text[0])}-{re.escape(text[2])}")
            text = text[3:]
        else:
            found.append(re.escape(text[0]))
            text = text[1:]
    return "".join(found)
