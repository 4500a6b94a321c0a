"""Matches the wildcards of output paths.

One name is matched by wcmatch, which agrees with sh and bash about classes, ranges,
negation, escapes, unclosed brackets and leading dots; the standard library's fnmatch
does not. ``**`` is an extension: any characters, ``/`` among them. As with every other
wildcard, a dot at the start of a name is matched by a dot alone. The launcher has the
same rules in C (``match.c``); both are tested with one table of cases.
"""

import re
from collections.abc import Callable, Iterator
from enum import Enum


class _Stars(Enum):
    ONE = "*"
    TWO = "**"


_STAR = _Stars.ONE
_DEEP = _Stars.TWO
_CLASSES = "alnum|alpha|blank|cntrl|digit|graph|lower|print|punct|space|upper|xdigit"
_TOKEN = re.compile(
    rf"(\*+)|(\[[!^]?\]?+(?:\[:(?:{_CLASSES}):\]|\\[^/]|[^]/\\])*\])|\\(.)|(.)",
    re.DOTALL,
)
_Token = _Stars | str | Callable[[str], bool]


def compile_name(pattern: str) -> Callable[[str], bool]:
    """Return the test whether a name is matched; ``pattern`` has no ``/``."""
    return _compile(pattern, hides_dots=True)


def _compile(pattern: str, *, hides_dots: bool) -> Callable[[str], bool]:
    from wcmatch import fnmatch  # noqa: PLC0415 - 40 ms that few tasks need to pay

    flags = fnmatch.CASE | (0 if hides_dots else fnmatch.DOTMATCH)
    matcher = fnmatch.compile(pattern, flags=flags)
    return lambda name: bool(matcher.match(name))


class DeepPattern:
    """A relative pattern with ``**``, matched against relative paths."""

    def __init__(self, pattern: str) -> None:
        """Compile ``pattern``, which does not start with ``/``."""
        self._tokens = tuple(_tokens(pattern))

    def matches(self, path: str) -> bool:
        """Tell whether all of ``path`` is matched.

        Of several wildcards only the last of each kind is ever tried again: a later one
        can match all that an earlier one could.
        """
        tokens, at, here = self._tokens, 0, 0
        star: tuple[int, int] | None = None
        deep: tuple[int, int] | None = None
        while True:
            token = tokens[at] if at < len(tokens) else None
            if isinstance(token, _Stars):
                at += 1
                if token is _DEEP:
                    star, deep = None, (at, here)
                else:
                    star = (at, here)
            elif here == len(path):
                return token is None
            elif token is not None and self._fits(at, path, here):
                at, here = at + 1, here + 1
            elif star and _wildcard_matches(path, star[1]) and path[star[1]] != "/":
                at, here = star = (star[0], star[1] + 1)
            elif deep and _wildcard_matches(path, deep[1]):
                at, here = deep = (deep[0], deep[1] + 1)
                star = None
            else:
                return False

    def _fits(self, at: int, path: str, here: int) -> bool:
        token = self._tokens[at]
        if isinstance(token, _Stars):
            return False
        if not isinstance(token, str):
            return (
                path[here] != "/"
                and _wildcard_matches(path, here)
                and token(path[here])
            )
        is_first = at == 0 or self._tokens[at - 1] == "/"
        return token == path[here] and (_wildcard_matches(path, here) or is_first)


def _wildcard_matches(path: str, here: int) -> bool:
    """Tell whether a wildcard may stand for the character at ``here``."""
    return path[here] != "." or (here > 0 and path[here - 1] != "/")


def _tokens(pattern: str) -> Iterator[_Token]:
    for stars, bracket, escaped, character in _TOKEN.findall(pattern):
        if stars:
            yield _DEEP if len(stars) > 1 else _STAR
        elif bracket:
            # One character within a name, where a dot hides nothing.
            yield _compile(bracket, hides_dots=False)
        elif escaped:
            yield escaped
        else:
            yield _any if character == "?" else character


def _any(_character: str) -> bool:
    return True
