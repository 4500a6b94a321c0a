"""Lines that are found in what was printed."""

from hypothesis import given
from hypothesis import strategies as st

from tesk_api.http.web.log_search import find_lines


@given(
    st.lists(st.text("abA\u0130 ", max_size=8)), st.text("abA", min_size=1, max_size=3)
)
def test_what_is_found_contains_it_and_nothing_is_lost(
    lines: list[str], wanted: str
) -> None:
    found = find_lines("\n".join([*lines, ""]), wanted)

    assert found.searched == len(lines)
    for each in found.lines:
        line = "".join(text for text, _ in each.pieces)
        assert line == lines[each.number - 1]
        assert wanted.lower() in line.lower()
    shown = {each.number for each in found.lines}
    for number, line in enumerate(lines, start=1):
        assert (wanted.lower() in line.lower()) == (number in shown)


def test_of_very_many_lines_the_last_are_shown() -> None:
    found = find_lines("x\n" * 2000, "X")

    assert (found.total, found.searched) == (2000, 2000)
    assert [each.number for each in found.lines] == list(range(1501, 2001))


def test_one_line_gets_no_endless_marks() -> None:
    [line] = find_lines("a" * 60_000, "a").lines

    assert sum(is_found for _, is_found in line.pieces) == 50
    assert sum(len(text) for text, _ in line.pieces) == 60_000
