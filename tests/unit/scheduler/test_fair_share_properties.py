"""Fairness as a whole: the policy against a slow model, and what it promises."""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from builders.queues import NOW
from simulations.machine import Machine, make_demand
from simulations.slow_admission import slow_admissions
from tesk_model.task import TaskId
from tesk_scheduler.domain.admission import AdmissionMemory, plan_admissions
from tesk_scheduler.domain.charging import subjects_of
from tesk_scheduler.domain.queues import QueuedTask
from tesk_scheduler.domain.quota import (
    EVERYBODY,
    Demand,
    FairShare,
    Limit,
    Order,
    Quota,
    Share,
    Subject,
    SubjectKind,
    Usage,
)
from tesk_scheduler.domain.usage_history import PastUsage

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
OWNERS = ["a", "b", "c", "d"]
GROUPS = ["g", "h"]

# Numbers whose products and quotients are exact in binary, so that the order of
# equal costs is that of the exact model.
HALF_FORGOTTEN = FairShare(
    half_life=HOUR, sample=HOUR, resources={"cpu_millis": 1, "ram": 1, "disk": 0.5}
)
POWERS = st.sampled_from([4, 8, 16])
CAPACITIES = st.builds(Limit, cpu_millis=POWERS, ram=POWERS, disk=POWERS)
BOUNDS = st.none() | st.integers(min_value=0, max_value=8)
LIMITS = st.builds(Limit, running=BOUNDS, cpu_millis=BOUNDS, ram=BOUNDS, disk=BOUNDS)
SHARES = st.builds(Share, weight=st.sampled_from([0, 0.5, 1, 2, 4]))
SUBJECTS = st.builds(
    Subject, st.just(SubjectKind.USER), st.sampled_from([*OWNERS, "*"])
) | st.builds(Subject, st.just(SubjectKind.GROUP), st.sampled_from([*GROUPS, "*"]))
QUOTAS = st.builds(
    Quota,
    users=st.dictionaries(st.sampled_from([*OWNERS, "*"]), LIMITS),
    groups=st.dictionaries(st.sampled_from([*GROUPS, "*"]), LIMITS),
    shares=st.dictionaries(SUBJECTS, SHARES),
    capacity=CAPACITIES,
    order=st.sampled_from(Order),
    fair_share=st.just(HALF_FORGOTTEN),
)
DEMANDS = st.builds(
    make_demand,
    *(st.integers(min_value=low, max_value=4) for low in (1, 0, 0)),
)
TASKS = st.tuples(
    st.sampled_from(OWNERS),
    st.sampled_from([None, *GROUPS]),
    DEMANDS,
    st.sampled_from([-100, 0, 100]),
)
AMOUNTS = st.builds(
    Usage,
    cpu_millis=st.integers(min_value=0, max_value=4),
    ram=st.integers(min_value=0, max_value=4),
)
USES = st.dictionaries(
    st.sampled_from(
        [subject for owner in OWNERS for subject in subjects_of(owner, "g")]
    ),
    AMOUNTS,
)


def queues_of(
    submitted: Sequence[tuple[str, str | None, Demand, int]],
) -> list[list[QueuedTask]]:
    queues: dict[str, list[QueuedTask]] = {}
    for number, (owner, group, demand, priority) in enumerate(submitted):
        queues.setdefault(owner, []).append(
            QueuedTask(
                id=TaskId(f"t{number}"),
                sequence=number,
                owner=owner,
                subjects=subjects_of(owner, group),
                demand=demand,
                queued_at=NOW,
                priority=priority,
            )
        )
    for queue in queues.values():
        queue.sort(key=lambda task: (-task.priority, task.sequence))
    return list(queues.values())


@given(quota=QUOTAS, submitted=st.lists(TASKS, max_size=12), usage=USES, past=USES)
def test_the_plan_is_that_of_a_model_that_looks_at_each_task_anew(
    quota: Quota,
    submitted: list[tuple[str, str | None, Demand, int]],
    usage: dict[Subject, Usage],
    past: dict[Subject, Usage],
) -> None:
    queues = queues_of(submitted)
    past = {each: used for each, used in past.items() if each != EVERYBODY}

    plan = plan_admissions(
        queues=queues,
        usage=usage,
        history={
            subject: PastUsage(average=used, sampled_at=NOW, used_at=NOW)
            for subject, used in past.items()
        },
        quota=quota,
        now=NOW,
        memory=AdmissionMemory(),
    )

    slow = slow_admissions(
        queues, usage=usage, past=past, penalty=Fraction(1, 2), quota=quota
    )
    assert [task.id for task in plan.admitted] == [task.id for task in slow]


FORGETS_NOTHING_SOON = FairShare(half_life=timedelta(days=100_000))
FINISHES = st.lists(
    st.lists(st.integers(min_value=0, max_value=20), max_size=4), max_size=20
)


def contended(
    weights: dict[str, float], places: int, tasks: int, *, fair_share: FairShare
) -> Machine:
    """Return a machine on which every owner has more tasks than can run."""
    machine = Machine(
        quota=Quota(
            capacity=Limit(cpu_millis=places),
            fair_share=fair_share,
            shares={
                Subject(SubjectKind.USER, owner): Share(weight=weight)
                for owner, weight in weights.items()
            },
        )
    )
    for owner in weights:
        for _ in range(tasks):
            machine.submit(owner, make_demand(1))
    return machine


@given(
    weights=st.lists(st.sampled_from([0.5, 1, 2, 3]), min_size=1, max_size=4),
    places=st.integers(min_value=1, max_value=9),
    finishes=FINISHES,
)
def test_what_runs_is_in_proportion_to_weights_to_within_one_task(
    weights: list[float], places: int, finishes: list[list[int]]
) -> None:
    by_owner = {f"owner{number}": weight for number, weight in enumerate(weights)}
    machine = contended(by_owner, places, places + 80, fair_share=FORGETS_NOTHING_SOON)

    for group in [[], *finishes]:
        for index in group:
            machine.finish(index)
        machine.admit()

        running = Counter(task.owner for task in machine.running)
        assert len(machine.running) == places
        for one, weight in by_owner.items():
            for other, other_weight in by_owner.items():
                most = (running[other] + 1) / other_weight
                assert running[one] / weight <= most + 1e-6


@given(
    owners=st.integers(min_value=1, max_value=5),
    places=st.integers(min_value=1, max_value=9),
    finishes=FINISHES,
)
def test_with_equal_weights_shares_are_equal_to_within_one_task(
    owners: int, places: int, finishes: list[list[int]]
) -> None:
    names = [f"owner{number}" for number in range(owners)]
    machine = contended(
        dict.fromkeys(names, 1), places, places + 80, fair_share=FORGETS_NOTHING_SOON
    )

    for group in [[], *finishes]:
        for index in group:
            machine.finish(index)
        machine.admit()

        running = Counter(task.owner for task in machine.running)
        counts = [running[name] for name in names]
        assert max(counts) - min(counts) <= 1


def keep_busy(machine: Machine, owner: str, demand: Demand, most: int) -> None:
    """Let an owner have as many tasks as could start at once."""
    while len(machine.queues.get(owner, ())) < most:
        machine.submit(owner, demand)


@settings(max_examples=20, deadline=None)
@given(
    owners=st.integers(min_value=2, max_value=5),
    places=st.integers(min_value=1, max_value=4),
)
def test_over_time_owners_share_even_one_place(owners: int, places: int) -> None:
    names = [f"owner{number}" for number in range(owners)]
    machine = contended(
        dict.fromkeys(names, 1), places, 0, fair_share=FairShare(half_life=24 * HOUR)
    )

    rounds = 20 * owners
    for _ in range(rounds):
        for owner in names:
            keep_busy(machine, owner, make_demand(1), places)
        machine.admit()
        machine.now += MINUTE
        machine.sample()
        while machine.running:
            machine.finish(0)

    started = Counter(task.owner for task in machine.started)
    counts = [started[name] for name in names]
    assert max(counts) - min(counts) <= 1


@settings(max_examples=20, deadline=None)
@given(
    weights=st.lists(st.sampled_from([0.1, 1, 10]), min_size=2, max_size=4),
    sizes=st.lists(st.integers(min_value=1, max_value=8), min_size=4, max_size=4),
    places=st.sampled_from([8, 12]),
)
def test_every_owner_with_a_weight_goes_on(
    weights: list[float], sizes: list[int], places: int
) -> None:
    by_owner = {f"owner{number}": each for number, each in enumerate(weights)}
    machine = contended(by_owner, places, 0, fair_share=FairShare(half_life=HOUR))

    for _ in range(200):
        for owner, size in zip(by_owner, sizes, strict=False):
            keep_busy(machine, owner, make_demand(size), places)
        machine.admit()
        machine.finish(0)
        machine.now += MINUTE
        machine.sample()

    assert {task.owner for task in machine.started} == set(by_owner)


@given(
    lie=st.sampled_from([0, 100, 200, 300]),
    others=st.integers(min_value=1, max_value=4),
    places=st.integers(min_value=1, max_value=30),
    finishes=FINISHES,
)
def test_a_priority_gains_a_bounded_multiple_of_the_share_of_others(
    lie: int, others: int, places: int, finishes: list[list[int]]
) -> None:
    names = [f"owner{number}" for number in range(others)]
    machine = contended(
        dict.fromkeys(names, 1), places, places + 80, fair_share=FORGETS_NOTHING_SOON
    )
    for _ in range(places + 80):
        machine.submit("liar", make_demand(1), priority=lie)

    for group in [[], *finishes]:
        for index in group:
            machine.finish(index)
        machine.admit()

        running = Counter(task.owner for task in machine.running)
        for name in names:
            assert running["liar"] <= (running[name] + 1) * 2 ** (lie / 100) + 1e-6


@given(
    submitted=st.lists(
        st.tuples(DEMANDS, st.sampled_from([-5, 0, 100])), min_size=1, max_size=20
    ),
    order=st.sampled_from(Order),
    finishes=FINISHES,
)
def test_tasks_of_one_owner_and_shape_start_by_priority_and_then_by_arrival(
    submitted: list[tuple[Demand, int]], order: Order, finishes: list[list[int]]
) -> None:
    machine = Machine(quota=Quota(capacity=Limit(cpu_millis=6, ram=6), order=order))
    for demand, priority in submitted:
        machine.submit("alice", demand, priority=priority)

    for group in [[], *finishes]:
        machine.admit()
        for index in group:
            machine.finish(index)

    started = [(task.shape, -task.priority, task.sequence) for task in machine.started]
    if order is Order.BEST_EFFORT:
        started.sort(key=lambda each: each[0])
        assert started == sorted(started)
    else:
        assert [each[1:] for each in started] == sorted(each[1:] for each in started)


@given(
    users=st.integers(min_value=1, max_value=6),
    places=st.integers(min_value=2, max_value=16),
)
def test_a_group_with_a_share_gets_it_however_many_users_it_has(
    users: int, places: int
) -> None:
    lab = Subject(SubjectKind.GROUP, "lab")
    machine = Machine(
        quota=Quota(
            capacity=Limit(cpu_millis=places),
            groups={"lab": Limit()},
            shares={lab: Share(weight=1)},
        )
    )
    for number in range(users):
        for _ in range(places):
            machine.submit(f"user{number}", make_demand(1), groups=("lab",))
    for _ in range(places):
        machine.submit("alone", make_demand(1))

    machine.admit()

    alone = sum(task.owner == "alone" for task in machine.running)
    assert abs(alone - (places - alone)) <= 1
    inside = Counter(task.owner for task in machine.running if task.owner != "alone")
    counts = [inside[f"user{number}"] for number in range(users)]
    assert max(counts) - min(counts) <= 1
