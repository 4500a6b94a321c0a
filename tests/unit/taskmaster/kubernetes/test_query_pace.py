"""The slower the cluster answers, the more seldom a taskmaster queries it."""

from contextlib import suppress
from dataclasses import dataclass

import pytest

from tesk_runtime.clock import SystemClock
from tesk_taskmaster.adapters.kubernetes.control.query_pace import QueryPace


@dataclass
class Hand(SystemClock):
    at: float = 100.0

    def monotonic(self) -> float:
        return self.at


def is_free(pace: QueryPace) -> bool:
    with pace.turn() as free:
        return free


def query(pace: QueryPace, clock: Hand, seconds: float) -> None:
    with pace.turn() as free:
        assert free
        clock.at += seconds


@pytest.mark.parametrize(
    ("seconds", "pause"), [(0, 0), (0.01, 0.09), (2, 18), (30, 60)]
)
def test_queries_take_a_tenth_of_the_time_with_pauses_of_a_minute_at_most(
    seconds: float, pause: float
) -> None:
    clock = Hand()
    pace = QueryPace(clock=clock)
    query(pace, clock, seconds)

    if pause:
        clock.at += pause * 0.9
        assert not is_free(pace)
    clock.at += pause * 0.2 + 1e-6
    assert is_free(pace)


def test_there_is_one_query_at_a_time() -> None:
    clock = Hand()
    pace = QueryPace(clock=clock)

    with pace.turn() as free:
        clock.at += 1000
        assert free
        assert not is_free(pace)


def test_a_query_that_failed_was_one() -> None:
    clock = Hand()
    pace = QueryPace(clock=clock)
    with suppress(ValueError), pace.turn():
        clock.at += 1
        raise ValueError

    assert not is_free(pace)
    clock.at += 10
    assert is_free(pace)
