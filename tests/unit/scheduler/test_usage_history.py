from datetime import timedelta
from math import isclose

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.queues import ALICE, LAB, NOW, using
from tesk_scheduler.domain.quota import EVERYBODY, Amounts, Demand, Subject, Usage
from tesk_scheduler.domain.usage_history import (
    MOST_SUBJECTS,
    History,
    PastUsage,
    charged,
    new_part,
    sampled,
)

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
TWO_CORES = Usage(cpu_millis=2000)


def after(
    history: History,
    usage: dict[Subject, Usage],
    passed: timedelta,
    *,
    half_life: timedelta = DAY,
) -> History:
    """Return the history after a sample."""
    change = sampled(
        history, usage, now=NOW + passed, sample=MINUTE, half_life=half_life
    )
    return change.applied_to(history)


def past(cpu: float, *, used: timedelta = timedelta()) -> PastUsage:
    return PastUsage(
        average=Amounts(cpu_millis=cpu * 1000), sampled_at=NOW, used_at=NOW + used
    )


def test_what_was_used_a_half_life_ago_counts_half() -> None:
    later = after({ALICE: past(8)}, {}, DAY)

    assert later[ALICE].average == Amounts(cpu_millis=4000)
    assert later[ALICE].sampled_at == NOW + DAY
    assert later[ALICE].used_at == NOW


def test_what_is_used_all_the_time_becomes_the_average() -> None:
    later = after({}, {ALICE: TWO_CORES}, timedelta())
    for days in range(1, 40):
        later = after(later, {ALICE: TWO_CORES}, days * DAY)

    assert later[ALICE].average[2] == pytest.approx(2000, rel=1e-6)


@given(
    st.lists(st.integers(min_value=0, max_value=100), max_size=9, unique=True),
    st.floats(min_value=0, max_value=9),
)
def test_any_number_of_samples_in_between_gives_the_same(
    minutes: list[int], cores: float
) -> None:
    usage = {ALICE: Usage(cpu_millis=cores * 1000)}
    many: History = {ALICE: past(3)}
    for minute in sorted(minutes):
        many = after(many, usage, minute * MINUTE)

    once = after({ALICE: past(3)}, usage, 100 * MINUTE)
    many = after(many, usage, 100 * MINUTE)

    assert isclose(many[ALICE].average[2], once[ALICE].average[2], rel_tol=1e-9)


def test_tasks_that_wait_and_what_all_use_are_no_history() -> None:
    usage = {
        ALICE: Usage(queued=9),
        LAB: Usage(queued=9, cpu_millis=1),
        EVERYBODY: using(1),
        ALICE._replace(gpu_type="a100"): Usage(gpu=1),
    }

    later = after({}, usage, timedelta())

    assert set(later) == {LAB}
    assert later[LAB].average[1] == 0


def test_who_has_used_nothing_for_ten_half_lives_is_forgotten() -> None:
    history = {ALICE: past(8)}

    just = after(history, {}, 10 * DAY)
    change = sampled(
        history, {}, now=NOW + 10 * DAY + MINUTE, sample=MINUTE, half_life=DAY
    )

    assert set(just) == {ALICE}
    assert change.forgotten == {ALICE}
    assert change.applied_to(history) == {}


def test_of_too_many_those_who_used_something_last_are_remembered() -> None:
    many = {
        Subject(ALICE.kind, f"user{number}"): past(1, used=-number * MINUTE)
        for number in range(MOST_SUBJECTS + 2)
    }

    change = sampled(many, {}, now=NOW + MINUTE, sample=MINUTE, half_life=100 * DAY)

    assert change.forgotten == {
        Subject(ALICE.kind, f"user{number}")
        for number in (MOST_SUBJECTS, MOST_SUBJECTS + 1)
    }


def test_an_admission_is_charged_at_once_what_a_sample_would_add() -> None:
    demand = Demand(cpu_millis=1000)
    penalty = new_part(MINUTE, DAY)

    change = charged(
        {}, [((ALICE, LAB, EVERYBODY), demand)] * 2, now=NOW, penalty=penalty
    )

    assert set(change.changed) == {ALICE, LAB}
    assert change.changed[ALICE].average == Amounts(
        running=penalty + penalty, cpu_millis=penalty * 1000 + penalty * 1000
    )
    assert 0.0004 < penalty < 0.0005


def test_a_clock_that_was_set_back_makes_nobody_pay() -> None:
    later = after({ALICE: past(8)}, {ALICE: TWO_CORES}, -DAY)

    assert later[ALICE].average == Amounts(cpu_millis=8000)


def test_without_a_half_life_only_the_present_counts() -> None:
    later = after({ALICE: past(8)}, {ALICE: TWO_CORES}, MINUTE, half_life=0 * DAY)

    assert later[ALICE].average == Amounts(cpu_millis=2000)
