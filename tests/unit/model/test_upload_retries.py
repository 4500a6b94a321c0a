"""When the upload of outputs is tried again, and what is said of it."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tesk_model.upload_retries import UploadRetries, with_jitter

RETRIES = UploadRetries(
    tries=6,
    timeout=timedelta(minutes=30),
    backoff=timedelta(seconds=10),
    max_backoff=timedelta(seconds=60),
)
FAILURES = {
    "another try follows": (
        (1, "busy", timedelta(seconds=19.6)),
        "the outputs could not be uploaded yet (busy); try 2 of 6 in 20 s",
    ),
    "the only one": ((1, "busy"), "the outputs could not be uploaded: busy"),
    "the last one": (
        (6, "busy"),
        "the outputs could not be uploaded, tried 6 times: busy",
    ),
}


def test_delays_double_up_to_the_longest() -> None:
    delays = [RETRIES.delay(tried, timedelta()) for tried in range(1, 7)]

    seconds = [delay and delay.total_seconds() for delay in delays]
    assert seconds == [10, 20, 40, 60, 60, None]


@given(st.integers(1, 10**9), st.integers(0, 10**9))
def test_tries_do_not_begin_after_the_timeout(tried: int, spent: int) -> None:
    delay = RETRIES.delay(tried, timedelta(seconds=spent))

    assert delay is None or (
        timedelta(seconds=spent) + delay <= RETRIES.timeout and tried < RETRIES.tries
    )


@given(st.floats(0, 1))
def test_jitter_makes_a_delay_a_quarter_shorter_at_most(draw: float) -> None:
    assert 7.5 <= with_jitter(timedelta(seconds=10), draw).total_seconds() <= 10


@pytest.mark.parametrize(("said", "want"), FAILURES.values(), ids=FAILURES)
def test_a_failure_is_told_with_what_follows(
    said: tuple[int, str, timedelta] | tuple[int, str], want: str
) -> None:
    assert RETRIES.describe_failure(*said) == want
