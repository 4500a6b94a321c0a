"""Attempts go to taskmasters with room, and few of them."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.scheduler_tasks import NOON
from tesk_scheduler.domain.fleet import (
    FleetLimits,
    Taskmaster,
    free_slots,
    plan_dedicated,
    plan_placements,
    startable,
)


def limits(taskmasters: int) -> FleetLimits:
    """Allow so many taskmasters of 2 slots each."""
    return FleetLimits(
        taskmasters=taskmasters,
        tasks_per_taskmaster=2,
        start_timeout=timedelta(1),
        takeovers=5,
    )


def member(name: str, *, slots: int = 2, assigned: int = 0, age: int = 0) -> Taskmaster:
    """Return a taskmaster that lives."""
    return Taskmaster(
        id=name,
        slots=slots,
        assigned=assigned,
        lease_until=NOON,
        seen=True,
        started_at=NOON - timedelta(seconds=age),
    )


CASES: dict[str, tuple[int, list[Taskmaster], int, list[str | int]]] = {
    "the first starts a taskmaster": (1, [], 3, [0]),
    "each is filled before the next": (5, [], 3, [0, 0, 1, 1, 2]),
    "existing taskmasters come first": (3, [member("a", assigned=1)], 2, ["a", 0, 0]),
    "the oldest first": (
        2,
        [member("new", assigned=1), member("old", assigned=1, age=5)],
        2,
        ["old", "new"],
    ),
    "no more than there may be": (9, [member("a")], 2, ["a", "a", 0, 0]),
    "draining ones take nothing": (1, [member("a", slots=0)], 1, []),
    "more assigned than slots": (1, [member("a", slots=1, assigned=2)], 1, []),
    "nothing to place": (0, [member("a")], 2, []),
}


@pytest.mark.parametrize(("count", "fleet", "most", "want"), CASES.values(), ids=CASES)
def test_places(
    count: int, fleet: list[Taskmaster], most: int, want: list[str | int]
) -> None:
    assert plan_placements(count, fleet, limits(most)) == want


OWN: dict[str, tuple[int, list[Taskmaster], int, list[str | int]]] = {
    "a new one for each": (2, [], 3, [0, 1]),
    "those without attempts first": (
        2,
        [member("idle", age=1), member("busy", assigned=1)],
        3,
        ["idle", 0],
    ),
    "never one that has an attempt": (1, [member("busy", assigned=1)], 1, []),
    "never one that drains": (1, [member("a", slots=0)], 1, []),
    "nor another's": (1, [replace(member("a"), dedicated=True)], 1, []),
}


@pytest.mark.parametrize(("count", "fleet", "most", "want"), OWN.values(), ids=OWN)
def test_places_of_attempts_that_share_with_nobody(
    count: int, fleet: list[Taskmaster], most: int, want: list[str | int]
) -> None:
    assert plan_dedicated(count, fleet, limits(most)) == want


def test_a_dedicated_taskmaster_takes_nothing_else() -> None:
    fleet = [replace(member("a"), dedicated=True, assigned=1)]

    assert plan_placements(1, fleet, limits(1)) == []
    assert free_slots(fleet, limits(1)) == 0


FLEETS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), max_size=5).map(
    lambda pairs: [
        member(f"tm-{number}", slots=slots, assigned=assigned)
        for number, (slots, assigned) in enumerate(pairs)
    ]
)


@given(count=st.integers(0, 30), fleet=FLEETS, most=st.integers(1, 6))
def test_all_room_is_used_and_no_more(
    count: int, fleet: list[Taskmaster], most: int
) -> None:
    places = plan_placements(count, fleet, limits(most))

    assert len(places) == min(count, free_slots(fleet, limits(most)))
    assert all(places.count(each.id) <= each.free for each in fleet)
    new = {place for place in places if isinstance(place, int)}
    assert all(places.count(number) <= 2 for number in new)
    assert not new or len(fleet) + len(new) <= most


STARTABLE: dict[str, tuple[list[str], int]] = {
    "an empty fleet": ([], 3),
    "those of this revision count": (["new", "new"], 1),
    "no more than there may be": (["new", "new", "new", "new"], 0),
    "those of earlier ones do not count": (["old", "old", "old"], 3),
    "but not without end": (["older", "older", "old", "old", "old"], 1),
    "twice as many at most": (["old"] * 7, 0),
}


@pytest.mark.parametrize(("fleet", "want"), STARTABLE.values(), ids=STARTABLE)
def test_startable_taskmasters(fleet: list[str], want: int) -> None:
    members = [
        replace(member(f"tm-{number}"), revision=revision)
        for number, revision in enumerate(fleet)
    ]

    assert startable(members, limits(3), "new") == want
