"""The names of steps, and what they tell."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tesk_taskmaster.domain.step_names import (
    direction_of,
    outputs_step,
    outputs_tried,
    uses_volume,
)

STEPS = {
    "check": "check",
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
def test_the_name_of_a_step_says_what_its_filer_does(
    step: str, want: str | None
) -> None:
    assert direction_of(step) == want


def test_checks_and_inspections_run_by_themselves() -> None:
    names = ["check", "p0", "p12", "in", "x0", "out", "out-1", "pod"]

    assert [name for name in names if not uses_volume(name)] == names[:3]


@given(st.integers(0, 1000))
def test_tries_are_counted_by_their_names(tried: int) -> None:
    names = [outputs_step(number) for number in range(tried + 1)]

    assert outputs_tried(["in", "x0", *names]) == tried
    assert direction_of(names[-1]) == "outputs"
