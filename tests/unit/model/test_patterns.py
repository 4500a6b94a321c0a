"""Extensions of output patterns beyond POSIX."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tesk_model.patterns import (
    crosses_folders,
    escape_pattern,
    expand_braces,
    has_alternatives,
    literal_name,
)

BRACES = {
    "/w/{a,b}.txt": ("/w/a.txt", "/w/b.txt"),
    "{a,b{c,d}}": ("a", "bc", "bd"),
    "{a,b}/{c,d}": ("a/c", "a/d", "b/c", "b/d"),
    "x{,y}": ("x", "xy"),
    "{a,a}": ("a",),
    "{{a,b}}": ("{a}", "{b}"),
    "{a},{b}": (),
    "{x}{a,b}": ("{x}a", "{x}b"),
    "{a,b": (),
    "a,b}": (),
    "plain": (),
    "{a,b}" * 6: tuple(
        "".join("ab"[number >> bit & 1] for bit in range(5, -1, -1))
        for number in range(64)
    ),
    "{a,b}" * 7: (),
    "{" * 4000 + "a,b": (),
}


@pytest.mark.parametrize(("path", "want"), BRACES.items(), ids=range(len(BRACES)))
def test_braces_are_alternatives(path: str, want: tuple[str, ...]) -> None:
    assert expand_braces(path) == want


@given(st.text("{},ab", max_size=12))
def test_an_expansion_has_no_alternatives_left(path: str) -> None:
    assert not any(map(has_alternatives, expand_braces(path)))


@given(st.text("ab*?[]\\{}!", min_size=1, max_size=8))
def test_an_escaped_name_is_that_name(name: str) -> None:
    assert literal_name(escape_pattern(name)) == name


NO_NAMES = ["*", "a?", "[a]", "[*?]", r"\**", "[*", "a\\\\*"]


@pytest.mark.parametrize("segment", NO_NAMES)
def test_a_wildcard_is_no_name(segment: str) -> None:
    assert literal_name(segment) is None


STARS = {"a**b": True, r"\**": False, r"\***": True, "a*": False, r"\*\*": False}


@pytest.mark.parametrize(("pattern", "want"), STARS.items(), ids=STARS)
def test_two_wildcards_cross_folders(pattern: str, *, want: bool) -> None:
    assert crosses_folders(pattern) is want
