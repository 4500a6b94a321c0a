"""When the upload of outputs is tried again, and the names of its steps."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tesk_taskmaster.domain.step_names import direction_of, outputs_step, outputs_tried
from tesk_taskmaster.domain.upload_retries import UploadRetries

RETRIES = UploadRetries(
    tries=6,
    timeout=timedelta(minutes=30),
    backoff=timedelta(seconds=10),
    max_backoff=timedelta(seconds=60),
)
STEPS = {
    "in": "inputs",
    "out": "outputs",
    "out-1": "outputs",
    "out-12": "outputs",
    "x0": None,
    "x12": None,
    "out-0": None,
    "out-x": None,
    "in-1": None,
}


@pytest.mark.parametrize(("step", "want"), STEPS.items(), ids=STEPS)
def test_the_name_of_a_step_says_what_its_filer_transfers(
    step: str, want: str | None
) -> None:
    assert direction_of(step) == want


@given(st.integers(0, 1000))
def test_tries_are_counted_by_their_names(tried: int) -> None:
    names = [outputs_step(number) for number in range(tried + 1)]

    assert outputs_tried(["in", "x0", *names]) == tried
    assert direction_of(names[-1]) == "outputs"


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
