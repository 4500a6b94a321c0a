"""The launcher's report at the end of a command."""

import json
import os
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from taskmasters.launcher import Launch, python


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
