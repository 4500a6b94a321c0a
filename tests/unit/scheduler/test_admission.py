from datetime import timedelta

from builders.queues import (
    ALICE,
    LAB,
    LONG_AGO,
    NOW,
    RESERVE_AFTER,
    admitted,
    cores,
    plan,
    queued,
    using,
)
from tesk_model.quantities import GIB, ByteCount
from tesk_model.reasons import Reason, ReasonCode
from tesk_model.task import TaskId
from tesk_scheduler.domain.admission import AdmissionMemory, AdmissionPlan
from tesk_scheduler.domain.quota import EVERYBODY, Limit, Quota


def test_an_empty_queue_admits_nothing() -> None:
    decision = plan([], quota=Quota(), memory=AdmissionMemory(next_owner="bob"))

    assert decision == AdmissionPlan(
        admitted=[], reasons={}, memory=AdmissionMemory(next_owner="bob")
    )


def test_owners_take_turns_each_in_order_of_arrival() -> None:
    decision = plan(
        [queued("alice-1"), queued("alice-2"), queued("alice-3")],
        [queued("bob-4")],
        [queued("carol-5"), queued("carol-6")],
        quota=Quota(capacity=cores(5)),
    )

    assert admitted(decision) == ["alice-1", "bob-4", "carol-5", "alice-2", "carol-6"]


def test_the_next_plan_goes_on_after_the_last_turn() -> None:
    queues = [[queued(f"{owner}-{n}") for n in (1, 2)] for owner in ("a", "b", "c")]
    first = plan(*queues, quota=Quota(capacity=cores(2)))

    second = plan(
        queues[0][1:],
        queues[1][1:],
        queues[2],
        quota=Quota(capacity=cores(2)),
        memory=first.memory,
    )

    assert admitted(first) == ["a-1", "b-1"]
    assert admitted(second) == ["c-1", "a-2"]


def test_a_turn_of_an_owner_without_tasks_passes_to_the_next_name() -> None:
    decision = plan(
        [queued("alice-1")],
        [queued("carol-2")],
        quota=Quota(capacity=cores(1)),
        memory=AdmissionMemory(next_owner="bob"),
    )

    assert admitted(decision) == ["carol-2"]


def test_a_head_that_does_not_fit_holds_up_its_owner_only() -> None:
    decision = plan(
        [queued("alice-1", cpu=4), queued("alice-2")],
        [queued("bob-3"), queued("bob-4")],
        quota=Quota(capacity=cores(4)),
        usage={EVERYBODY: using(1)},
    )

    assert admitted(decision) == ["bob-3", "bob-4"]
    assert decision.reasons == {
        "alice-1": Reason(ReasonCode.CAPACITY_FULL, "waiting for 4 cpu: 3 free")
    }


def test_a_task_that_can_never_run_holds_up_no_other() -> None:
    decision = plan(
        [queued("alice-1", cpu=9), queued("alice-2", cpu=9), queued("alice-3")],
        quota=Quota(capacity=cores(8)),
    )

    assert admitted(decision) == ["alice-3"]
    assert sorted(decision.reasons) == ["alice-1", "alice-2"]
    assert decision.memory.blocked == {}


def test_a_task_does_not_wait_for_an_amount_it_does_not_ask_for() -> None:
    decision = plan(
        [queued("alice-1", ram=0)],
        quota=Quota(capacity=Limit(ram=ByteCount(GIB))),
        usage={EVERYBODY: using(1, ram=2)},
    )

    assert admitted(decision) == ["alice-1"]


def test_a_head_that_is_not_overdue_is_passed_and_its_time_counts_from_now() -> None:
    big, small = queued("alice-1", cpu=4), queued("bob-2")

    decision = plan(
        [big], [small], quota=Quota(capacity=cores(4)), usage={EVERYBODY: using(1)}
    )

    assert admitted(decision) == ["bob-2"]
    assert decision.memory.blocked == {"alice-1": NOW}


def test_an_overdue_head_reserves_what_it_needs() -> None:
    big, small = queued("alice-1", cpu=4), queued("bob-2")

    decision = plan(
        [big],
        [small],
        quota=Quota(capacity=cores(4)),
        usage={EVERYBODY: using(1)},
        memory=AdmissionMemory(blocked={big.id: NOW - RESERVE_AFTER}),
    )

    assert admitted(decision) == []
    text = (
        "kept waiting so that a task that has waited longer can start: it needs 4 cpu"
    )
    assert decision.reasons == {
        "alice-1": Reason(ReasonCode.CAPACITY_FULL, "waiting for 4 cpu: 3 free"),
        "bob-2": Reason(ReasonCode.CAPACITY_RESERVED, text),
    }
    assert decision.memory.blocked[big.id] == NOW - RESERVE_AFTER


def test_capacity_that_an_overdue_head_does_not_need_is_used() -> None:
    big = queued("alice-1", cpu=2, ram=8)

    decision = plan(
        [big],
        [queued("bob-2"), queued("bob-3"), queued("bob-4")],
        quota=Quota(capacity=Limit(cpu_millis=4000, ram=ByteCount(8 * GIB))),
        usage={EVERYBODY: using(0, ram=1)},
        memory=AdmissionMemory(blocked={big.id: LONG_AGO}),
    )

    assert admitted(decision) == ["bob-2", "bob-3"]


def test_an_overdue_head_that_fits_comes_before_whose_turn_it_is() -> None:
    big = queued("zoe-1", cpu=4)

    decision = plan(
        [queued("alice-2")],
        [big],
        quota=Quota(capacity=cores(4)),
        memory=AdmissionMemory(next_owner="alice", blocked={big.id: LONG_AGO}),
    )

    assert admitted(decision) == ["zoe-1"]
    assert decision.memory.next_owner == "alice"


def test_an_owner_served_out_of_turn_has_had_its_turn() -> None:
    head = queued("alice-1")

    decision = plan(
        [head, queued("alice-2")],
        [queued("bob-3")],
        quota=Quota(capacity=cores(2)),
        memory=AdmissionMemory(next_owner="alice", blocked={head.id: LONG_AGO}),
    )

    assert admitted(decision) == ["alice-1", "bob-3"]


def test_the_longer_waiting_of_two_overdue_heads_comes_first() -> None:
    first, second = queued("zoe-1", cpu=4), queued("alice-2", cpu=3)

    decision = plan(
        [first],
        [second],
        quota=Quota(capacity=cores(4)),
        memory=AdmissionMemory(
            blocked={first.id: LONG_AGO, second.id: LONG_AGO + timedelta(seconds=1)}
        ),
    )

    assert admitted(decision) == ["zoe-1"]


def test_a_head_that_waits_for_its_own_user_reserves_nothing() -> None:
    head = queued("alice-1", cpu=2)

    decision = plan(
        [head],
        [queued("bob-2")],
        quota=Quota(users={"alice": cores(2)}, capacity=cores(2)),
        usage={ALICE: using(1), EVERYBODY: using(1)},
        memory=AdmissionMemory(blocked={head.id: LONG_AGO}),
    )

    assert admitted(decision) == ["bob-2"]
    assert decision.memory.blocked == {}


def test_a_head_that_waits_for_its_group_reserves_in_its_group_only() -> None:
    head = queued("alice-1", cpu=2, group="lab")

    decision = plan(
        [head],
        [queued("bob-2", group="lab")],
        [queued("carol-3")],
        quota=Quota(groups={"lab": cores(2)}, capacity=cores(2)),
        usage={LAB: using(1), EVERYBODY: using(1)},
        memory=AdmissionMemory(blocked={head.id: LONG_AGO}),
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
        memory=AdmissionMemory(blocked={head.id: NOW + timedelta(days=1)}),
    )

    assert decision.memory.blocked == {"alice-1": NOW}
