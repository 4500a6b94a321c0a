from dataclasses import replace
from datetime import timedelta

import pytest

from builders.queues import (
    ALICE,
    NOW,
    admitted,
    cores,
    plan,
    queued,
    using,
)
from tesk_model.quantities import GIB, ByteCount
from tesk_model.reasons import Reason, ReasonCode
from tesk_model.task import TaskId
from tesk_scheduler.domain.admission import (
    AdmissionMemory,
    AdmissionPlan,
    plan_admissions,
)
from tesk_scheduler.domain.admission_rates import RateMemory, TokenBucket
from tesk_scheduler.domain.quota import (
    EVERYBODY,
    Limit,
    Order,
    Quota,
    Rates,
    Share,
    Subject,
    SubjectKind,
)

BOB = Subject(SubjectKind.USER, "bob")


def test_an_empty_queue_admits_nothing() -> None:
    decision = plan([], quota=Quota())

    assert decision == AdmissionPlan(admitted=[], reasons={}, memory=AdmissionMemory())


def test_owners_take_turns_each_in_order_of_arrival() -> None:
    decision = plan(
        [queued("alice-1"), queued("alice-2"), queued("alice-3")],
        [queued("bob-4")],
        [queued("carol-5"), queued("carol-6")],
        quota=Quota(capacity=cores(5)),
    )

    assert admitted(decision) == ["alice-1", "bob-4", "carol-5", "alice-2", "carol-6"]


def test_a_head_that_does_not_fit_holds_up_no_smaller_task() -> None:
    decision = plan(
        [queued("alice-1", cpu=4), queued("alice-2")],
        [queued("bob-3"), queued("bob-4")],
        quota=Quota(capacity=cores(4)),
        usage={EVERYBODY: using(1)},
    )

    assert admitted(decision) == ["alice-2", "bob-3", "bob-4"]
    assert decision.reasons == {
        "alice-1": Reason(ReasonCode.CAPACITY_FULL, "waiting for 4 cpu: 3 free")
    }


def test_a_head_that_others_leave_no_room_for_delays_no_smaller_task() -> None:
    """It was dear while it fitted; what its owner starts instead is not."""
    decision = plan(
        [queued("alice-1", cpu=4), queued("alice-2"), queued("alice-3")],
        [queued("bob-4"), queued("bob-5")],
        quota=Quota(capacity=cores(4)),
    )

    assert admitted(decision) == ["bob-4", "alice-2", "alice-3", "bob-5"]


def test_in_strict_order_a_head_that_does_not_fit_holds_up_its_owner_only() -> None:
    decision = plan(
        [queued("alice-1", cpu=4), queued("alice-2")],
        [queued("bob-3"), queued("bob-4")],
        quota=Quota(capacity=cores(4), order=Order.STRICT),
        usage={EVERYBODY: using(1)},
    )

    assert admitted(decision) == ["bob-3", "bob-4"]


def test_tasks_like_one_that_does_not_fit_are_not_looked_at() -> None:
    big = [queued(f"alice-{number}", cpu=4) for number in range(1, 9)]

    decision = plan(
        [*big, queued("alice-9")],
        quota=Quota(capacity=cores(4)),
        usage={EVERYBODY: using(1)},
    )

    assert admitted(decision) == ["alice-9"]
    assert list(decision.reasons) == ["alice-1"]


def test_of_many_different_tasks_that_wait_the_first_ones_are_explained() -> None:
    tasks = [queued(f"alice-{number}", cpu=4 + number) for number in range(1, 99)]

    decision = plan(tasks, quota=Quota(users={"alice": cores(200)}), usage=ALL_USED)

    assert list(decision.reasons) == [f"alice-{number}" for number in range(1, 11)]


ALL_USED = {ALICE: using(200)}


def test_a_task_that_can_never_run_holds_up_no_other() -> None:
    decision = plan(
        [queued("alice-1", cpu=9), queued("alice-2", cpu=9), queued("alice-3")],
        quota=Quota(capacity=cores(8), order=Order.STRICT),
    )

    assert admitted(decision) == ["alice-3"]
    assert sorted(decision.reasons) == ["alice-1", "alice-2"]
    assert decision.skipped == {"alice-1", "alice-2"}
    assert decision.memory == AdmissionMemory()


def test_a_task_does_not_wait_for_an_amount_it_does_not_ask_for() -> None:
    decision = plan(
        [queued("alice-1", ram=0)],
        quota=Quota(capacity=Limit(ram=ByteCount(GIB))),
        usage={EVERYBODY: using(1, ram=2)},
    )

    assert admitted(decision) == ["alice-1"]


def test_no_more_start_than_there_are_places() -> None:
    decision = plan(
        [queued("alice-1"), queued("alice-2")],
        [queued("bob-3", cpu=9)],
        [queued("carol-4")],
        quota=Quota(capacity=cores(5), per_task=cores(9)),
        places=1,
    )

    assert admitted(decision) == ["alice-1"]
    assert [task.id for task in decision.unplaced] == ["carol-4", "alice-2"]
    assert list(decision.reasons) == ["bob-3"]


def test_a_plan_that_admitted_the_most_leaves_the_others_to_the_next() -> None:
    alice = [queued("alice-1"), queued("alice-2"), queued("alice-3")]
    bob = [queued("bob-4"), queued("bob-5", cpu=9)]
    quota = Quota(
        capacity=cores(8),
        rates=Rates(per_second=0.001, per_owner_per_second=1, burst=9),
    )

    first = plan(alice, bob, quota=quota, most=3)
    rest = plan(alice[2:], bob[1:], quota=quota, memory=first.memory)

    assert admitted(first) == ["alice-1", "bob-4", "alice-2"]
    assert first.is_partial
    assert first.resume_at is None
    assert first.memory.rates.everybody == TokenBucket(6, NOW)
    assert admitted(rest) == ["alice-3"]
    assert not rest.is_partial


def test_a_burst_is_admitted_and_then_as_many_as_the_rate_permits() -> None:
    tasks = [queued(f"alice-{number}") for number in range(1, 9)]
    quota = Quota(rates=Rates(per_second=2, burst=3))

    first = plan(tasks, [queued("bob-9")], quota=quota)
    empty = RateMemory(everybody=TokenBucket(0, NOW - timedelta(seconds=0.75)))
    later = plan(tasks, quota=quota, memory=AdmissionMemory(rates=empty))

    assert admitted(first) == ["alice-1", "bob-9", "alice-2"]
    assert first.resume_at == NOW + timedelta(seconds=0.5)
    assert first.reasons[TaskId("alice-3")] == Reason(
        ReasonCode.ADMISSION_PENDING,
        "waiting for admission: at most 2 tasks are admitted in a second",
    )
    assert admitted(later) == ["alice-1"]
    assert later.resume_at == NOW + timedelta(seconds=0.25)


def test_the_rate_of_an_owner_delays_no_other() -> None:
    quota = Quota(rates=Rates(per_owner_per_second=1, burst=1))

    decision = plan(
        [queued("alice-1"), queued("alice-2")],
        [queued("bob-3"), queued("bob-4")],
        quota=quota,
    )

    assert admitted(decision) == ["alice-1", "bob-3"]
    assert decision.reasons[TaskId("alice-2")].text == (
        "waiting for admission: at most 1 tasks of alice are admitted in a second"
    )
    assert set(decision.memory.rates.owners) == {"alice", "bob"}


def test_a_task_that_does_not_fit_takes_no_part_of_the_rate() -> None:
    decision = plan(
        [queued("alice-1", cpu=4), queued("alice-2")],
        quota=Quota(rates=Rates(per_second=1, burst=1), capacity=cores(4)),
        usage={EVERYBODY: using(1)},
    )

    assert admitted(decision) == ["alice-2"]


def test_a_full_bucket_is_not_remembered() -> None:
    quota = Quota(rates=Rates(per_second=1, burst=2, per_owner_per_second=1))
    long_ago = TokenBucket(0, NOW - timedelta(hours=1))
    memory = RateMemory(everybody=long_ago, owners={"alice": long_ago})

    decision = plan(
        [queued("alice-1", cpu=9)],
        quota=replace(quota, capacity=cores(8)),
        memory=AdmissionMemory(rates=memory),
    )

    assert decision.memory.rates == RateMemory()


def test_an_owner_whose_tasks_were_not_all_read_is_not_passed_for_that() -> None:
    quota = Quota(capacity=cores(9), shares={ALICE: Share(weight=8)})
    queues = [[queued(f"{owner}-{n}") for n in (1, 2, 3)] for owner in ("alice", "bob")]

    decision = plan_admissions(
        queues=queues,
        usage={},
        quota=quota,
        now=NOW,
        memory=AdmissionMemory(),
        window=3,
    )

    # All of alice's: the next ones come before those of bob, who waits a moment.
    assert admitted(decision) == ["alice-1", "alice-2", "alice-3"]
    assert decision.is_partial


@pytest.mark.parametrize(("window", "is_partial"), [(2, True), (3, False)])
def test_a_plan_that_passed_over_all_that_was_read_tells_that_more_may_follow(
    window: int, is_partial: bool
) -> None:
    decision = plan_admissions(
        queues=[[queued("alice-1", cpu=9), queued("alice-2", cpu=9)]],
        usage={},
        quota=Quota(capacity=cores(1)),
        now=NOW,
        memory=AdmissionMemory(),
        window=window,
    )

    assert decision.is_partial is is_partial
