"""The launcher's report at the end of a command."""

import json
import os
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from programs.namespaces import mount_namespace
from taskmasters.launcher import MARK, Launch, python, writes


def test_the_report_tells_how_it_went(launch: Launch, tmp_path: Path) -> None:
    report = tmp_path / "report"
    report.write_text("x" * 5000)
    code = """
import time
memory = b"x" * 50_000_000
while time.process_time() < 0.2: pass
"""

    launch("--report", report, *python(code))

    text = report.read_text()
    told = json.loads(text)
    assert text.count("\n") == 1
    assert set(told) == {
        *("exit_code", "signal", "terminated", "skipped"),
        *("started_at", "ended_at", "max_rss_bytes", "cpu_seconds"),
    }
    assert (told["exit_code"], told["signal"]) == (0, 0)
    assert (told["terminated"], told["skipped"]) == (False, False)
    assert 50_000_000 < told["max_rss_bytes"] < 500_000_000
    assert 0.2 <= told["cpu_seconds"] < 60
    started, ended = (
        datetime.strptime(told[name], "%Y-%m-%dT%H:%M:%S.%f%z")
        for name in ("started_at", "ended_at")
    )
    assert timedelta(seconds=0.1) < ended - started < timedelta(seconds=60)
    assert told["ended_at"][-5] == "."
    assert told["ended_at"][-1] == "Z"


NAMES = {
    "quotes and backslashes": (b'/no/"such"\\', '/no/"such"\\: not found'),
    "control characters": (b"/no/\x01\n\x7f", r"/no/\x01\n\x7f: not found"),
    "unicode": ("/no/żółw🐢".encode(), "/no/żółw🐢: not found"),
    "no unicode": (
        b"/no/\xff\xc3(\xed\xa0\x80",
        "/no/\ufffd\ufffd(\ufffd\ufffd\ufffd: not found",
    ),
}


@pytest.mark.parametrize(("name", "want"), NAMES.values(), ids=NAMES)
def test_the_report_is_json_whatever_the_name(
    launch: Launch, tmp_path: Path, name: bytes, want: str
) -> None:
    report = tmp_path / "report"

    launch("--report", report, "--", os.fsdecode(name))

    assert json.loads(report.read_text())["error"] == want


def test_the_report_fits_a_termination_message(launch: Launch, tmp_path: Path) -> None:
    report = tmp_path / "report"

    launch("--report", report, "--", '/"\\' * 1000)

    assert len(report.read_bytes()) <= 4096
    assert json.loads(report.read_text())["exit_code"] == 127


def test_a_report_that_cannot_be_written_fails_nothing(launch: Launch) -> None:
    done = launch("--report", "/no/such/report", "--", "true")

    assert done.returncode == 0
    want = b"launcher: report: /no/such/report: No such file or directory\n"
    assert done.stderr == want


MARKS = ["--mark-stderr", MARK, "--mark-returns", "\x02cr\x02"]
BOTH = r"import os; os.write(1, b'one\r\ntwo'); os.write(2, b'a\r\nbc\n')"
AGAIN = len(f"launcher: {sys.executable}: ended with exit code 1; restart 1 of 1\n")
LOGGED = {
    "marks do not count": (MARKS, BOTH, (8, 6)),
    "nothing": (MARKS, "", (0, 0)),
    "the newline that ends a marked stderr": (
        *(MARKS, "import os; os.write(2, b'oh')"),
        (0, 3),
    ),
    "the end of a redirected stream": (
        [*MARKS, "--stdout", "{}/out", "--stderr", "{}/err", "--log-limit", "5"],
        *(BOTH, (5, 5)),
    ),
    "one file for both": (
        [*MARKS, "--stdout", "{}/all", "--stderr", "{}/all"],
        *(BOTH, (14, 0)),
    ),
    "all runs of a command that is started again": (
        [*MARKS, "--restarts", "1"],
        *("import os; os.write(1, b'x'); os._exit(1)", (2, AGAIN)),
    ),
    "a stream that the command writes itself is not known": (
        ["--stdout", "{}/out"],
        *(BOTH, (8, None)),
    ),
}


@pytest.mark.parametrize(("options", "code", "want"), LOGGED.values(), ids=LOGGED)
def test_the_report_counts_what_the_log_was_given(
    launch: Launch,
    tmp_path: Path,
    options: list[str],
    code: str,
    want: tuple[int, int | None],
) -> None:
    report = tmp_path / "report"
    placed = [option.format(tmp_path) for option in options]

    launch("--report", report, *placed, *python(code))

    assert logged(report) == want


def test_all_of_a_stream_larger_than_any_buffer_is_counted(
    launch: Launch, tmp_path: Path
) -> None:
    report, data = tmp_path / "report", b"xy\r\n" * 64_000

    done = launch("--report", report, *MARKS, *writes(data, stream=2))

    assert logged(report) == (0, len(data))
    assert len(done.stderr) > len(data)


def test_the_launchers_own_messages_count(launch: Launch, tmp_path: Path) -> None:
    report = tmp_path / "report"

    done = launch("--report", report, *MARKS, "--", "/no/such/program")

    assert logged(report) == (0, len(done.stderr) - len(MARK))


def test_the_result_of_an_inspection_counts(launch: Launch, tmp_path: Path) -> None:
    report = tmp_path / "report"

    done = launch("--report", report, "--inspect", tmp_path, "--", "inspect")

    assert logged(report) == (len(done.stdout), 0)


def logged(report: Path) -> tuple[int | None, int | None]:
    told = json.loads(report.read_text())
    return told.get("stdout_logged"), told.get("stderr_logged")


# What fills the disk, and what the report says then.
FILLS = {
    "a disk without space": ("cat /dev/zero > big", "size=2m", True),
    "a disk without room for one more file": (
        "touch a b c",
        "size=2m,nr_inodes=3",
        True,
    ),
    "a disk that has space left": ("head -c 65536 /dev/zero > small", "size=2m", False),
    "space that was given back": ("cat /dev/zero > big; rm big", "size=2m", False),
    "a command that succeeds": ("cat /dev/zero > big; exit 0", "size=2m", False),
}


@pytest.mark.parametrize(("fills", "size", "told"), FILLS.values(), ids=FILLS)
def test_a_failed_command_tells_of_a_full_disk(
    binary: Path, tmp_path: Path, fills: str, size: str, *, told: bool
) -> None:
    disk, report = tmp_path / "disk", tmp_path / "report"
    disk.mkdir()
    mounted = f'mount -t tmpfs -o {size} none "$0" && cd "$0" && exec "$@"'
    command = ("--disk", disk, "--report", report, "--", "sh", "-c", f"{fills}\nexit 3")

    subprocess.run(
        [*mount_namespace(), "sh", "-c", mounted, disk, binary, *command],
        check=False,
        stderr=subprocess.DEVNULL,
        timeout=60,
    )

    written = json.loads(report.read_text())
    assert written["exit_code"] == (0 if "exit 0" in fills else 3)
    assert written.get("disk_full", False) == told
