"""Rounds of admission leave the processor to others, the more the longer they take."""

import pytest

from tesk_scheduler.usecases.leader_loop import pauses_after

CASES = {
    "without waiting tasks": (0.0, (0.0, 0.0)),
    "a short queue: what has ended makes room at once": (0.005, (0.1, 0.0)),
    "a long queue": (0.03, (0.5, 0.06)),
    "a very long queue: nobody waits for longer than this": (3.0, (0.5, 0.1)),
}


@pytest.mark.parametrize(("seconds", "want"), CASES.values(), ids=CASES)
def test_pauses_follow_the_duration_of_a_round(
    seconds: float, want: tuple[float, float]
) -> None:
    assert pauses_after(seconds) == want
