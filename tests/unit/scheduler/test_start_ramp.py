"""Taskmasters start gradually."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.scheduler_tasks import NOON
from tesk_scheduler.domain.fleet import Taskmaster
from tesk_scheduler.domain.start_ramp import count_starting, startable_beside


def member(*, seen: bool, age: float = 0) -> Taskmaster:
    """Return a taskmaster that was started so many seconds ago."""
    return Taskmaster(
        id="tm",
        slots=20,
        assigned=20,
        lease_until=NOON,
        seen=seen,
        started_at=NOON - timedelta(seconds=age),
    )


def fleet(*, called: int = 0, starting: int = 0, late: int = 0) -> list[Taskmaster]:
    """Return so many that have called, that start, and that take long to start."""
    return (
        [member(seen=True)] * called
        + [member(seen=False, age=2)] * starting
        + [member(seen=False, age=60)] * late
    )


CASES: dict[str, tuple[list[Taskmaster], int]] = {
    "two at first": (fleet(), 2),
    "one beside one that starts": (fleet(starting=1), 1),
    "none beside two that start": (fleet(starting=2), 0),
    "two more when both have called": (fleet(called=2), 2),
    "half as many as have called": (fleet(called=10), 5),
    "less those that start": (fleet(called=10, starting=3), 2),
    "more of them start than would now": (fleet(called=2, starting=5), 0),
    "one that waits for a node holds up no other": (fleet(late=2), 2),
    "nor is it one that has called": (fleet(called=4, late=8), 2),
}


@pytest.mark.parametrize(("members", "want"), CASES.values(), ids=CASES)
def test_how_many_may_start(members: list[Taskmaster], want: int) -> None:
    assert startable_beside(members, NOON) == want


@given(st.integers(0, 100), st.integers(0, 100), st.integers(0, 100))
def test_a_fleet_that_has_called_always_grows(
    called: int, starting: int, late: int
) -> None:
    members = fleet(called=called, starting=starting, late=late)

    more = startable_beside(members, NOON)

    assert count_starting(members, NOON) == starting
    assert more > 0 or starting
    assert more + starting <= max(2, called / 2, starting)
