"""Pauses between tries."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from tesk_model.backoff import Backoff

SECOND = timedelta(seconds=1)
BACKOFF = Backoff(first=SECOND / 2, longest=5 * SECOND)


def test_each_pause_is_twice_the_one_before_up_to_the_longest() -> None:
    pauses = [BACKOFF.pause(failures) / SECOND for failures in range(7)]

    assert pauses == [0, 0.5, 1, 2, 4, 5, 5]


@given(st.integers(-5, 10**9), st.integers(-5, 10**9))
def test_more_failures_never_make_a_shorter_pause(one: int, another: int) -> None:
    few, many = sorted((one, another))

    assert timedelta() <= BACKOFF.pause(few) <= BACKOFF.pause(many) <= BACKOFF.longest
