import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tesk_model.quantities import GIB, ByteCount
from tesk_scheduler.domain.charging import charged_subjects, demand_of, limit_of
from tesk_scheduler.domain.dimensions import CPU, DISK, RAM
from tesk_scheduler.domain.quota import (
    EVERYBODY,
    Demand,
    Limit,
    Quota,
    Subject,
    SubjectKind,
)

ALICE = Subject(SubjectKind.USER, "alice")
ONE, TWO, THREE = Limit(running=1), Limit(running=2), Limit(running=3)
DEFAULTS = Demand(cpu_millis=1000, ram=ByteCount(2 * GIB), disk=ByteCount(10 * GIB))

GROUPS: dict[str, tuple[tuple[str, ...], dict[str, Limit], str | None]] = {
    "no groups": ((), {"lab": ONE, "*": TWO}, None),
    "no limits on groups": (("lab",), {}, None),
    "first of the owner's that is named": (("a", "b", "c"), {"c": ONE, "b": ONE}, "b"),
    "named beats an earlier one under *": (("a", "b"), {"b": ONE, "*": TWO}, "b"),
    "first at all under *": (("a", "b"), {"x": ONE, "*": TWO}, "a"),
    "none that is named and no *": (("a",), {"x": ONE}, None),
}


@pytest.mark.parametrize(("groups", "limits", "want"), GROUPS.values(), ids=GROUPS)
def test_a_task_is_charged_to_at_most_one_group(
    groups: tuple[str, ...], limits: dict[str, Limit], want: str | None
) -> None:
    subjects = charged_subjects("alice", groups, Quota(groups=limits))

    group = () if want is None else (Subject(SubjectKind.GROUP, want),)
    assert subjects == (ALICE, *group, EVERYBODY)


LIMITS: dict[str, tuple[Subject, Limit]] = {
    "a named user": (ALICE, ONE),
    "a user named without limits": (Subject(SubjectKind.USER, "root"), Limit()),
    "any other user": (Subject(SubjectKind.USER, "bob"), TWO),
    "the user of a service that does not ask": (Subject(SubjectKind.USER, ""), TWO),
    "a named group": (Subject(SubjectKind.GROUP, "lab"), THREE),
    "a group that is not named": (Subject(SubjectKind.GROUP, "alice"), Limit()),
    "everybody": (EVERYBODY, Limit(running=9)),
}


@pytest.mark.parametrize(("subject", "want"), LIMITS.values(), ids=LIMITS)
def test_the_most_specific_limit_counts(subject: Subject, want: Limit) -> None:
    quota = Quota(
        everybody=Limit(running=9),
        users={"alice": ONE, "*": TWO, "root": Limit()},
        groups={"lab": THREE},
    )

    assert limit_of(subject, quota) == want


DEMANDS: dict[str, tuple[dict[str, float], Demand]] = {
    "nothing given": ({}, DEFAULTS),
    "all given": (
        {"cpu_cores": 4, "ram_gb": 1.5, "disk_gb": 100},
        Demand(cpu_millis=4000, ram=ByteCount(3 * GIB // 2), disk=ByteCount(100 * GIB)),
    ),
    "some given": (
        {"cpu_cores": 2},
        Demand(cpu_millis=2000, ram=DEFAULTS[RAM], disk=DEFAULTS[DISK]),
    ),
    "rounded up to a thousandth of a core and a byte": (
        {"cpu_cores": 0.0001, "ram_gb": 1e-12, "disk_gb": 1e-12},
        Demand(cpu_millis=1, ram=ByteCount(1), disk=ByteCount(1)),
    ),
    "not exact in binary": (
        {"cpu_cores": 16.1},
        Demand(cpu_millis=16100, ram=DEFAULTS[RAM], disk=DEFAULTS[DISK]),
    ),
}


@pytest.mark.parametrize(("asked", "want"), DEMANDS.values(), ids=DEMANDS)
def test_a_task_is_charged_what_it_asks_for(
    asked: dict[str, float], want: Demand
) -> None:
    assert demand_of(asked, DEFAULTS) == want


@pytest.mark.parametrize("amount", [-1.0, math.nan, math.inf])
def test_an_impossible_amount_is_refused(amount: float) -> None:
    for name in ("cpu_cores", "ram_gb", "disk_gb"):
        with pytest.raises(ValueError, match="is not a"):
            demand_of({name: amount}, DEFAULTS)


@given(st.integers(min_value=0, max_value=2**31 * 1000))
def test_thousandths_of_a_core_are_exact(millis: int) -> None:
    demand = demand_of({"cpu_cores": millis / 1000}, DEFAULTS)

    assert demand[CPU] == millis
