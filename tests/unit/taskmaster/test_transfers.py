"""When outputs are tried again, and what the steps of filers are called."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tesk_taskmaster.domain.step_names import direction_of, outputs_step, outputs_tried
from tesk_taskmaster.domain.transfers import UploadRetries

RETRIES = UploadRetries(
    tries=6,
    timeout=timedelta(minutes=30),
    backoff=timedelta(seconds=10),
    longest=timedelta(seconds=60),
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
def test_the_name_of_a_step_tells_what_its_filer_moves(
    step: str, want: str | None
) -> None:
    assert direction_of(step) == want


@given(st.integers(0, 1000))
def test_tries_are_counted_by_their_names(tried: int) -> None:
    names = [outputs_step(number) for number in range(tried + 1)]

    assert outputs_tried(["in", "x0", *names]) == tried
    assert direction_of(names[-1]) == "outputs"


def test_pauses_double_up_to_the_longest() -> None:
    pauses = [RETRIES.pause(tried, timedelta()) for tried in range(1, 7)]

    seconds = [pause and pause.total_seconds() for pause in pauses]
    assert seconds == [10, 20, 40, 60, 60, None]


@given(st.integers(1, 10**9), st.integers(0, 10**9))
def test_no_try_begins_after_the_time(tried: int, spent: int) -> None:
    pause = RETRIES.pause(tried, timedelta(seconds=spent))

    assert pause is None or (
        timedelta(seconds=spent) + pause <= RETRIES.timeout and tried < RETRIES.tries
    )
