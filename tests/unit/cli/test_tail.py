import pytest
from hypothesis import given
from hypothesis import strategies as st

from tesk_cli.domain.tail import SKIPPED, appended, settled

CASES = {
    "nothing new": ("abc", "abc", ""),
    "the first look": ("", "abc", "abc"),
    "more was printed": ("abc", "abcde", "de"),
    "the start fell off": ("abcdef", "cdefgh", "gh"),
    "nothing overlaps": ("abc", "xyz", SKIPPED + "xyz"),
    "a false start before the true one": ("abab-abac", "abac-d", "-d"),
}


@pytest.mark.parametrize(
    ("previous", "current", "want"), CASES.values(), ids=list(CASES)
)
def test_only_what_is_new_is_printed(previous: str, current: str, want: str) -> None:
    assert appended(previous, current) == want


@given(
    chunks=st.lists(st.text(alphabet="ab\n", max_size=5), max_size=9),
    window=st.integers(10, 30),
)
def test_looks_that_overlap_add_up_to_the_stream(
    chunks: list[str], window: int
) -> None:
    stream = printed = seen = ""
    for number, chunk in enumerate(chunks):
        # A running number makes each place of the stream recognisable.
        stream += f"{number}{chunk}"
        current = stream[-window:]
        printed += appended(seen, current)
        seen = current

    assert printed == stream


def test_half_a_character_at_the_end_waits() -> None:
    assert settled("abc\ufffd") == "abc"
