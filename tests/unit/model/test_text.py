"""Untrusted text is escaped before it is shown."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tesk_model.text import escape_json, escape_line, escape_lines

SHOWN = {
    "\x1b]0;owned\x07": "\\x1b]0;owned\\x07",
    "\x9b31m": "\\x9b31m",
    "a\u202eb": "a\\u202eb",
    "\ud800": "\\ud800",
    "a\r\n\tb": "a\\r\\n\\tb",
    "\u2028\x7f": "\\u2028\\x7f",
    "ä, 数据 😀 a\\b c\u00a0d": "ä, 数据 😀 a\\b c\u00a0d",
}


@pytest.mark.parametrize(("text", "want"), SHOWN.items())
def test_control_characters_are_escaped(text: str, want: str) -> None:
    assert escape_line(text) == want


@given(st.text(alphabet=st.characters(codec=None)))
def test_json_means_the_same(text: str) -> None:
    shown = escape_json(json.dumps(text, ensure_ascii=False))

    assert json.loads(shown) == text
    assert shown == escape_line(shown)


def test_lines_stay_lines() -> None:
    assert escape_lines("a\tb\n\x1bc\r\n") == "a\tb\n\\x1bc\\r\n"


CONTROL = {chr(code) for code in (*range(0x20), *range(0x7F, 0xA0))}


@given(st.text(alphabet=st.characters(codec=None) | st.sampled_from(sorted(CONTROL))))
def test_control_characters_are_all_escaped(text: str) -> None:
    assert not CONTROL & set(escape_line(text))
    assert not (CONTROL - {"\t", "\n"}) & set(escape_lines(text))
    escape_line(text).encode()
    assert escape_line(escape_line(text)) == escape_line(text)
