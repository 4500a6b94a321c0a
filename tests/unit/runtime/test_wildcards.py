"""Wildcards of output paths are matched."""

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cases.patterns import DEEP_CASES, NAME_CASES
from tesk_runtime.wildcards import DeepPattern, compile_name


@pytest.mark.parametrize(
    ("pattern", "name", "want"), NAME_CASES.values(), ids=NAME_CASES
)
def test_a_name_is_matched_as_in_a_shell(
    pattern: str, name: str, *, want: bool
) -> None:
    assert compile_name(pattern)(name) is want
    assert DeepPattern(f"x/{pattern}").matches(f"x/{name}") is want


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
def test_deep_patterns_agree_with_a_regular_expression(pattern: str, path: str) -> None:
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
