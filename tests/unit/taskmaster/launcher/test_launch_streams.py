"""What becomes of a command's streams: redirects, the end in the log, marks."""

import stat
from pathlib import Path

import pytest

from launcher_rig import ALL_BYTES, MARK, Launch, python, writes


@pytest.mark.parametrize(("option", "stream"), [("--stdout", 1), ("--stderr", 2)])
def test_a_redirect_keeps_every_byte(
    launch: Launch, tmp_path: Path, option: str, stream: int
) -> None:
    target = tmp_path / "new" / "folder" / "out"

    done = launch(option, target, *writes(ALL_BYTES, stream=stream))

    assert done.returncode == 0
    assert target.read_bytes() == ALL_BYTES
    assert stat.S_IMODE(target.parent.stat().st_mode) == 0o777


def test_an_inherited_stream_keeps_every_byte(launch: Launch) -> None:
    assert launch(*writes(ALL_BYTES)).stdout == ALL_BYTES


def test_a_redirect_replaces_what_the_file_held(launch: Launch, tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.write_bytes(b"much longer than what comes now")

    launch("--stdout", target, *python("print('new')"))

    assert target.read_bytes() == b"new\n"


def test_both_streams_may_share_a_file(launch: Launch, tmp_path: Path) -> None:
    target = tmp_path / "out"

    code = "import os\nfor n in 1, 2, 1: os.write(n, b'%d\\n' % n)"
    done = launch("--stdout", target, "--stderr", target, *python(code))

    assert target.read_bytes() == b"1\n2\n1\n"
    assert (done.stdout, done.stderr) == (b"1\n2\n1\n", b"")


def test_stdin_comes_from_the_file(launch: Launch, tmp_path: Path) -> None:
    source, target = tmp_path / "in", tmp_path / "out"
    source.write_bytes(ALL_BYTES)

    code = "import shutil, sys; shutil.copyfileobj(sys.stdin.buffer, sys.stdout.buffer)"
    launch("--stdin", source, "--stdout", target, *python(code))

    assert target.read_bytes() == ALL_BYTES


TAILS = {
    "all of a short stream": ([], b"a" * 256, 256),
    "the default limit": ([], ALL_BYTES, 65536),
    "a smaller limit": (["--log-limit", "10"], ALL_BYTES, 10),
    "nothing": (["--log-limit", "0"], ALL_BYTES, 0),
    "more than there is": (["--log-limit", "9999999999"], ALL_BYTES, len(ALL_BYTES)),
}


@pytest.mark.parametrize(("options", "data", "want"), TAILS.values(), ids=TAILS)
def test_the_log_gets_the_end_of_a_redirected_stream(
    launch: Launch, tmp_path: Path, options: list[str], data: bytes, want: int
) -> None:
    out = launch("--stdout", tmp_path / "out", *options, *writes(data))
    err = launch("--stderr", tmp_path / "err", *options, *writes(data, stream=2))

    end = data[len(data) - want :]
    assert (out.stdout, out.stderr) == (end, b"")
    assert (err.stdout, err.stderr) == (b"", end)


MARKED = {
    "nothing": (b"", b""),
    "whole lines": (b"one\ntwo\n", b"<one\n<two\n"),
    "a partial last line": (b"one\ntwo", b"<one\n<two\n"),
    "empty lines": (b"\n\nx\n", b"<\n<\n<x\n"),
    "a line longer than any buffer": (b"x" * 200_000, b"<" + b"x" * 200_000 + b"\n"),
    "many short lines": (b"a\n" * 50_000, b"<a\n" * 50_000),
}


@pytest.mark.parametrize("redirected", [False, True], ids=["inherited", "redirected"])
@pytest.mark.parametrize(("data", "want"), MARKED.values(), ids=MARKED)
def test_marks_start_each_line_of_stderr(
    launch: Launch, tmp_path: Path, data: bytes, want: bytes, *, redirected: bool
) -> None:
    source, target = tmp_path / "in", tmp_path / "err"
    source.write_bytes(data)
    redirect = ["--stderr", target, "--log-limit", "999999"] if redirected else []

    code = "import shutil, sys; shutil.copyfileobj(sys.stdin.buffer, sys.stderr.buffer)"
    done = launch("--mark-stderr", MARK, "--stdin", source, *redirect, *python(code))

    assert done.stderr == want.replace(b"<", MARK.encode())
    assert not redirected or target.read_bytes() == data


def test_marks_leave_stdout_alone_and_cover_our_own_lines(launch: Launch) -> None:
    done = launch("--mark-stderr", MARK, *python("print('out')"))
    failed = launch("--mark-stderr", MARK, "--", "/no/such/program")

    assert (done.stdout, done.stderr) == (b"out\n", b"")
    want = f"{MARK}launcher: /no/such/program: not found\n"
    assert failed.stderr.decode() == want


def test_a_background_process_does_not_hold_up_the_end(launch: Launch) -> None:
    code = """
import os, signal
if os.fork() == 0:
    signal.alarm(30)  # nobody else would end it, outside a container
    os.close(1)
    signal.pause()
os.write(2, b"last words")
"""

    done = launch("--mark-stderr", "<", *python(code))

    assert (done.returncode, done.stderr) == (0, b"<last words\n")
