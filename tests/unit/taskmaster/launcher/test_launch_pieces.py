"""Both streams in one log: told apart byte by byte, whatever was printed."""

import os
import subprocess
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taskmasters.launcher import Launch, python
from taskmasters.merged_logs import merged
from tesk_taskmaster.adapters.kubernetes.control.log_pieces import LogPieces
from tesk_taskmaster.adapters.kubernetes.manifests.log_marks import (
    END_MARK,
    MARK_OPTIONS,
    MORE_MARK,
    RETURN_MARK,
    STDERR_MARK,
    STDOUT_MARK,
)
from tesk_taskmaster.adapters.stream_tails import StreamTails
from tesk_taskmaster.domain.termination import LoggedBytes
from tesk_taskmaster.ports import Tails

MARKS = [
    mark.encode()
    for mark in (STDERR_MARK, STDOUT_MARK, RETURN_MARK, MORE_MARK, END_MARK)
]
# A write at a time, each a stream and a length before its bytes.
WRITES = """
import os, sys
told = sys.stdin.buffer
while head := told.read(5):
    data = told.read(int.from_bytes(head[1:], "big"))
    while data:
        data = data[os.write(head[0], data) :]
"""
ODD = st.sampled_from(
    [*MARKS, b"\n", b"\r", b"\r\n", b"\x02", b"\0", b"\xff", b"x", b"err", b"\x02\n"]
)
LONG = st.builds(lambda size, last: b"z" * size + last, st.integers(3900, 20_000), ODD)
DATA = st.lists(ODD | ODD | ODD | LONG, min_size=1, max_size=8).map(b"".join)
PRINTED = st.lists(st.tuples(st.sampled_from([1, 2]), DATA), max_size=8)


def split(log: bytes, cuts: Sequence[int] = ()) -> tuple[Tails, LoggedBytes]:
    """Return the tails of a whole log that comes in parts, and the sizes."""
    tails = StreamTails()
    pieces = LogPieces(tails)
    edges = [0, *sorted(min(cut, len(log)) for cut in cuts), len(log)]
    for begin, end in pairwise(edges):
        pieces.feed(log[begin:end])
    pieces.finish()
    return tails.tails(), tails.sizes


def joined(writes: Sequence[tuple[int, bytes]], stream: int) -> bytes:
    return b"".join(data for number, data in writes if number == stream)


@settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    PRINTED,
    st.lists(st.booleans(), max_size=60),
    st.lists(st.integers(0, 100_000), max_size=5),
)
def test_streams_come_back_whatever_was_printed_and_mixed(
    launch: Launch,
    tmp_path: Path,
    writes: list[tuple[int, bytes]],
    turns: list[bool],
    cuts: list[int],
) -> None:
    source = tmp_path / "in"
    source.write_bytes(
        b"".join(
            bytes([number]) + len(data).to_bytes(4, "big") + data
            for number, data in writes
        )
    )

    done = launch(*MARK_OPTIONS, "--stdin", source, *python(WRITES))
    tails, sizes = split(merged(done.stdout, done.stderr, turns), cuts)

    out, err = joined(writes, 1), joined(writes, 2)
    assert sizes == LoggedBytes(len(out), len(err))
    assert (tails.stdout, tails.stderr) == (out[-65536:], err[-65536:])
    lines = done.stdout.split(b"\n") + done.stderr.split(b"\n")
    assert max(map(len, lines)) < 4096


PLAIN = {
    "lines": (b"one\ntwo\n\nthree\n", b"one\ntwo\n\nthree\n"),
    "a line that no runtime cuts": (b"x" * 4000 + b"\n", b"x" * 4000 + b"\n"),
    "bytes that begin no mark": (b"\x01\0a\x02b\n", b"\x01\0a\x02b\n"),
}


@pytest.mark.parametrize(("data", "want"), PLAIN.values(), ids=PLAIN)
def test_ordinary_lines_of_stdout_are_in_the_log_as_they_are(
    launch: Launch, tmp_path: Path, data: bytes, want: bytes
) -> None:
    (tmp_path / "in").write_bytes(data)

    done = launch(*MARK_OPTIONS, "--stdin", tmp_path / "in", "--", "cat")

    assert done.stdout == want + END_MARK.encode() + b"\n"


REDIRECTED = {
    "unfinished": b"x" * 5000 + b"\ry",
    "finished": b"\x02end\x02\n" * 10,
}


@pytest.mark.parametrize("data", REDIRECTED.values(), ids=REDIRECTED)
def test_the_end_of_a_redirected_stream_comes_back(
    launch: Launch, tmp_path: Path, data: bytes
) -> None:
    (tmp_path / "in").write_bytes(data)
    redirects = ("--stdout", tmp_path / "out", "--stderr", tmp_path / "err")

    done = launch(
        *(*MARK_OPTIONS, *redirects, "--stdin", tmp_path / "in"),
        *("--", "sh", "-c", "tee /dev/stderr"),
    )

    tails, _ = split(merged(done.stdout, done.stderr, [True, False] * 9))
    assert (tails.stdout, tails.stderr) == (data, data)


def test_a_line_that_is_not_ended_is_passed_on_after_a_while(binary: Path) -> None:
    command: list[str | Path] = [
        binary,
        *MARK_OPTIONS,
        *python("import os; os.write(2, b'50%'); input()"),
    ]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stderr is not None
        shown = os.read(process.stderr.fileno(), 4096)

        process.communicate(b"\n", timeout=60)
    assert shown == f"{STDERR_MARK}50%{MORE_MARK}\n".encode()


def test_messages_of_the_launcher_begin_a_line(launch: Launch, tmp_path: Path) -> None:
    report = tmp_path / "report"
    done = launch(
        *(*MARK_OPTIONS, "--restarts", "1", "--report", report),
        *("--", "sh", "-c", "printf oh >&2; exit 3"),
    )

    tails, sizes = split(done.stderr)
    assert (
        tails.stderr == b"oh\nlauncher: sh: ended with exit code 3; restart 1 of 1\noh"
    )
    assert f'"stderr_logged":{sizes.stderr}' in report.read_text()


WRONG = {
    "a mark that is missing": MARK_OPTIONS[:-2],
    "a mark of one byte": [*MARK_OPTIONS[:-1], "\x02"],
    "a mark that is too long": [*MARK_OPTIONS[:-1], "\x02" * 65],
    "a mark that begins otherwise": [*MARK_OPTIONS[:-1], "end\x02"],
    "a mark that ends otherwise": [*MARK_OPTIONS[:-1], "\x02end"],
    "that of literal lines alone": ["--mark-stdout", STDOUT_MARK],
}


@pytest.mark.parametrize("options", WRONG.values(), ids=WRONG)
def test_marks_that_cannot_be_read_are_refused(
    launch: Launch, options: list[str]
) -> None:
    done = launch(*options, "--", "true")

    assert done.returncode == 125
    assert b"need all marks, of 2 to 64 bytes" in done.stderr


def test_a_line_without_an_end_is_not_kept_for_ever() -> None:
    tails = StreamTails()
    pieces = LogPieces(tails)
    for _ in range(20):
        pieces.feed(b"x" * 10_000)

    assert tails.sizes.stdout >= 200_000 - 65_536
