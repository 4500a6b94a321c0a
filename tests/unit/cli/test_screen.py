import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tesk_cli.domain.screen import encodable, for_terminal

SHOWN = {
    "plain": ("a\tb\n", "a\tb\n"),
    "a progress bar": ("10%\r20%\n", "10%\r20%\n"),
    "colours end with the text": ("\x1b[1;31mred", "\x1b[1;31mred\x1b[0m"),
    "clearing the screen": ("\x1b[2J", "\\x1b[2J"),
    "the title": ("\x1b]0;t\x07", "\\x1b]0;t\\x07"),
    "the clipboard": ("\x1b]52;c;YQ==\x1b\\", "\\x1b]52;c;YQ==\\x1b\\"),
    "an escape of one character": ("\x9b2J", "\\x9b2J"),
}


@pytest.mark.parametrize(("text", "want"), SHOWN.values(), ids=SHOWN)
def test_a_terminal_gets_text_and_colours(text: str, want: str) -> None:
    assert for_terminal(text) == want


@given(st.text(alphabet="\x1b\x9b[]0;:m1J\x07\r\na"))
def test_other_escape_sequences_do_not_reach_a_terminal(text: str) -> None:
    left = re.sub(r"\x1b\[[0-9;:]*m", "", for_terminal(text))

    assert not set("\x1b\x9b\x07") & set(left)


def test_characters_without_an_encoding_are_replaced() -> None:
    assert encodable("a\ud800b") == "a?b"
