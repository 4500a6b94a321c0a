"""Another attempt follows as the rules say, within bounds."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.scheduler_tasks import make_record
from tesk_model.attempt_parameters import AttemptParameters
from tesk_model.backoff import Backoff
from tesk_model.reasons import Reason, ReasonCode
from tesk_model.task import TaskId
from tesk_scheduler.domain.records import TaskRecord
from tesk_scheduler.domain.retry_policy import (
    LASTING,
    GiveUp,
    Retry,
    RetryPolicy,
    RetryRule,
    with_most_attempts,
)

SECOND = timedelta(seconds=1)
POLICY = RetryPolicy(
    max_attempts=3,
    max_uncounted=5,
    backoff=Backoff(first=10 * SECOND, longest=100 * SECOND),
)
CODES = st.sampled_from(list(ReasonCode))


def lost(record: TaskRecord, code: ReasonCode, policy: RetryPolicy) -> TaskRecord:
    """Return the record in its next attempt; the rules let one follow."""
    decision = policy.decide(record, Reason(code))
    assert isinstance(decision, Retry)
    return record.replaced(attempt=record.attempt + 1, losses=decision.losses)


def attempts(codes: list[ReasonCode], policy: RetryPolicy, record: TaskRecord) -> int:
    """Lose attempts for ``codes`` until the task is given up; return the last one."""
    for code in codes:
        if isinstance(policy.decide(record, Reason(code)), GiveUp):
            break
        record = lost(record, code, policy)
    return record.attempt


FIRST = make_record(attempt=1)


@given(st.lists(CODES, max_size=40), st.integers(1, 6), st.integers(0, 6))
def test_there_are_never_more_attempts_than_the_rules_allow(
    codes: list[ReasonCode], most: int, uncounted: int
) -> None:
    policy = replace(POLICY, max_attempts=most, max_uncounted=uncounted)

    assert attempts(codes, policy, FIRST) <= most + uncounted


@given(st.lists(CODES, max_size=40), st.integers(1, 100), st.integers(1, 9))
def test_a_task_never_has_more_attempts_that_count_than_the_quota_allows(
    codes: list[ReasonCode], asked: int, most: int
) -> None:
    policy = with_most_attempts(POLICY, most)
    record = FIRST.replaced(parameters=AttemptParameters(max_attempts=asked))

    assert attempts(codes, policy, record) <= most + policy.max_uncounted


@pytest.mark.parametrize("code", sorted(LASTING))
def test_what_another_attempt_would_meet_again_is_never_repeated(
    code: ReasonCode,
) -> None:
    assert isinstance(POLICY.decide(FIRST, Reason(code)), GiveUp)


UNCOUNTED = [ReasonCode.NODE_LOST, ReasonCode.EVICTED, ReasonCode.PREEMPTED]


@pytest.mark.parametrize("code", UNCOUNTED)
def test_a_node_that_is_taken_away_uses_up_no_attempt(code: ReasonCode) -> None:
    record = FIRST
    for _ in range(4):
        record = lost(record, code, POLICY)

    record = lost(record, ReasonCode.STEP_VANISHED, POLICY)
    record = lost(record, ReasonCode.TASKMASTER_LOST, POLICY)

    assert record.attempt == 7
    assert isinstance(POLICY.decide(record, Reason(ReasonCode.STEP_VANISHED)), GiveUp)


def test_what_does_not_count_has_an_end() -> None:
    assert attempts([ReasonCode.PREEMPTED] * 40, POLICY, FIRST) == 6


def test_losses_of_an_earlier_release_count() -> None:
    decision = POLICY.decide(
        FIRST.replaced(attempt=3), Reason(ReasonCode.STEP_VANISHED)
    )

    assert decision == GiveUp("gave up after 3 attempts")


def test_a_task_may_ask_for_fewer_attempts() -> None:
    record = FIRST.replaced(parameters=AttemptParameters(max_attempts=1))

    assert isinstance(POLICY.decide(record, Reason(ReasonCode.TRANSFER_FAILED)), GiveUp)


def test_a_rule_bounds_the_losses_of_its_kind() -> None:
    rules = {ReasonCode.IMAGE_PULL_FAILED: RetryRule(most=1)}
    policy = replace(POLICY, max_attempts=9, rules=rules)

    assert attempts([ReasonCode.IMAGE_PULL_FAILED] * 9, policy, FIRST) == 2


@given(st.text(min_size=1), CODES, st.integers(1, 12))
def test_pauses_grow_and_are_bounded(name: str, code: ReasonCode, losses: int) -> None:
    policy = replace(POLICY, max_attempts=100, max_uncounted=100)
    record = FIRST.replaced(id=TaskId(name))
    pauses = []
    for _ in range(losses):
        decision = policy.decide(record, Reason(code))
        if isinstance(decision, GiveUp):
            return
        assert decision == policy.decide(record, Reason(code))
        pauses.append(decision.after)
        record = lost(record, code, policy)

    assert pauses == sorted(pauses)
    assert pauses[-1] <= policy.backoff.longest


def test_another_node_is_tried_at_once_and_the_same_storage_later() -> None:
    node = POLICY.decide(FIRST, Reason(ReasonCode.NODE_LOST))
    storage = POLICY.decide(FIRST, Reason(ReasonCode.TRANSFER_FAILED))

    assert isinstance(node, Retry)
    assert node.after == timedelta()
    assert isinstance(storage, Retry)
    assert 10 * SECOND <= storage.after < 15 * SECOND


def test_tasks_that_are_lost_together_do_not_come_back_together() -> None:
    tasks = [FIRST.replaced(id=TaskId(f"t-{number}")) for number in range(20)]
    decisions = [
        POLICY.decide(task, Reason(ReasonCode.TRANSFER_FAILED)) for task in tasks
    ]

    assert len({each.after for each in decisions if isinstance(each, Retry)}) == 20
