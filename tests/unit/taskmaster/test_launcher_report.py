"""What is believed of what a launcher reports."""

import json
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from tesk_taskmaster.adapters.launcher_report import Report, parse_report, parse_time


def test_a_report_is_read() -> None:
    text = (
        b'{"exit_code":137,"signal":9,"terminated":true,'
        b'"started_at":"2025-01-31T12:00:00.000Z",'
        b'"ended_at":"2025-01-31T12:00:01.250Z","max_rss_bytes":5,"cpu_seconds":1.1,'
        b'"error":"x"}\n'
    )

    assert parse_report(text) == Report(
        exit_code=137,
        started_at=datetime(2025, 1, 31, 12, tzinfo=UTC),
        ended_at=datetime(2025, 1, 31, 12, 0, 1, 250000, tzinfo=UTC),
        max_rss=5,
        terminated=True,
        error="x",
    )
    assert parse_report(text[:-20]) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
FIELDS = ("exit_code", "started_at", "ended_at", "max_rss_bytes", "error")


@given(
    st.binary()
    | JSON.map(lambda value: json.dumps(value).encode())
    | st.fixed_dictionaries(dict.fromkeys(FIELDS, JSON)).map(
        lambda value: json.dumps(value).encode()
    )
)
def test_whatever_a_program_writes_is_a_report_or_none(text: bytes) -> None:
    report = parse_report(text)

    assert report is None or 0 <= report.exit_code <= 255


def test_an_engines_zero_time_is_none() -> None:
    assert parse_time("0001-01-01T00:00:00Z") is None
