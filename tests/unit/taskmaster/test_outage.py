"""Which failures are logged while a neighbour is away."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from tesk_taskmaster.usecases.outage import Outage

INTERVAL = timedelta(seconds=10)


def test_the_first_failure_is_logged_and_then_one_in_each_interval() -> None:
    outage = Outage(INTERVAL)

    logged = [now for now in range(100, 131) if outage.fail(now)]

    assert logged == [100, 110, 120, 130]


def test_its_end_is_told_once_with_how_long_it_lasted() -> None:
    outage = Outage(INTERVAL)
    outage.fail(100)
    outage.fail(103)

    assert outage.end(107.5) == timedelta(seconds=7.5)
    assert outage.end(108) is None


def test_no_failure_has_no_end() -> None:
    assert Outage(INTERVAL).end(100) is None


def test_the_first_failure_of_the_next_outage_is_logged_at_once() -> None:
    outage = Outage(INTERVAL)
    outage.fail(100)
    outage.end(101)

    assert outage.fail(102)


@given(st.lists(st.floats(min_value=0, max_value=1), max_size=200))
def test_however_often_it_fails_few_are_logged(pauses: list[float]) -> None:
    outage, now, logged = Outage(INTERVAL), 0.0, 0
    for pause in pauses:
        now += pause
        logged += outage.fail(now)

    assert logged <= 1 + now / INTERVAL.total_seconds()
