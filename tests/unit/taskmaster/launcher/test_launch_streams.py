"""The launcher's streams: redirects, the end in the log, marks."""

import os
import signal
import stat
import subprocess
from pathlib import Path
from select import select

import pytest

from programs.waiting import eventually
from taskmasters.launcher import ALL_BYTES, MARK, Launch, python, writes


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


def test_stdout_and_stderr_may_share_a_file(launch: Launch, tmp_path: Path) -> None:
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


READS_ALONG = """
import fcntl, os, signal, struct, termios

def unread():
    return struct.unpack("i", fcntl.ioctl(1, termios.FIONREAD, bytes(4)))[0]

def is_reading():
    with open(f"/proc/{launcher}/syscall") as file:
        return file.read().startswith("0 ")

launcher = os.getppid()
if os.fork() == 0:
    signal.alarm(30)  # nobody else would end it, outside a container
    os.close(2)
    stream = os.open("/proc/self/fd/1", os.O_RDONLY)
    while True:
        os.read(stream, 1)
for _ in range(3000):  # until the launcher was told of a byte that is gone
    os.write(1, b"x")
    while unread():
        os.sched_yield()
    if is_reading() and is_reading() and is_reading():
        break
"""


def test_a_second_reader_of_a_stream_does_not_delay_the_end(
    launch: Launch, tmp_path: Path
) -> None:
    done = launch("--stdout", tmp_path / "out", *python(READS_ALONG), timeout=20)

    assert (done.returncode, done.stderr) == (0, b"")


OPENED_AGAIN = {
    "by a redirect": ("echo one and more; echo two > /dev/stdout; echo three", 1),
    "by tee": (
        "echo one and more >&2; echo two | tee /dev/stderr > /dev/null; echo three >&2",
        2,
    ),
}
RETURNS = "\x02cr\x02"


@pytest.mark.parametrize("redirected", [False, True], ids=["marked", "redirected"])
@pytest.mark.parametrize(("script", "number"), OPENED_AGAIN.values(), ids=OPENED_AGAIN)
def test_a_stream_that_is_opened_again_loses_nothing(
    launch: Launch, tmp_path: Path, script: str, number: int, *, redirected: bool
) -> None:
    target = tmp_path / "file"
    option = ["--stdout", "--stderr"][number - 1]
    options = [option, target] if redirected else ["--mark-returns", RETURNS]

    done = launch(*options, "--", "sh", "-c", script)

    want = b"one and more\ntwo\nthree\n"
    assert (done.stdout, done.stderr)[number - 1] == want
    assert not redirected or target.read_bytes() == want


def test_other_writers_to_the_file_overwrite_nothing(
    launch: Launch, tmp_path: Path
) -> None:
    target = tmp_path / "file"
    script = 'echo one; while [ ! -s "$1" ]; do :; done; echo two >> "$1"; echo 3'

    launch("--stdout", target, "--", "sh", "-c", script, "sh", target)

    assert target.read_bytes() == b"one\ntwo\n3\n"


@pytest.mark.parametrize("stream", [1, 2])
def test_a_full_disk_ends_further_writers(launch: Launch, stream: int) -> None:
    option = ["--stdout", "--stderr"][stream - 1]
    name = option[2:]

    done = launch(option, "/dev/full", "--", "sh", "-c", f"yes >&{stream}")

    # The shell's exit code for a child that SIGPIPE has ended, or its own end.
    assert done.returncode in (125, 128 + signal.SIGPIPE)
    assert (
        done.stderr
        == f"launcher: {name}: /dev/full: No space left on device\n".encode()
    )


def test_a_full_disk_is_reported_even_if_the_command_ignores_it(
    launch: Launch,
) -> None:
    done = launch("--stdout", "/dev/full", "--", "echo", "x")

    assert done.returncode == 125
    assert done.stderr == b"launcher: stdout: /dev/full: No space left on device\n"


def test_a_pipe_is_no_file_to_write_to(launch: Launch, tmp_path: Path) -> None:
    done = launch("--stdout", _pipe(tmp_path), "--", "echo", "x")

    assert done.returncode == 125
    assert b"pipe: not a file" in done.stderr


def _pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe")
    return folder / "pipe"


@pytest.mark.parametrize("option", ["--stdout", "--stderr"])
def test_a_background_process_does_not_delay_the_end_of_a_redirect(
    launch: Launch, tmp_path: Path, option: str
) -> None:
    code = f"""
import os, signal
if os.fork() == 0:
    signal.alarm(30)  # nobody else would end it, outside a container
    os.close({3 - ["", "--stdout", "--stderr"].index(option)})
    signal.pause()
os.write({["", "--stdout", "--stderr"].index(option)}, b"last words")
"""

    done = launch(option, tmp_path / "file", *python(code))

    assert done.returncode == 0
    assert (tmp_path / "file").read_bytes() == b"last words"


def test_a_command_that_signals_its_group_is_still_read_to_the_end(
    launch: Launch, tmp_path: Path
) -> None:
    done = launch(
        *("--stdout", tmp_path / "file", "--", "setsid", "-w", "sh", "-c"),
        "yes | head -n 100000; kill -KILL 0",
    )

    assert done.returncode == 128 + signal.SIGKILL
    assert (tmp_path / "file").read_bytes() == b"y\n" * 100_000


RETURNED = {
    "at the end of a line": b"a\r\nb\r\n",
    "alone on a line": b"\r\n\r\n",
    "twice": b"a\r\r\n",
    "within a line": b"50%\r60%\r",
    "at the very end": b"a\r",
    "between other lines": b"a\nb\r\nc\n",
    "over all buffers": b"x\r\n" * 100_000,
}


@pytest.mark.parametrize("redirected", [False, True], ids=["marked", "redirected"])
@pytest.mark.parametrize("data", RETURNED.values(), ids=RETURNED)
def test_marks_keep_returns_apart_from_the_end_of_a_line(
    launch: Launch, tmp_path: Path, data: bytes, *, redirected: bool
) -> None:
    source = tmp_path / "in"
    source.write_bytes(data)
    redirect = ["--stdout", tmp_path / "o", "--log-limit", "999999"]

    done = launch(
        *("--mark-returns", RETURNS, "--stdin", source),
        *(redirect if redirected else []),
        *("--", "cat"),
    )

    mark = RETURNS.encode()
    assert done.stdout == data.replace(b"\r\n", b"\r" + mark + b"\n")


def test_a_return_and_its_newline_may_come_apart(launch: Launch) -> None:
    code = r"""
import fcntl, os, select, struct, termios
for part in b"a\r", b"\n":
    os.write(2, part)
    while struct.unpack("i", fcntl.ioctl(2, termios.FIONREAD, bytes(4)))[0]:
        pass
"""

    done = launch("--mark-returns", "<", "--mark-stderr", ">", *python(code))

    assert done.stderr == b">a\r<\n"


def test_the_pipes_of_a_node_full_of_executors_fit_what_a_user_may_have(
    launch: Launch, tmp_path: Path
) -> None:
    size = "import fcntl; print(fcntl.fcntl(1, fcntl.F_GETPIPE_SZ))"
    most = int(Path("/proc/sys/fs/pipe-user-pages-soft").read_text())
    pods = 110  # as a kubelet takes by default

    launch("--stdout", tmp_path / "out", *python(size))

    pages = int((tmp_path / "out").read_text()) // os.sysconf("SC_PAGE_SIZE")
    assert 2 * pods * pages <= most or not most


def _launch_unread(binary: Path, report: Path) -> subprocess.Popen[bytes]:
    """Start one whose log nobody reads yet; return it when its command has ended."""
    process = subprocess.Popen(
        [binary, "--report", report, "--", "sh", "-c", "echo out; echo err >&2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    eventually(lambda: report.exists() and report.read_text().endswith("}\n"))
    return process


def test_it_does_not_end_before_its_log_is_taken(binary: Path, tmp_path: Path) -> None:
    # A container runtime drops what it has not read soon after the end.
    with _launch_unread(binary, tmp_path / "report") as process:
        stat = Path(f"/proc/{process.pid}/stat")
        eventually(lambda: stat.read_text().rpartition(")")[2].split()[0] == "S")

        assert process.communicate(timeout=60) == (b"out\n", b"err\n")
        assert process.returncode == 0


def test_a_signal_ends_the_wait_for_who_reads_the_log(
    binary: Path, tmp_path: Path
) -> None:
    with _launch_unread(binary, tmp_path / "report") as process:
        process.send_signal(signal.SIGTERM)

        assert process.wait(60) == 0


def test_a_log_that_nobody_reads_holds_nothing_up_for_ever(
    binary: Path, tmp_path: Path
) -> None:
    with _launch_unread(binary, tmp_path / "report") as process:
        assert process.wait(60) == 0


def test_the_end_of_a_stream_is_marked_and_that_is_taken_as_well(binary: Path) -> None:
    marks = ("--mark-stderr", "!", "--mark-returns", "?", "--mark-end", "|")
    command = (binary, *marks, "--", "sh", "-c", "echo out")
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        printed = process.stdout.fileno()
        assert os.read(printed, 4) == b"out\n"
        eventually(lambda: select([printed], [], [], 0)[0])
        stat = Path(f"/proc/{process.pid}/stat")
        eventually(lambda: stat.read_text().rpartition(")")[2].split()[0] == "S")

        assert process.communicate(timeout=60) == (b"|", b"")
