"""Which failures of a service are logged."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from tesk_taskmaster.usecases.failure_log import FailureLog

INTERVAL = timedelta(seconds=10)


def test_the_first_failure_is_logged_and_then_one_in_each_interval() -> None:
    failures = FailureLog(INTERVAL)

    logged = [now for now in range(100, 131) if failures.record_failure(now)]

    assert logged == [100, 110, 120, 130]


def test_the_first_success_ends_the_outage_and_returns_how_long_it_lasted() -> None:
    failures = FailureLog(INTERVAL)
    failures.record_failure(100)
    failures.record_failure(103)

    assert failures.record_success(107.5) == timedelta(seconds=7.5)
    assert failures.record_success(108) is None


def test_a_success_without_a_failure_ends_nothing() -> None:
    assert FailureLog(INTERVAL).record_success(100) is None


def test_the_first_failure_of_the_next_outage_is_logged_at_once() -> None:
    failures = FailureLog(INTERVAL)
    failures.record_failure(100)
    failures.record_success(101)

    assert failures.record_failure(102)


@given(st.lists(st.floats(min_value=0, max_value=1), max_size=200))
def test_frequent_failures_log_one_line_in_each_interval(pauses: list[float]) -> None:
    failures, now, logged = FailureLog(INTERVAL), 0.0, 0
    for pause in pauses:
        now += pause
        logged += failures.record_failure(now)

    assert logged <= 1 + now / INTERVAL.total_seconds()
