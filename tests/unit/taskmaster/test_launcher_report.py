"""Parsing of the launcher's report."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tesk_taskmaster.adapters.launcher_report import (
    parse_report,
    parse_time,
)
from tesk_taskmaster.domain.termination import InvalidReport, LoggedBytes, Report


def test_a_report_is_read() -> None:
    text = (
        b'{"exit_code":137,"signal":9,"terminated":true,'
        b'"started_at":"2025-01-31T12:00:00.000Z",'
        b'"ended_at":"2025-01-31T12:00:01.250Z","max_rss_bytes":5,"cpu_seconds":1.1,'
        b'"stdout_logged":7,"stderr_logged":0,"skipped":true,"error":"x"}\n'
    )

    assert parse_report(text) == Report(
        exit_code=137,
        started_at=datetime(2025, 1, 31, 12, tzinfo=UTC),
        ended_at=datetime(2025, 1, 31, 12, 0, 1, 250000, tzinfo=UTC),
        max_rss=5,
        cpu_seconds=1.1,
        terminated=True,
        skipped=True,
        error="x",
        logged=LoggedBytes(7, 0),
    )
    assert isinstance(parse_report(text[:-20]), InvalidReport)


def test_a_report_without_the_counts_of_both_streams_is_one() -> None:
    for report in (parse_report(written()), parse_report(written(stdout_logged="7"))):
        assert isinstance(report, Report)
        assert report.logged is None


def written(**fields: str) -> bytes:
    """Return a report with some fields replaced, as raw JSON."""
    usual = {
        "exit_code": "0",
        "started_at": '"2025-01-31T12:00:00Z"',
        "ended_at": '"2025-01-31T12:00:01Z"',
        "max_rss_bytes": "5",
    }
    pairs = (f'"{name}":{value}' for name, value in (usual | fields).items())
    return ("{" + ",".join(pairs) + "}").encode()


WRONG = {
    "an endless number": written(exit_code="Infinity"),
    "no number": written(exit_code="NaN"),
    "no number beside": written(cpu_seconds="NaN"),
    "less than no time": written(cpu_seconds="-0.001"),
    "more time than there was": written(cpu_seconds="1e11"),
    "a huge number": written(max_rss_bytes="9" * 3000),
    "a huge exponent": written(exit_code="1e999999999"),
    "a negative number": written(max_rss_bytes="-1"),
    "a negative count": written(stdout_logged="-1"),
    "an exit code that is none": written(exit_code="256"),
    "a fraction": written(exit_code="0.5"),
    "a truth for a number": written(exit_code="true"),
    "a text for a number": written(exit_code='"0"'),
    "a number for a text": written(error="7"),
    "a time that is none": written(started_at='"yesterday"'),
    "a time without a zone": written(started_at='"2025-01-31T12:00:00"'),
    "a time in year 0": written(started_at='"0000-01-31T12:00:00Z"'),
    "deep nesting": written(error="[" * 2000 + "]" * 2000),
    "half a character": written(error='"\\ud800"'),
    "no UTF-8": written(error='"').replace(b'"error":"', b'"error":"\xff"'),
    "a list": b"[]",
    "nothing but braces": b"{}",
    "more than a launcher writes": written(error='"' + "x" * 5000 + '"'),
}


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG)
def test_text_that_no_launcher_writes_is_an_invalid_report(text: bytes) -> None:
    assert isinstance(parse_report(text), InvalidReport)


@pytest.mark.parametrize("text", [b"", b"\0" * 200])
def test_an_unwritten_report_is_none(text: bytes) -> None:
    assert parse_report(text) is None


def test_errors_of_a_report_are_printable() -> None:
    year = '"9999-12-31T23:59:59Z"'
    report = parse_report(written(error=r'"a\u001b[2Jb\u0000"', ended_at=year))

    assert isinstance(report, Report)
    assert report.error == "a\ufffd[2Jb\ufffd"
    assert report.ended_at is None


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
FIELDS = (
    "exit_code",
    "started_at",
    "ended_at",
    "max_rss_bytes",
    "cpu_seconds",
    "error",
    "stdout_logged",
)


@given(
    st.binary()
    | JSON.map(lambda value: json.dumps(value).encode())
    | st.fixed_dictionaries(dict.fromkeys(FIELDS, JSON)).map(
        lambda value: json.dumps(value).encode()
    )
)
def test_any_text_is_a_valid_or_an_invalid_report(text: bytes) -> None:
    report = parse_report(text)

    assert not isinstance(report, Report) or 0 <= report.exit_code <= 255


def test_an_engines_zero_time_is_none() -> None:
    assert parse_time("0001-01-01T00:00:00Z") is None
