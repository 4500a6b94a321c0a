"""What the leader plans about taskmasters."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.scheduler_tasks import NOON
from tesk_scheduler.domain.fleet import Taskmaster
from tesk_scheduler.domain.fleet_plan import (
    ORPHAN_GRACE,
    RETRY_AFTER,
    Disposition,
    FleetMemory,
    FleetPlan,
    Instance,
    Moment,
    ObservedFleet,
    disposition_of,
    plan_fleet,
)

NOW = Moment(time=NOON, monotonic=1000.0)
NODES = "0/3 nodes are available"


def member(
    name: str = "tm-1", *, seen: bool = True, lease: float = 9, age: float = 0
) -> Taskmaster:
    """Return a taskmaster whose lease has so many seconds left."""
    return Taskmaster(
        id=name,
        slots=1,
        assigned=1,
        lease_until=NOON + timedelta(seconds=lease),
        seen=seen,
        started_at=NOON - timedelta(seconds=age),
    )


def instance(
    *, is_alive: bool = False, may_act: bool = False, message: str = ""
) -> Instance:
    """Return what a launcher says; by itself that the taskmaster has ended."""
    return Instance(is_alive=is_alive, may_act=may_act, message=message)


ALIVE = instance(is_alive=True, may_act=True)
STARTING = replace(ALIVE, message=NODES)
UNKNOWN = instance(may_act=True)

DISPOSITIONS: dict[str, tuple[Taskmaster, Instance, Disposition]] = {
    "alive and calling": (member(), ALIVE, Disposition.ADOPT),
    "starting": (member(seen=False), ALIVE, Disposition.ADOPT),
    "alive and silent": (member(lease=0), ALIVE, Disposition.REASSIGN),
    "not up in time": (member(seen=False, lease=0), ALIVE, Disposition.REASSIGN),
    "ended": (member(), instance(message="exit code 1"), Disposition.REASSIGN),
    "gone, but may act": (member(), UNKNOWN, Disposition.CORDON),
    "may act, but its lease is over": (
        member(lease=-1),
        UNKNOWN,
        Disposition.REASSIGN,
    ),
    "never started": (member(seen=False), UNKNOWN, Disposition.START),
    "ended before it called": (
        member(seen=False),
        instance(message="exit code 1"),
        Disposition.REASSIGN,
    ),
    "vanished before it called": (
        member(seen=False),
        instance(may_act=True, message="its pod was deleted"),
        Disposition.REASSIGN,
    ),
}


@pytest.mark.parametrize(
    ("taskmaster", "said", "want"), DISPOSITIONS.values(), ids=DISPOSITIONS
)
def test_disposition(taskmaster: Taskmaster, said: Instance, want: Disposition) -> None:
    assert disposition_of(taskmaster, said, NOON) is want


def observed(
    *pairs: tuple[Taskmaster, Instance],
    orphans: tuple[str, ...] = (),
    ended: tuple[str, ...] = (),
    failure: str = "",
    memory: FleetMemory | None = None,
) -> ObservedFleet:
    """Observe members, and beside them what the store does not know."""
    return ObservedFleet(
        members=[each for each, _ in pairs],
        instances={each.id: said for each, said in pairs},
        alive={each.id for each, said in pairs if said.is_alive} | set(orphans),
        ended=ended,
        failure=failure,
        memory=memory or FleetMemory(),
    )


def after(seconds: float) -> Moment:
    """Return a later moment."""
    return Moment(
        time=NOON + timedelta(seconds=seconds), monotonic=NOW.monotonic + seconds
    )


LOST = member("tm-1")
LAPSED = member("tm-2", lease=-1)

PLANS: dict[str, tuple[ObservedFleet, FleetPlan]] = {
    "nothing is there": (observed(), FleetPlan()),
    "nothing to do until the first lease ends": (
        observed((member("tm-1", lease=20), ALIVE), (member("tm-2"), ALIVE)),
        FleetPlan(adopt=("tm-1", "tm-2"), wait_until=1009.0),
    ),
    "it is not known which are alive": (
        ObservedFleet(alive=None, memory=FleetMemory(cordon=frozenset({"tm-9"}))),
        FleetPlan(cordon=frozenset({"tm-9"}), wait_until=NOW.monotonic + RETRY_AFTER),
    ),
    "a predecessor died before it started one": (
        observed((member(seen=False), UNKNOWN)),
        FleetPlan(start=("tm-1",), wait_until=1009.0),
    ),
    "lost ones are reassigned, in their order": (
        observed((LOST, instance()), (LAPSED, ALIVE)),
        FleetPlan(reassign=(LOST, LAPSED), wait_until=1000.0),
    ),
    "nothing more is ended after one could not be": (
        observed(
            (LOST, instance()),
            (LAPSED, ALIVE),
            (member("tm-3"), ALIVE),
            ended=("tm-9",),
            failure="no answer",
        ),
        FleetPlan(
            adopt=("tm-3",),
            cordon=frozenset({"tm-1", "tm-2"}),
            reasons={"tm-2": "the last one cannot be ended yet: no answer"},
            wait_until=NOW.monotonic + RETRY_AFTER,
        ),
    ),
    "one that is gone but may act gets nothing more": (
        observed((member(), UNKNOWN)),
        FleetPlan(cordon=frozenset({"tm-1"}), wait_until=1009.0),
    ),
    "what ended unknown to the store goes at once, what is alive later": (
        observed((member(), ALIVE), orphans=("tm-8",), ended=("tm-9",)),
        FleetPlan(adopt=("tm-1",), remove=("tm-9",), wait_until=1009.0),
    ),
    "what is left of a known one stays": (
        observed((member(), UNKNOWN), ended=("tm-1",)),
        FleetPlan(cordon=frozenset({"tm-1"}), wait_until=1009.0),
    ),
    "a taskmaster that does not come up is the reason of its tasks": (
        observed((member(seen=False, lease=600), STARTING)),
        FleetPlan(adopt=("tm-1",), reasons={"tm-1": NODES}, wait_until=1015.0),
    ),
}


@pytest.mark.parametrize(("seen", "want"), PLANS.values(), ids=PLANS)
def test_plan(seen: ObservedFleet, want: FleetPlan) -> None:
    plan = plan_fleet(seen, NOW)

    assert replace(plan, memory=FleetMemory()) == want


def test_a_living_orphan_is_removed_after_a_grace() -> None:
    first = plan_fleet(observed(orphans=("tm-8",)), NOW)
    early = plan_fleet(
        observed(orphans=("tm-8",), memory=first.memory), after(ORPHAN_GRACE - 1)
    )
    late = plan_fleet(
        observed(orphans=("tm-8",), memory=early.memory), after(ORPHAN_GRACE)
    )

    assert first.remove == early.remove == ()
    assert first.wait_until == early.wait_until == NOW.monotonic + ORPHAN_GRACE
    assert late.remove == ("tm-8",)


def test_an_orphan_that_was_gone_or_known_meanwhile_has_its_grace_again() -> None:
    first = plan_fleet(observed(orphans=("tm-8",)), NOW)
    known = plan_fleet(
        observed((member("tm-8"), ALIVE), memory=first.memory), after(ORPHAN_GRACE / 2)
    )
    again = plan_fleet(
        observed(orphans=("tm-8",), memory=known.memory), after(ORPHAN_GRACE)
    )

    assert again.remove == ()


def starting(message: str, memory: FleetMemory | None = None) -> ObservedFleet:
    """Observe one that does not come up; "": it does not say why."""
    return observed(
        (member(seen=False, lease=600), replace(ALIVE, message=message)), memory=memory
    )


def test_a_reason_that_stays_is_told_again_once_a_second_at_most() -> None:
    first = plan_fleet(starting(NODES), NOW)
    at_once = plan_fleet(starting(NODES, first.memory), after(0.5))
    later = plan_fleet(starting(NODES, at_once.memory), after(1))

    assert first.reasons == later.reasons == {"tm-1": NODES}
    assert at_once.reasons == {}
    assert at_once.wait_until == NOW.monotonic + 1.5


def test_a_reason_that_changes_is_told_at_once_and_taken_back_once() -> None:
    first = plan_fleet(starting(NODES), NOW)
    changed = plan_fleet(starting("ErrImagePull", first.memory), after(0.1))
    over = plan_fleet(starting("", changed.memory), after(0.2))
    silent = plan_fleet(starting("", over.memory), after(2))

    assert changed.reasons == {"tm-1": "ErrImagePull"}
    assert over.reasons == {"tm-1": ""}
    assert silent.reasons == {}


INSTANCES = st.builds(
    Instance,
    is_alive=st.booleans(),
    may_act=st.booleans(),
    message=st.sampled_from(["", "x"]),
)
MEMBERS = st.builds(member, seen=st.booleans(), lease=st.integers(-5, 5))
NAMES = st.sampled_from(["tm-0", "tm-1", "tm-2", "tm-8", "tm-9"])
MEMORIES = st.builds(
    FleetMemory,
    cordon=st.frozensets(NAMES),
    orphans=st.dictionaries(NAMES, st.floats(900, 1000)),
    messages=st.dictionaries(NAMES, st.sampled_from(["", "x"])),
    reported_at=st.floats(990, 1000),
)
OBSERVED = st.builds(
    lambda pairs, orphans, ended, failure, memory: observed(
        *((replace(each, id=f"tm-{n}"), said) for n, (each, said) in enumerate(pairs)),
        orphans=tuple(orphans),
        ended=tuple(ended),
        failure=failure,
        memory=memory,
    ),
    st.lists(st.tuples(MEMBERS, INSTANCES), max_size=4),
    st.sets(st.sampled_from(["tm-8", "tm-9"])),
    st.sets(NAMES),
    st.sampled_from(["", "no answer"]),
    MEMORIES,
)


@given(OBSERVED)
def test_each_member_has_one_place_in_a_plan(seen: ObservedFleet) -> None:
    plan = plan_fleet(seen, NOW)

    lost = [each.id for each in plan.reassign]
    placed = [*plan.start, *plan.adopt, *plan.cordon, *lost]
    assert sorted(placed) == sorted(each.id for each in seen.members)
    assert len(set(plan.remove)) == len(plan.remove)


@given(OBSERVED)
def test_attempts_are_reassigned_only_from_those_that_cannot_act(
    seen: ObservedFleet,
) -> None:
    for lost in plan_fleet(seen, NOW).reassign:
        said = seen.instances[lost.id]
        has_ended = not said.is_alive and not said.may_act
        never_acted = not lost.seen and not said.is_alive
        assert lost.lease_until <= NOON or has_ended or never_acted


@given(OBSERVED)
def test_only_missing_members_are_started(seen: ObservedFleet) -> None:
    plan = plan_fleet(seen, NOW)

    by_id = {each.id: each for each in seen.members}
    for name in plan.start:
        assert not seen.instances[name].is_alive
        assert not by_id[name].seen
        assert by_id[name].lease_until > NOON


@given(OBSERVED)
def test_only_orphans_are_removed_and_none_after_a_failure(
    seen: ObservedFleet,
) -> None:
    plan = plan_fleet(seen, NOW)

    assert not {each.id for each in seen.members} & set(plan.remove)
    if seen.failure:
        assert not plan.remove
        assert not plan.reassign


@given(OBSERVED)
def test_the_next_plan_comes_before_any_lease_or_grace_ends(
    seen: ObservedFleet,
) -> None:
    plan = plan_fleet(seen, NOW)

    if seen.members and not seen.failure:
        assert plan.wait_until is not None
        for each in seen.members:
            left = max(0.0, (each.lease_until - NOON).total_seconds())
            assert plan.wait_until <= NOW.monotonic + left


@given(OBSERVED)
def test_the_same_is_planned_again_while_nothing_changes(seen: ObservedFleet) -> None:
    first = plan_fleet(seen, NOW)
    again = plan_fleet(replace(seen, memory=first.memory), NOW)

    assert again == replace(
        first, reasons=again.reasons, wait_until=again.wait_until, memory=again.memory
    )
    assert plan_fleet(replace(seen, memory=again.memory), NOW) == again
