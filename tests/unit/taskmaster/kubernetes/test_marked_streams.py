"""The streams of a pod's log whose launcher is of the release before."""

from collections.abc import Iterable
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tesk_taskmaster.adapters.kubernetes.control.marked_streams import MarkedStreams
from tesk_taskmaster.adapters.kubernetes.manifests.log_marks import (
    END_MARK,
    RETURN_MARK,
)
from tesk_taskmaster.adapters.stream_tails import StreamTails
from tesk_taskmaster.domain.tails import TAIL_BYTES
from tesk_taskmaster.ports import Tails

MARK = b"\x02err\x02"
END = END_MARK.encode()


def split_log(pieces: Iterable[bytes]) -> Tails:
    """Return the tails of a whole log."""
    tails = StreamTails()
    streams = MarkedStreams(tails)
    for piece in pieces:
        streams.feed(piece)
    streams.finish()
    return tails.tails()


# Letters of the mark are likely, so that false beginnings of it are.
BYTES = st.lists(st.sampled_from([b"\x02", b"e", b"r", b"x", b"\r"])).map(b"".join)
TEXT = BYTES.filter(lambda text: MARK not in text)


@st.composite
def logs(draw: st.DrawFn) -> tuple[list[bytes], bytes, bytes]:
    """Return a log in pieces, and what both streams were."""
    lines = draw(st.lists(st.tuples(st.booleans(), TEXT), max_size=12))
    whole = b"".join((MARK if err else b"") + line + b"\n" for err, line in lines)
    cuts = draw(st.lists(st.integers(0, len(whole))))
    edges = [0, *sorted(cuts), len(whole)]
    pieces = [whole[a:b] for a, b in pairwise(edges)]
    out = b"".join(line + b"\n" for err, line in lines if not err)
    err = b"".join(line + b"\n" for err, line in lines if err)
    return pieces, out, err


@given(logs())
def test_streams_are_split_wherever_a_piece_ends(
    drawn: tuple[list[bytes], bytes, bytes],
) -> None:
    pieces, out, err = drawn

    assert split_log(pieces) == Tails(out, err)


RETURNED = st.lists(st.sampled_from([b"\r", b"\n", b"\x02", b"c", b"\r\n"])).map(
    b"".join
)


@given(RETURNED, st.lists(st.integers(0, 40)))
def test_returns_at_the_ends_of_lines_come_back(data: bytes, cuts: list[int]) -> None:
    marked = data.replace(b"\r\n", b"\r" + RETURN_MARK.encode() + b"\n")
    edges = [0, *sorted(min(cut, len(marked)) for cut in cuts), len(marked)]

    pieces = [marked[a:b] for a, b in pairwise(edges)]

    assert split_log(pieces).stdout == data


def test_returns_come_back_whatever_comes_between() -> None:
    whole = b"\r" + RETURN_MARK.encode() + b"\n"
    for cut in range(1, len(whole)):
        log = b"a" + whole[:cut] + MARK + b"b" + whole + whole[cut:]

        assert split_log([log]) == Tails(b"a\r\n", b"b\r\n")


def test_a_mark_in_the_middle_of_a_line_begins_stderr() -> None:
    log = b"no newline" + MARK + b"oh\nmore" + MARK + b"a" + MARK + b"b\nend"

    assert split_log([log]) == Tails(b"no newlinemoreend", b"oh\nab\n")


ENDED = b"out" + END + MARK + b"err\n" + END


@given(st.lists(st.integers(0, len(ENDED))))
def test_the_marks_of_ends_go_wherever_a_log_is_cut(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(ENDED)]

    pieces = [ENDED[a:b] for a, b in pairwise(edges)]

    assert split_log(pieces) == Tails(b"out", b"err\n")


def test_the_end_of_stdout_may_be_in_a_line_of_stderr() -> None:
    log = MARK + b"be" + END + b"gun\n" + END

    assert split_log([log]) == Tails(b"", b"begun\n")


def test_text_that_resembles_a_mark_is_kept() -> None:
    assert split_log([b"a\x02er", b"\x02"]) == Tails(b"a\x02er\x02", b"")
    assert split_log([MARK + b"a\x02er"]) == Tails(b"", b"a\x02er")
    assert split_log([b"a\x02en"]) == Tails(b"a\x02en", b"")


def test_only_the_last_of_each_stream_is_kept() -> None:
    log = b"x" * TAIL_BYTES + b"out\n" + MARK + b"y" * TAIL_BYTES + b"err\n"

    tails = split_log([log])

    assert len(tails.stdout) == len(tails.stderr) == TAIL_BYTES
    assert (tails.stdout[-4:], tails.stderr[-4:]) == (b"out\n", b"err\n")
