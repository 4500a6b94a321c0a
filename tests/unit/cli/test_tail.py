import pytest
from hypothesis import given
from hypothesis import strategies as st

from tesk_cli.domain.tail import SKIPPED, new_output, without_partial_character

CASES = {
    "nothing new": ("abc", "abc", ""),
    "the first output": ("", "abc", "abc"),
    "more was printed": ("abc", "abcde", "de"),
    "the start fell off": ("abcdef", "cdefgh", "gh"),
    "nothing overlaps": ("abc", "xyz", SKIPPED + "xyz"),
    "a false start before the true one": ("abab-abac", "abac-d", "-d"),
}


@pytest.mark.parametrize(
    ("previous", "current", "want"), CASES.values(), ids=list(CASES)
)
def test_new_output_is_printed_and_no_other(
    previous: str, current: str, want: str
) -> None:
    assert new_output(previous, current) == want


@given(
    chunks=st.lists(st.text(alphabet="ab\n", max_size=5), max_size=9),
    window=st.integers(10, 30),
)
def test_overlapping_tails_add_up_to_the_stream(chunks: list[str], window: int) -> None:
    stream = printed = seen = ""
    for number, chunk in enumerate(chunks):
        # A running number makes each place of the stream recognisable.
        stream += f"{number}{chunk}"
        current = stream[-window:]
        printed += new_output(seen, current)
        seen = current

    assert printed == stream


def test_a_partial_character_at_the_end_is_held_back() -> None:
    assert without_partial_character("abc\ufffd") == "abc"
