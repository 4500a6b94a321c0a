"""Guaranteed shares, borrowing and lending, against a slow and obvious model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tesk_model.reasons import ReasonCode
from tesk_scheduler.domain.charging import charged_subjects, limit_of
from tesk_scheduler.domain.dimensions import CPU, GPU, RUNNING
from tesk_scheduler.domain.limits import fit_problems, most_of_one
from tesk_scheduler.domain.quota import (
    EVERYBODY,
    Amounts,
    Demand,
    Limit,
    Quota,
    Share,
    Subject,
    SubjectKind,
    Usage,
)
from tesk_scheduler.domain.room import Room

USERS, GROUPS = ("ann", "bob", "eve"), ("lab", "team")
TOTAL = Limit(cpu_millis=20, gpu=4)
DIMENSIONS = (RUNNING, CPU, GPU)


def user(name: str) -> Subject:
    return Subject(SubjectKind.USER, name)


def group(name: str) -> Subject:
    return Subject(SubjectKind.GROUP, name)


@dataclass
class Model:
    """Counts all from the tasks that run, each time anew."""

    quota: Quota
    running: list[tuple[tuple[Subject, ...], Demand]] = field(default_factory=list)

    def used(self, subject: Subject) -> Amounts:
        total = Amounts()
        for subjects, demand in self.running:
            if subject in subjects:
                total = total.plus(demand)
        return total

    def kept_from(self, subjects: Sequence[Subject], dimension: int) -> float:
        """Add up what each other subject has been promised and does not use."""
        kept = 0.0
        for subject, share in self.quota.shares.items():
            if subject not in subjects:
                own = max(0, share.guaranteed[dimension] - share.lending[dimension])
                kept += max(0, own - self.used(subject)[dimension])
        return kept

    def fits(self, subjects: Sequence[Subject], demand: Demand) -> bool:
        for dimension in map(int, (each.index for each in DIMENSIONS)):
            asked = demand[dimension]
            if not asked:
                continue
            for subject in subjects:
                share = self.quota.shares.get(subject, Share())
                most = min(
                    limit_of(subject, self.quota)[dimension],
                    share.guaranteed[dimension] + share.borrowing[dimension],
                )
                if self.used(subject)[dimension] + asked > most:
                    return False
            held = self.kept_from(subjects, dimension)
            in_use = self.used(EVERYBODY)[dimension]
            if in_use + held + asked > self.quota.capacity[dimension]:
                return False
        return True

    def usage(self) -> Mapping[Subject, Usage]:
        subjects = {each for charged, _ in self.running for each in charged}
        return {each: Usage.of(self.used(each)) for each in subjects}


@st.composite
def shares(draw: st.DrawFn) -> Share:
    cpu, gpu = draw(st.integers(0, 10)), draw(st.integers(0, 3))
    maybe = st.one_of(st.none(), st.integers(0, 8))
    return Share(
        guaranteed=Amounts(cpu_millis=cpu, gpu=gpu),
        borrowing=Limit(
            cpu_millis=draw(maybe) if cpu else None, gpu=draw(maybe) if gpu else None
        ),
        lending=Limit(
            cpu_millis=draw(st.one_of(st.none(), st.integers(0, cpu))),
            gpu=draw(st.one_of(st.none(), st.integers(0, gpu))),
        ),
    )


QUOTAS = st.builds(
    lambda users, groups: Quota(
        capacity=TOTAL,
        groups={name: Limit() for name in GROUPS},
        shares={
            **{user(name): share for name, share in users.items()},
            **{group(name): share for name, share in groups.items()},
        },
    ),
    st.dictionaries(st.sampled_from(USERS), shares(), max_size=2),
    st.dictionaries(st.sampled_from(GROUPS), shares(), max_size=2),
)
TASKS = st.lists(
    st.tuples(
        st.sampled_from(USERS),
        st.sampled_from([(), *((name,) for name in GROUPS)]),
        st.builds(Demand, cpu_millis=st.integers(0, 8), gpu=st.integers(0, 2)),
    ),
    max_size=25,
)


@given(QUOTAS, TASKS)
def test_what_fits_is_what_the_model_lets_in(
    quota: Quota, tasks: list[tuple[str, tuple[str, ...], Demand]]
) -> None:
    model, room = Model(quota), Room({}, quota)

    for owner, groups, demand in tasks:
        subjects = charged_subjects(owner, groups, quota)
        fits = model.fits(subjects, demand)
        assert (Room(model.usage(), quota).blocker(subjects, demand) is None) == fits
        # The room of a whole plan remembers refusals, and must be right about them.
        assert (room.blocker(subjects, demand) is None) == fits
        if fits:
            room.take(subjects, demand)
            model.running.append((subjects, demand))


@given(QUOTAS, TASKS)
def test_what_can_never_run_does_not_fit_whatever_runs(
    quota: Quota, tasks: list[tuple[str, tuple[str, ...], Demand]]
) -> None:
    model = Model(quota)

    for owner, groups, demand in tasks:
        subjects = charged_subjects(owner, groups, quota)
        fits = model.fits(subjects, demand)
        can_run = demand.fits(most_of_one(subjects, quota))
        assert can_run == (fit_problems(demand, subjects, quota) == [])
        assert can_run or not fits
        if fits:
            model.running.append((subjects, demand))


@given(QUOTAS, TASKS)
def test_what_is_kept_can_be_had_at_any_time(
    quota: Quota, tasks: list[tuple[str, tuple[str, ...], Demand]]
) -> None:
    kept = sum(share.kept[CPU] for share in quota.shares.values())
    kept_gpus = sum(share.kept[GPU] for share in quota.shares.values())
    if kept > TOTAL[CPU] or kept_gpus > TOTAL[GPU]:
        return  # more was promised than there is
    model = Model(quota)
    for owner, groups, demand in tasks:
        subjects = charged_subjects(owner, groups, quota)
        if model.fits(subjects, demand):
            model.running.append((subjects, demand))

    for subject, share in quota.shares.items():
        if subject.kind is SubjectKind.USER:
            free = share.kept.plus(model.used(subject), times=-1)
            small = Demand(cpu_millis=min(1, max(0, free[CPU])))
            assert free[CPU] < 1 or model.fits((subject, EVERYBODY), small)


LAB = group("lab")
LENDS_NOTHING = Quota(
    capacity=Limit(cpu_millis=10_000),
    groups={"lab": Limit()},
    shares={
        LAB: Share(
            guaranteed=Amounts(cpu_millis=6000),
            borrowing=Limit(cpu_millis=1000),
            lending=Limit(cpu_millis=2000),
        )
    },
)
OF_LAB = (user("ann"), LAB, EVERYBODY)
OF_OTHERS = (user("bob"), EVERYBODY)


def test_what_is_kept_is_told_to_those_who_wait_for_it() -> None:
    room = Room({}, LENDS_NOTHING)

    assert room.blocker(OF_OTHERS, Demand(cpu_millis=6000)) is None
    blocker = room.blocker(OF_OTHERS, Demand(cpu_millis=7000))

    assert blocker is not None
    assert blocker.shared
    assert blocker.reason.code is ReasonCode.GUARANTEE_KEPT
    assert blocker.reason.text == (
        "waiting for 7 cpu: 10 free, of which 4 are kept for guaranteed shares of others"
    )


def test_borrowing_bounds_what_is_above_the_guarantee() -> None:
    room = Room({}, LENDS_NOTHING)

    assert room.blocker(OF_LAB, Demand(cpu_millis=7000)) is None
    blocker = room.blocker(OF_LAB, Demand(cpu_millis=7001))

    assert blocker is not None
    assert blocker.reason.text.startswith("group lab: 0 of 7 cpu in use")


FITS: dict[str, tuple[float, Demand, bool]] = {
    "within": (0, Demand(cpu_millis=6000), True),
    "beyond": (0, Demand(cpu_millis=6001), False),
    "beyond with what is in use": (5500, Demand(cpu_millis=501), False),
    "something that is not guaranteed": (0, Demand(ram=5), False),
    "more of what is not guaranteed": (0, Demand(cpu_millis=1, ram=2**40), True),
}


@pytest.mark.parametrize(("used", "demand", "want"), FITS.values(), ids=FITS)
def test_a_task_fits_the_guarantee_of_its_group(
    used: float, demand: Demand, want: bool
) -> None:
    room = Room({LAB: Usage(cpu_millis=used)}, LENDS_NOTHING)

    assert room.fits_guaranteed(OF_LAB, demand) is want
    assert not room.fits_guaranteed(OF_OTHERS, demand)


def test_what_starts_uses_the_guarantee_up() -> None:
    room = Room({}, LENDS_NOTHING)

    room.take(OF_LAB, Demand(cpu_millis=4000))

    assert room.fits_guaranteed(OF_LAB, Demand(cpu_millis=2000))
    assert not room.fits_guaranteed(OF_LAB, Demand(cpu_millis=2001))
    assert room.blocker(OF_OTHERS, Demand(cpu_millis=6000)) is None
