"""Tasks end when they wait or run for too long; the reason names the limit."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.scheduler_tasks import NOON, make_record
from tesk_model.attempt_parameters import AttemptParameters
from tesk_model.reasons import Reason, ReasonCode
from tesk_model.states import TaskState
from tesk_scheduler.domain.deadlines import (
    TimeKind,
    TimeLimits,
    queue_limit_line,
    settle,
    with_due,
)
from tesk_scheduler.domain.records import TaskRecord
from tesk_scheduler.domain.transitions import admitted

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
WAITS = make_record()
RUNS = admitted(WAITS, "tm-1", NOON).replaced(
    state=TaskState.RUNNING, running_since=NOON
)
LIMITS = TimeLimits(queue=2 * HOUR, run=3 * HOUR)

SMALLEST = {
    "the setting": ({}, "the setting scheduler.max_run_time"),
    "the quota": ({"quota_run": HOUR}, "quota.per_task.max_runtime"),
    "the task": (
        {"quota_run": HOUR, "own": MINUTE},
        "the backend parameter max_run_time of the task",
    ),
    "the task asks for more than it may": (
        {"quota_run": HOUR, "own": 5 * HOUR},
        "quota.per_task.max_runtime",
    ),
}


@pytest.mark.parametrize(("given_", "source"), SMALLEST.values(), ids=SMALLEST)
def test_the_smallest_limit_holds_and_is_named(
    given_: dict[str, timedelta], source: str
) -> None:
    own = AttemptParameters(max_run_time=given_.pop("own", None))
    limits = replace(LIMITS, **given_)
    record = RUNS.replaced(parameters=own)

    limit = limits.limit(own, TimeKind.RUN)
    stopped = settle(record, limits, NOON + 5 * HOUR)

    assert limit is not None
    assert limit.source == source
    assert stopped.stop.code is ReasonCode.RUN_TIME_EXCEEDED
    assert source in stopped.stop.text
    assert stopped.state is TaskState.RUNNING


def test_a_task_that_waited_for_too_long_ends() -> None:
    ended = settle(WAITS, LIMITS, NOON + 2 * HOUR)

    assert ended.state is TaskState.SYSTEM_ERROR
    assert ended.reason.code is ReasonCode.QUEUE_TIME_EXCEEDED
    assert queue_limit_line(WAITS, LIMITS) == (
        "waited in the queue for longer than 2 h 0 min, as the setting"
        " scheduler.max_queue_time allows"
    )


def test_the_end_of_a_pause_lets_the_task_be_admitted() -> None:
    pause = Reason(ReasonCode.RETRY_BACKOFF, "attempt 2 waits")
    record = WAITS.replaced(not_before=NOON + MINUTE, reason=pause)

    waits = settle(record, LIMITS, NOON)
    goes_on = settle(record, LIMITS, NOON + MINUTE)

    assert (waits.not_before, waits.due_at) == (NOON + MINUTE, NOON + MINUTE)
    assert goes_on.not_before is None
    assert goes_on.reason.code is ReasonCode.NONE
    assert goes_on.due_at == NOON + 2 * HOUR


def test_a_limit_that_was_raised_holds_at_once() -> None:
    due = with_due(RUNS, TimeLimits(run=MINUTE))

    assert settle(due, TimeLimits(run=HOUR), NOON + MINUTE).due_at == NOON + HOUR
    assert settle(due, TimeLimits(), NOON + MINUTE).due_at is None


NOT_LIMITED = {
    "an attempt that prepares": admitted(WAITS, "tm-1", NOON),
    "one that is stopped already": RUNS.replaced(
        stop=Reason(ReasonCode.RUN_TIME_EXCEEDED, "ran for too long")
    ),
    "a task that is being canceled": RUNS.replaced(state=TaskState.CANCELING),
    "a final one": RUNS.replaced(state=TaskState.COMPLETE),
    "one of an earlier release": RUNS.replaced(running_since=None),
}


@pytest.mark.parametrize("record", NOT_LIMITED.values(), ids=NOT_LIMITED)
def test_nothing_else_is_ended(record: TaskRecord) -> None:
    assert settle(record, LIMITS, NOON + 99 * HOUR) == record


TIMES = st.none() | st.integers(1, 10_000).map(lambda each: each * MINUTE)


@given(
    record=st.sampled_from([WAITS, RUNS, *NOT_LIMITED.values()]),
    limits=st.builds(
        TimeLimits, queue=TIMES, run=TIMES, quota_queue=TIMES, quota_run=TIMES
    ),
    now=st.integers(0, 20_000).map(lambda each: NOON + each * MINUTE),
    pause=TIMES,
)
def test_what_is_settled_is_due_later_or_never(
    record: TaskRecord, limits: TimeLimits, now: datetime, pause: timedelta | None
) -> None:
    if record.state is TaskState.QUEUED and pause:
        record = record.replaced(not_before=NOON + pause)

    settled = settle(record, limits, now)

    assert settled.due_at is None or settled.due_at > now
    assert settle(settled, limits, now) == settled
