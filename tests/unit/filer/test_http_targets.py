"""What a request names of a url."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tesk_filer.adapters.storage.http_client import target_of
from tesk_model.locations import parse_location

TARGETS = {
    "as written": ("http://h/a%20b;c=1?x=%2F&y=a+b", "/a%20b;c=1?x=%2F&y=a+b"),
    "no path": ("http://h", "/"),
    "without its fragment": ("http://h/a?b#part", "/a?b"),
    "encoded where it must be": ('http://h/é "<>', "/%C3%A9%20%22%3C%3E"),
    "a percent sign that encodes nothing": ("http://h/100%/%zz", "/100%25/%25zz"),
    "folders above": ("http://h/a/b/../c/./d", "/a/c/d"),
    "folders above the root": ("http://h/../../a", "/a"),
    "a folder above at the end": ("http://h/a/b/..", "/a/"),
    "itself at the end": ("http://h/a/.", "/a/"),
    "doubled slashes": ("http://h//a//b/", "//a//b/"),
    "dots in names": ("http://h/.a/..b/c.", "/.a/..b/c."),
}


@pytest.mark.parametrize(("url", "expected"), TARGETS.values(), ids=TARGETS)
def test_a_target_is(url: str, expected: str) -> None:
    assert target_of(parse_location(url)) == expected


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0#")))
def test_a_target_is_one_word_of_ascii(path: str) -> None:
    target = target_of(parse_location(f"http://h/{path}"))
    assert target.startswith("/")
    assert target.isascii()
    assert not set(target) & set(" \r\n\t#")
