"""Admission as a whole, played through on a simulated machine."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import example, given
from hypothesis import strategies as st

from simulations.machine import Machine, make_demand
from tesk_model.reasons import Reason, ReasonCode
from tesk_scheduler.domain.admission import (
    AdmissionPlan,
)
from tesk_scheduler.domain.queues import Shape
from tesk_scheduler.domain.quota import (
    Demand,
    Limit,
    Order,
    Quota,
)

MINUTE = timedelta(minutes=1)
GROUPS: dict[str, tuple[str, ...]] = {
    "a": ("g",),
    "b": ("g", "h"),
    "c": ("h",),
    "d": (),
    "": (),
}


BOUNDS = st.none() | st.integers(min_value=0, max_value=8)
LIMITS = st.builds(
    Limit,
    running=st.none() | st.integers(min_value=0, max_value=4),
    cpu_millis=BOUNDS,
    ram=BOUNDS,
    disk=BOUNDS,
)
QUOTAS = st.builds(
    Quota,
    everybody=LIMITS,
    users=st.dictionaries(st.sampled_from(["a", "b", "*"]), LIMITS),
    groups=st.dictionaries(st.sampled_from(["g", "h", "*"]), LIMITS),
    per_task=LIMITS,
    capacity=LIMITS,
    order=st.sampled_from(Order),
    reserve_after=st.sampled_from([0 * MINUTE, 2 * MINUTE]),
)
DEMANDS = st.builds(
    make_demand,
    *(st.integers(min_value=low, max_value=6) for low in (1, 0, 0)),
)
OWNERS = st.sampled_from(sorted(GROUPS))
SUBMIT = st.tuples(OWNERS, DEMANDS)
FINISH = st.integers(min_value=0, max_value=20)
WAIT = st.timedeltas(min_value=timedelta(), max_value=3 * MINUTE)
HISTORIES = st.lists(SUBMIT | FINISH | WAIT, max_size=60)
MACHINES = st.builds(Machine, quota=QUOTAS)


def play(
    machine: Machine, step: tuple[str, Demand] | int | timedelta
) -> AdmissionPlan | None:
    """Take one step; a pause ends with a decision."""
    match step:
        case (owner, demand):
            machine.submit(owner, demand, GROUPS[owner])
        case timedelta():
            machine.now += step
            return machine.admit()
        case int():
            machine.finish(step)
    return None


@given(MACHINES, HISTORIES)
def test_no_limit_is_ever_exceeded_and_the_counters_are_right(
    machine: Machine, history: list[tuple[str, Demand] | int | timedelta]
) -> None:
    for step in history:
        play(machine, step)

        assert machine.exceeded() == []
        assert machine.counters == machine.recount()


@given(MACHINES, HISTORIES)
def test_no_task_passes_an_earlier_one_of_its_owner_and_shape(
    machine: Machine, history: list[tuple[str, Demand] | int | timedelta]
) -> None:
    strict = machine.quota.order is Order.STRICT
    for step in history:
        decision = play(machine, step)

        if decision is None:
            continue
        skipped = {
            task_id
            for task_id, reason in decision.reasons.items()
            if reason.code is ReasonCode.LIMIT_EXCEEDED
        }
        for task in decision.admitted:
            assert not [
                earlier.id
                for earlier in machine.queues[task.owner]
                if earlier.sequence < task.sequence
                and (strict or earlier.shape == task.shape)
                and earlier.id not in skipped
            ]


@given(MACHINES, HISTORIES)
def test_no_task_that_fits_waits_but_for_a_reservation(
    machine: Machine, history: list[tuple[str, Demand] | int | timedelta]
) -> None:
    for step in history:
        decision = play(machine, step)

        if decision is None:
            continue
        waits = decision.memory.waits
        overdue = [
            task_id
            for task_id, since in [*waits.shared.items(), *waits.own.items()]
            if machine.now - since >= machine.quota.reserve_after
        ]
        for queue in machine.queues.values():
            reasons: dict[Shape, Reason] = {}
            for task in queue:
                given = decision.reasons.get(task.id)
                reason = reasons.setdefault(task.shape, given) if given else None
                reason = reason or reasons.get(task.shape)
                if reason is None:
                    # Only in strict order does a task wait for one before it.
                    assert machine.quota.order is Order.STRICT
                    assert reasons
                    continue
                if reason.code is ReasonCode.LIMIT_EXCEEDED:
                    continue
                kept = reason.code is ReasonCode.CAPACITY_RESERVED
                assert kept != bool(machine.exceeded(task))
                assert not kept or any(task_id != task.id for task_id in overdue)


@given(MACHINES, HISTORIES)
def test_planning_again_or_from_shuffled_queues_gives_the_same(
    machine: Machine, history: list[tuple[str, Demand] | int | timedelta]
) -> None:
    for step in history:
        play(machine, step)
    first = machine.plan()

    machine.queues = dict(reversed(machine.queues.items()))

    assert machine.plan() == first


@given(
    streams=st.integers(min_value=1, max_value=4),
    bigs=st.lists(st.integers(min_value=2, max_value=8), min_size=1, max_size=3),
    shared=st.sampled_from(["capacity", "everybody", "group"]),
    finishes=st.lists(FINISH, min_size=20, max_size=20),
)
@example(
    streams=4,
    bigs=[8],
    shared="capacity",
    finishes=[11, 7, 7, 14, 9, 0, 13, 17, 20, 3, 5, 20, 9, 3, 10, 16, 13, 16, 6, 9],
)
def test_big_tasks_start_under_a_stream_of_small_ones(
    streams: int, bigs: list[int], shared: str, finishes: list[int]
) -> None:
    most, reserve_after = 8, 5
    whole = Limit(cpu_millis=most)
    quota = {
        "capacity": Quota(capacity=whole),
        "everybody": Quota(everybody=whole),
        "group": Quota(groups={"g": whole}),
    }[shared]
    machine = Machine(quota=replace(quota, reserve_after=reserve_after * MINUTE))
    flood(machine, streams)
    machine.admit()
    waiting = [
        machine.submit(f"z{number}", make_demand(size), groups=("g",))
        for number, size in enumerate(bigs)
    ]

    # A task of each small owner may have waited as long, and goes before.
    for index in finishes[: reserve_after + most + len(bigs) + streams]:
        flood(machine, streams)
        machine.admit()
        machine.finish(index)
        machine.now += MINUTE
    machine.admit()

    assert [task for task in waiting if task not in machine.started] == []


def flood(machine: Machine, streams: int) -> None:
    """Let no queue of a small task's owner run empty."""
    for owner in (f"s{number}" for number in range(streams)):
        while len(machine.queues.get(owner, ())) < 9:
            machine.submit(owner, make_demand(1), groups=("g",))


@given(
    hogs=st.integers(min_value=1, max_value=5),
    name=st.sampled_from(["a", "h2x", "z"]),
    reserve_after=st.integers(min_value=0, max_value=12),
    before=st.integers(min_value=0, max_value=12),
)
def test_a_newcomer_is_not_starved_by_long_queues_of_big_tasks(
    hogs: int, name: str, reserve_after: int, before: int
) -> None:
    machine = Machine(
        quota=Quota(capacity=Limit(cpu_millis=8), reserve_after=reserve_after * MINUTE)
    )
    for owner in (f"h{number}" for number in range(hogs)):
        for _ in range(30):
            machine.submit(owner, make_demand(8))
    for _ in range(before):
        run_one(machine)
    machine.admit()
    newcomer = machine.submit(name, make_demand(1))

    # The task that runs, and the one of each hog that came to its head before.
    for _ in range(1 + hogs):
        run_one(machine)
    machine.admit()

    assert newcomer in machine.started


def run_one(machine: Machine) -> None:
    """Let a minute pass in which one task ends."""
    machine.admit()
    machine.finish(0)
    machine.now += MINUTE
