"""Tasks that have waited for long: what is kept free for them, and from whom."""

from datetime import timedelta

from builders.queues import (
    ALICE,
    LAB,
    LONG_AGO,
    NOW,
    RESERVE_AFTER,
    admitted,
    cores,
    overdue,
    plan,
    queued,
    using,
)
from tesk_model.quantities import GIB, ByteCount
from tesk_model.reasons import Reason, ReasonCode
from tesk_model.task import TaskId
from tesk_scheduler.domain.admission import AdmissionMemory, plan_admissions
from tesk_scheduler.domain.quota import (
    EVERYBODY,
    Amounts,
    Limit,
    Quota,
    Share,
)
from tesk_scheduler.domain.starvation import Waits


def test_a_head_that_is_not_overdue_is_passed_and_its_time_counts_from_now() -> None:
    big, small = queued("alice-1", cpu=4), queued("bob-2")

    decision = plan(
        [big], [small], quota=Quota(capacity=cores(4)), usage={EVERYBODY: using(1)}
    )

    assert admitted(decision) == ["bob-2"]
    assert decision.memory.waits == Waits(shared={big.id: NOW})


def test_an_overdue_head_reserves_what_it_needs() -> None:
    big, small = queued("alice-1", cpu=4), queued("bob-2")

    decision = plan(
        [big],
        [small],
        quota=Quota(capacity=cores(4)),
        usage={EVERYBODY: using(1)},
        memory=overdue(big, since=NOW - RESERVE_AFTER),
    )

    assert admitted(decision) == []
    text = (
        "kept waiting so that a task that has waited longer can start: it needs 4 cpu"
    )
    assert decision.reasons == {
        "alice-1": Reason(ReasonCode.CAPACITY_FULL, "waiting for 4 cpu: 3 free"),
        "bob-2": Reason(ReasonCode.CAPACITY_RESERVED, text),
    }
    assert decision.memory.waits.shared[big.id] == NOW - RESERVE_AFTER


def test_an_overdue_head_is_not_passed_by_tasks_of_its_own_user_either() -> None:
    big = queued("alice-1", cpu=4)

    decision = plan(
        [big, queued("alice-2")],
        quota=Quota(capacity=cores(4)),
        usage={EVERYBODY: using(1)},
        memory=overdue(big),
    )

    assert admitted(decision) == []


def test_capacity_that_an_overdue_head_does_not_need_is_used() -> None:
    big = queued("alice-1", cpu=2, ram=8)

    decision = plan(
        [big],
        [queued("bob-2"), queued("bob-3"), queued("bob-4")],
        quota=Quota(capacity=Limit(cpu_millis=4000, ram=ByteCount(8 * GIB))),
        usage={EVERYBODY: using(0, ram=1)},
        memory=overdue(big),
    )

    assert admitted(decision) == ["bob-2", "bob-3"]


def test_an_overdue_head_that_fits_comes_first() -> None:
    big = queued("zoe-1", cpu=4)

    decision = plan(
        [queued("alice-2")],
        [big],
        quota=Quota(capacity=cores(4)),
        memory=overdue(big),
    )

    assert admitted(decision) == ["zoe-1"]


def test_an_owner_served_out_of_turn_has_used_its_share() -> None:
    head = queued("alice-1")

    decision = plan(
        [head, queued("alice-2")],
        [queued("bob-3")],
        quota=Quota(capacity=cores(2)),
        memory=overdue(head),
    )

    assert admitted(decision) == ["alice-1", "bob-3"]


def test_the_longer_waiting_of_two_overdue_heads_comes_first() -> None:
    first, second = queued("zoe-1", cpu=4), queued("alice-2", cpu=3)
    waits = {first.id: LONG_AGO, second.id: LONG_AGO + timedelta(seconds=1)}

    decision = plan(
        [first],
        [second],
        quota=Quota(capacity=cores(4)),
        memory=AdmissionMemory(waits=Waits(shared=waits)),
    )

    assert admitted(decision) == ["zoe-1"]


def test_a_head_that_waits_for_its_own_user_reserves_nothing_of_others() -> None:
    head = queued("alice-1", cpu=2)

    decision = plan(
        [head],
        [queued("bob-2")],
        quota=Quota(users={"alice": cores(2)}, capacity=cores(2)),
        usage={ALICE: using(1), EVERYBODY: using(1)},
        memory=AdmissionMemory(waits=Waits(own={head.id: LONG_AGO})),
    )

    assert admitted(decision) == ["bob-2"]
    assert decision.memory.waits == Waits(own={head.id: LONG_AGO})


def test_a_head_that_waits_long_for_its_own_user_is_not_passed_by_smaller_ones() -> (
    None
):
    head, small = queued("alice-1", cpu=2), queued("alice-2")
    quota = Quota(users={"alice": cores(2)}, capacity=cores(9))
    usage = {ALICE: using(1), EVERYBODY: using(1)}
    long_ago = AdmissionMemory(waits=Waits(own={head.id: LONG_AGO}))

    soon = plan([head, small], quota=quota, usage=usage)
    late = plan([head, small], quota=quota, usage=usage, memory=long_ago)

    assert (admitted(soon), admitted(late)) == (["alice-2"], [])


def test_a_head_that_waited_for_its_own_user_does_not_come_before_others() -> None:
    head = queued("zoe-1")

    decision = plan(
        [head],
        [queued("alice-2")],
        quota=Quota(users={"zoe": cores(1)}, capacity=cores(1)),
        memory=AdmissionMemory(waits=Waits(own={head.id: LONG_AGO})),
    )

    assert admitted(decision) == ["alice-2"]


def test_a_head_that_waits_for_its_group_reserves_in_its_group_only() -> None:
    head = queued("alice-1", cpu=2, group="lab")

    decision = plan(
        [head],
        [queued("bob-2", group="lab")],
        [queued("carol-3")],
        quota=Quota(groups={"lab": cores(2)}, capacity=cores(2)),
        usage={LAB: using(1), EVERYBODY: using(1)},
        memory=overdue(head),
    )

    assert admitted(decision) == ["carol-3"]
    assert decision.reasons[TaskId("bob-2")].text == (
        "kept waiting so that a task of group lab that has waited longer can start:"
        " it needs 2 cpu"
    )


def test_a_clock_that_was_set_back_breaks_nothing() -> None:
    head = queued("alice-1", cpu=4)

    decision = plan(
        [head],
        quota=Quota(capacity=cores(4)),
        usage={EVERYBODY: using(1)},
        memory=overdue(head, since=NOW + timedelta(days=1)),
    )

    assert decision.memory.waits.shared == {"alice-1": NOW}


def test_an_overdue_task_keeps_its_time_when_a_round_ends_early() -> None:
    big, small = queued("zoe-9", cpu=9), queued("alice-1")
    guaranteed = {ALICE: Share(guaranteed=Amounts(cpu_millis=1000))}

    decision = plan_admissions(
        queues=[[small], [big]],
        usage={},
        quota=Quota(capacity=cores(9), shares=guaranteed),
        now=NOW,
        memory=overdue(big),
        window=1,
    )

    assert admitted(decision) == ["alice-1"]
    assert decision.memory.waits.shared == {big.id: LONG_AGO}


def test_nothing_is_reserved_for_what_waits_for_the_guarantee_of_others() -> None:
    big = queued("zoe-9", cpu=9)
    kept = {ALICE: Share(guaranteed=Amounts(cpu_millis=1000), lending=cores(0))}

    decision = plan(
        [big],
        [queued("bob-1")],
        quota=Quota(capacity=cores(10), shares=kept),
        usage={EVERYBODY: using(0.5)},
        memory=overdue(big),
    )

    assert admitted(decision) == ["bob-1"]
    assert decision.reasons[big.id].code is ReasonCode.GUARANTEE_KEPT
