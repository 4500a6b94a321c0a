"""Whose task is next: examples of dominant shares."""

from dataclasses import replace

import pytest

from builders.queues import ALICE, LAB, NOW, admitted, cores, plan, queued, using
from tesk_model.quantities import GIB, ByteCount
from tesk_scheduler.domain.quota import (
    EVERYBODY,
    Amounts,
    FairShare,
    Limit,
    Quota,
    Share,
    Subject,
    SubjectKind,
)
from tesk_scheduler.domain.usage_history import PastUsage

BOB = Subject(SubjectKind.USER, "bob")
NINE_CORES = Limit(cpu_millis=9000, ram=ByteCount(18 * GIB))


def test_of_two_resources_the_one_that_an_owner_needs_most_counts() -> None:
    # The example of the paper: 9 cores and 18 GiB.
    decision = plan(
        [queued(f"alice-{number}", cpu=1, ram=4) for number in range(1, 9)],
        [queued(f"bob-{number}", cpu=3, ram=1) for number in range(1, 9)],
        quota=Quota(capacity=NINE_CORES),
    )

    assert sorted(admitted(decision)) == [
        *(f"alice-{number}" for number in (1, 2, 3)),
        *(f"bob-{number}" for number in (1, 2)),
    ]


def test_a_large_task_does_not_come_before_small_ones() -> None:
    decision = plan(
        [queued("alice-1", cpu=4)],
        [queued("bob-2"), queued("bob-3")],
        quota=Quota(capacity=cores(9)),
    )

    assert admitted(decision) == ["bob-2", "bob-3", "alice-1"]


def test_a_weight_of_two_gives_two_tasks_for_one() -> None:
    decision = plan(
        [queued(f"alice-{number}") for number in range(9)],
        [queued(f"bob-{number}") for number in range(9)],
        quota=Quota(capacity=cores(6), shares={BOB: Share(weight=2)}),
    )

    assert sorted(admitted(decision)) == ["alice-0", "alice-1"] + [
        f"bob-{number}" for number in range(4)
    ]


def test_a_weight_of_zero_comes_last() -> None:
    decision = plan(
        [queued("alice-1")],
        [queued("bob-2"), queued("bob-3")],
        quota=Quota(capacity=cores(3), shares={ALICE: Share(weight=0)}),
    )

    assert admitted(decision) == ["bob-2", "bob-3", "alice-1"]


def test_what_is_guaranteed_comes_before_what_costs_less() -> None:
    decision = plan(
        [queued("alice-1")],
        [queued("bob-2"), queued("bob-3")],
        quota=Quota(
            capacity=cores(9),
            shares={BOB: Share(guaranteed=Amounts(cpu_millis=5000))},
        ),
        usage={BOB: using(4), EVERYBODY: using(4)},
    )

    assert admitted(decision) == ["bob-2", "alice-1", "bob-3"]


def test_who_used_much_before_is_behind_until_others_have_caught_up() -> None:
    used = PastUsage(average=Amounts(cpu_millis=2500), sampled_at=NOW, used_at=NOW)

    decision = plan(
        [queued(f"alice-{number}") for number in range(9)],
        [queued(f"bob-{number}") for number in range(9)],
        quota=Quota(capacity=cores(4)),
        history={ALICE: used},
    )

    assert admitted(decision) == ["bob-0", "bob-1", "bob-2", "alice-0"]


def test_a_priority_of_100_halves_the_cost() -> None:
    decision = plan(
        [queued(f"alice-{number}") for number in range(9)],
        [queued(f"bob-{number}", priority=100) for number in range(9)],
        quota=Quota(capacity=cores(6)),
    )

    assert sorted(admitted(decision)) == ["alice-0", "alice-1"] + [
        f"bob-{number}" for number in range(4)
    ]


GROUP_SHARES: dict[str, tuple[dict[Subject, Share], list[str]]] = {
    "no share": ({}, ["alice-1", "bob-3", "zoe-5", "alice-2"]),
    "a share": ({LAB: Share()}, ["alice-1", "zoe-5", "bob-3", "zoe-6"]),
}


@pytest.mark.parametrize(
    ("shares", "want"), GROUP_SHARES.values(), ids=list(GROUP_SHARES)
)
def test_a_group_competes_as_one_if_the_quota_has_a_share_for_it(
    shares: dict[Subject, Share], want: list[str]
) -> None:
    decision = plan(
        [queued("alice-1", group="lab"), queued("alice-2", group="lab")],
        [queued("bob-3", group="lab"), queued("bob-4", group="lab")],
        [queued("zoe-5"), queued("zoe-6")],
        quota=Quota(capacity=cores(4), groups={"lab": Limit()}, shares=shares),
    )

    assert admitted(decision) == want


def test_without_a_capacity_shares_are_relative_to_what_is_asked_for() -> None:
    decision = plan(
        [queued("alice-1", cpu=8), queued("alice-2", cpu=8)],
        [queued("bob-3"), queued("bob-4"), queued("bob-5")],
        quota=Quota(everybody=Limit(running=4)),
    )

    assert admitted(decision) == ["bob-3", "bob-4", "bob-5", "alice-1"]


def test_without_fair_share_all_owners_are_one_queue() -> None:
    quota = Quota(fair_share=FairShare(is_enabled=False), capacity=cores(3))

    decision = plan(
        [queued("alice-1"), queued("alice-2"), queued("alice-5")],
        [queued("bob-3"), queued("bob-4")],
        quota=quota,
    )
    with_priority = plan(
        [queued("alice-5", priority=100), queued("alice-1")],
        [queued("bob-3")],
        quota=replace(quota, capacity=cores(1)),
    )

    assert admitted(decision) == ["alice-1", "alice-2", "bob-3"]
    assert admitted(with_priority) == ["bob-3"]
