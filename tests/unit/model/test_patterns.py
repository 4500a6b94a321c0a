"""What output paths may say beyond POSIX."""

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pattern_cases import DEEP_CASES
from tesk_model.patterns import DeepPattern, expand_braces, has_alternatives


@pytest.mark.parametrize(
    ("pattern", "path", "want"), DEEP_CASES.values(), ids=DEEP_CASES
)
def test_two_stars_cross_folders(pattern: str, path: str, *, want: bool) -> None:
    assert DeepPattern(pattern).matches(path) is want


WORDS = st.text("ab/", max_size=8)


@settings(deadline=None)
@given(
    pattern=st.lists(st.sampled_from(["**", "*", "?", "a", "b", "/"])).map("".join),
    path=WORDS,
)
def test_it_agrees_with_a_regular_expression(pattern: str, path: str) -> None:
    words = {"*": "[^/]*", "?": "[^/]"}
    tokens = re.findall(r"\*+|.", pattern)
    text = "".join(
        ".*" if len(token) > 1 else words.get(token, token) for token in tokens
    )

    assert DeepPattern(pattern).matches(path) is bool(re.fullmatch(text, path))


def test_a_pattern_made_to_be_slow_is_not() -> None:
    began = time.process_time()

    DeepPattern("**a*b" * 800 + "c").matches("ab" * 2000)

    assert time.process_time() - began < 5  # of exponential time, that is none


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
def test_what_is_expanded_has_nothing_left_to_expand(path: str) -> None:
    assert not any(map(has_alternatives, expand_braces(path)))
