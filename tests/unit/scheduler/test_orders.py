"""Orders to taskmasters: what to run and what to stop."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.scheduler_tasks import NOON, make_record
from tesk_model.names import Attempt
from tesk_model.reasons import Reason, ReasonCode
from tesk_model.states import TaskState
from tesk_model.task import TaskId
from tesk_scheduler.domain.orders import (
    REPEAT_AFTER,
    REPEAT_FINISHED_AFTER,
    Order,
    StopReason,
    has_new_order,
    never_started,
    plan_orders,
    record_given,
)
from tesk_scheduler.domain.progress import Direction
from tesk_scheduler.domain.records import AssignedAttempt, TaskRecord
from tesk_scheduler.domain.transitions import admitted, canceled

FIRST = Attempt(TaskId("t-1"), 1)
SECOND = Attempt(TaskId("t-1"), 2)
OTHER = Attempt(TaskId("t-2"), 1)
RUNS = admitted(make_record(), "tm-1", NOON)
CANCELING = canceled(RUNS, NOON)
OVER = RUNS.replaced(state=TaskState.COMPLETE)
ARRIVED = RUNS.replaced(inputs_finished=True)
EXECUTES = ARRIVED.replaced(state=TaskState.RUNNING)
UPLOADED = EXECUTES.replaced(outputs_finished=True)


def assigned_attempt(record: TaskRecord) -> AssignedAttempt:
    return AssignedAttempt(
        attempt=Attempt(record.id, record.attempt),
        state=record.state,
        inputs_finished=record.inputs_finished,
        outputs_finished=record.outputs_finished,
        stop_code=record.stop.code,
    )


CASES: dict[str, tuple[list[TaskRecord], set[Attempt], list[Order]]] = {
    "nothing": ([], set(), []),
    "an attempt that is not held is to run": ([RUNS], set(), [Order(FIRST)]),
    "one that is held goes on": ([RUNS], {FIRST}, []),
    "one that is being canceled is to stop": (
        [CANCELING],
        {FIRST},
        [Order(FIRST, StopReason.CANCELED)],
    ),
    "one that was canceled before it was taken is taken": (
        [CANCELING],
        set(),
        [Order(FIRST)],
    ),
    "one that an operator or a rule ends is to stop": (
        [RUNS.replaced(stop=Reason(ReasonCode.RUN_TIME_EXCEEDED))],
        {FIRST},
        [Order(FIRST, StopReason.CANCELED)],
    ),
    "one that is over is held until it is released": ([OVER], {FIRST}, []),
    "an attempt that is not assigned any more is stopped": (
        [RUNS],
        {FIRST, OTHER},
        [Order(OTHER, StopReason.REASSIGNED)],
    ),
    "one whose inputs have arrived goes on": (
        [ARRIVED],
        {FIRST},
        [Order(FIRST, finished=Direction.INPUTS)],
    ),
    "one whose inputs had arrived before it is to run": (
        [ARRIVED],
        set(),
        [Order(FIRST)],
    ),
    "one whose executor has started is not told of its inputs": (
        [EXECUTES],
        {FIRST},
        [],
    ),
    "one whose outputs are uploaded goes on": (
        [UPLOADED],
        {FIRST},
        [Order(FIRST, finished=Direction.OUTPUTS)],
    ),
    "one that is over is not told of its outputs": (
        [UPLOADED.replaced(state=TaskState.EXECUTOR_ERROR)],
        {FIRST},
        [],
    ),
    "one that is being canceled is not told of its transfers": (
        [UPLOADED.replaced(state=TaskState.CANCELING)],
        {FIRST},
        [Order(FIRST, StopReason.CANCELED)],
    ),
    "so is an earlier attempt": (
        [RUNS.replaced(attempt=2)],
        {FIRST},
        [Order(SECOND), Order(FIRST, StopReason.REASSIGNED)],
    ),
}


@pytest.mark.parametrize(("records", "held", "want"), CASES.values(), ids=CASES)
def test_orders(
    records: list[TaskRecord], held: set[Attempt], want: list[Order]
) -> None:
    assigned = list(map(assigned_attempt, records))

    assert plan_orders(assigned, frozenset(held)) == want


def test_an_attempt_never_started_if_nothing_was_reported_before_its_cancel() -> None:
    assert never_started(CANCELING)
    assert not never_started(CANCELING.replaced(last_sequence=1))
    assert not never_started(RUNS)


def test_an_order_is_new_until_it_was_given_and_again_later() -> None:
    orders = [Order(FIRST)]
    given_at_once = record_given(orders, {}, 0)

    assert has_new_order(orders, {}, 0)
    assert not has_new_order(orders, given_at_once, REPEAT_AFTER - 0.1)
    assert has_new_order(orders, given_at_once, REPEAT_AFTER)
    assert has_new_order([*orders, Order(OTHER)], given_at_once, 0)


def test_that_a_transfer_has_finished_is_seldom_told_again() -> None:
    orders = [Order(FIRST, finished=Direction.INPUTS)]
    given_at_once = record_given(orders, {}, 0)

    assert has_new_order(orders, {}, 0)
    assert not has_new_order(orders, given_at_once, REPEAT_FINISHED_AFTER - 0.1)
    assert has_new_order(orders, given_at_once, REPEAT_FINISHED_AFTER)


def test_a_repeated_response_does_not_put_the_next_repetition_off() -> None:
    orders = [Order(FIRST), Order(OTHER)]
    first = record_given(orders[:1], {}, 0)

    both = record_given(orders, first, 1)

    assert both == {orders[0]: 0, orders[1]: 1}
    assert record_given([], both, 1) == {}


ATTEMPTS = st.sampled_from([FIRST, SECOND, OTHER])


@given(
    st.lists(st.sampled_from([RUNS, CANCELING, OVER]), max_size=1),
    st.frozensets(ATTEMPTS),
)
def test_an_obedient_taskmaster_has_its_assignments_and_gets_no_more_orders(
    records: list[TaskRecord], held: frozenset[Attempt]
) -> None:
    assigned = list(map(assigned_attempt, records))
    orders = plan_orders(assigned, held)

    taken = {order.attempt for order in orders if order.stop is None}
    let_go = {o.attempt for o in orders if o.stop is StopReason.REASSIGNED}
    then = (held | taken) - let_go
    assert then == {each.attempt for each in assigned}
    assert all(
        order.stop is StopReason.CANCELED for order in plan_orders(assigned, then)
    )
