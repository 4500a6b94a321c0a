"""The end of each stream, from the engine's frames or Podman's file."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tesk_taskmaster.adapters.container.logs import (
    read_frames,
    read_log_file,
)
from tesk_taskmaster.adapters.stream_tails import StreamTails
from tesk_taskmaster.ports import Tails

KIB = 1024


def frame(stream: int, data: bytes) -> bytes:
    return bytes([stream, 0, 0, 0]) + len(data).to_bytes(4, "big") + data


@given(
    st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=50))),
    st.integers(1, 64),
)
def test_frames_are_put_together_however_they_are_cut(
    frames: list[tuple[int, bytes]], size: int
) -> None:
    log = b"".join(frame(stream, data) for stream, data in frames)
    kept = StreamTails()

    count = read_frames([log[at : at + size] for at in range(0, len(log), size)], kept)

    assert count == len(frames)
    assert kept.tails() == Tails(
        b"".join(data for stream, data in frames if stream == 1),
        b"".join(data for stream, data in frames if stream == 2),
    )


def test_a_frame_that_is_cut_off_counts_as_far_as_it_came() -> None:
    kept = StreamTails()

    read_frames([frame(1, b"whole") + frame(2, b"partial")[:-3]], kept)

    assert kept.tails() == Tails(b"whole", b"part")


def test_the_last_64_kib_of_each_stream_are_kept() -> None:
    kept = StreamTails()

    for number in range(100):
        kept.add(is_stderr=False, data=bytes([number]) * 4 * KIB)
        kept.add(is_stderr=True, data=b"e")

    stdout = b"".join(bytes([number]) * 4 * KIB for number in range(84, 100))
    assert kept.tails() == Tails(stdout, b"e" * 100)


LOGS = {
    "nothing": (b"", b"", b""),
    "lines of both streams": (
        b"t stdout F a\nt stderr F b\nt stdout F c\n",
        b"a\nc\n",
        b"b\n",
    ),
    "a line in parts, with the other stream between": (
        b"t stdout P ab\nt stderr F e\nt stdout F cd\n",
        b"abcd\n",
        b"e\n",
    ),
    "an end without a line end": (b"t stdout P a\n", b"a", b""),
    "any bytes, blanks and carriage returns": (
        b"t stdout F  \x00 \xff\r\n",
        b" \x00 \xff\r\n",
        b"",
    ),
    "a record that is being written": (b"t stdout F a\nt std", b"a\n", b""),
}


@pytest.mark.parametrize(("log", "stdout", "stderr"), LOGS.values(), ids=LOGS)
def test_a_log_file(tmp_path: Path, log: bytes, stdout: bytes, stderr: bytes) -> None:
    path = tmp_path / "ctr.log"
    path.write_bytes(log)

    assert read_log_file(path) == Tails(stdout, stderr)


def test_an_old_stderr_is_found_under_much_stdout(tmp_path: Path) -> None:
    path = tmp_path / "ctr.log"
    path.write_bytes(b"t stderr F old\n" + b"t stdout F 0123456789\n" * 3_000_000)

    tails = read_log_file(path)

    assert tails.stderr == b"old\n"
    assert tails.stdout == (b"0123456789\n" * 6000)[-64 * KIB :]


@given(
    lines=st.lists(
        st.sampled_from([b"t stdout P o", b"t stderr F e", b"\n"]), max_size=30
    ),
    size=st.integers(1, 40),
)
def test_where_blocks_begin_makes_no_difference(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], size: int
) -> None:
    path = tmp_path_factory.mktemp("log") / "ctr.log"
    log = b"\n".join(lines)
    path.write_bytes(log)

    assert read_log_file(path, block_size=size) == read_log_file(path)


def test_only_the_end_and_the_beginning_of_a_huge_log_are_read(tmp_path: Path) -> None:
    path = tmp_path / "ctr.log"
    with path.open("wb") as log:
        log.write(b"t stderr F first\n")
        log.truncate(1024**4)
        log.seek(0, 2)
        log.write(b"\nt stderr F between\n")
        log.truncate(2 * 1024**4)  # a hole, which takes no space
        log.seek(0, 2)
        log.write(b"\nt stdout F end\n")

    assert read_log_file(path) == Tails(b"end\n", b"first\n")


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_no_line_is_cut_where_the_beginning_ends(tmp_path: Path, stream: str) -> None:
    path = tmp_path / "ctr.log"
    line = f"t {stream} F {'x' * 1000}\n".encode()
    with path.open("wb") as log:
        log.write(line * (17 * KIB * KIB // len(line)))
        log.truncate(1024**3)

    tails = read_log_file(path)

    found = tails.stdout or tails.stderr
    assert set(found.splitlines()[1:]) == {b"x" * 1000}
