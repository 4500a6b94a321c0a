"""An attempt that kills its taskmasters is not handed on for ever."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.scheduler_tasks import NOON, make_record
from tesk_model.events import (
    EventPayload,
    ExecutorEnded,
    ExecutorOutput,
    ExecutorStarted,
    ReasonChanged,
    TaskEvent,
)
from tesk_model.names import Attempt
from tesk_model.reasons import Reason, ReasonCode
from tesk_model.states import TaskState
from tesk_scheduler.domain.events import Reporter, apply_event
from tesk_scheduler.domain.records import TaskRecord
from tesk_scheduler.domain.takeovers import (
    STABLE_AFTER,
    lose_after_takeovers,
    without_taskmaster,
)
from tesk_scheduler.domain.transitions import admitted, canceled

MOST = 3
BY = Reporter(taskmaster="tm-1", now=NOON, max_attempts=3)
RUNS = replace(admitted(make_record(), "tm-1", NOON), state=TaskState.RUNNING)
ENDED = ExecutorEnded(
    index=0, exit_code=0, start_time=None, end_time=None, stdout="", stderr=""
)
REPETITIONS: list[EventPayload] = [
    ReasonChanged(Reason(ReasonCode.TRANSFERRING, "transferring inputs")),
    ExecutorStarted(0),
    ExecutorOutput(0, "same", ""),
]


def died(record: TaskRecord, *, after: timedelta = timedelta()) -> TaskRecord:
    """Let its taskmaster die with it, and another one have it."""
    left = without_taskmaster(record, now=NOON + after)
    return replace(left, taskmaster="tm-1", assigned_at=NOON)


def reported(record: TaskRecord, happening: EventPayload) -> TaskRecord:
    """Apply the next event."""
    attempt = Attempt(record.id, record.attempt)
    event = TaskEvent(
        attempt=attempt, sequence=record.last_sequence + 1, time=NOON, payload=happening
    )
    return apply_event(record, event, BY).record


def is_given_up(record: TaskRecord) -> bool:
    """Tell whether it is handed on no more."""
    return lose_after_takeovers(record, max_takeovers=MOST, cause="", by=BY) is not None


@pytest.mark.parametrize("deaths", range(6))
def test_an_attempt_survives_a_limited_number_of_deaths(deaths: int) -> None:
    record = RUNS
    for _ in range(deaths):
        record = died(record)

    assert is_given_up(record) == (deaths > MOST)


def test_another_attempt_follows_and_the_reason_is_kept() -> None:
    record = replace(RUNS, takeovers=MOST + 1)

    effect = lose_after_takeovers(
        record, max_takeovers=MOST, cause="killed by signal 9", by=BY
    )

    assert effect is not None
    assert effect.record.state is TaskState.QUEUED
    lost = "attempt 1 was lost: 4 taskmasters in a row ended while they had it"
    assert effect.lines == (f"{lost}; of the last one: killed by signal 9",)


def test_the_last_attempt_ends_the_task() -> None:
    record = replace(RUNS, takeovers=MOST + 1, attempt=BY.max_attempts)

    effect = lose_after_takeovers(record, max_takeovers=MOST, cause="", by=BY)

    assert effect is not None
    assert effect.record.state is TaskState.SYSTEM_ERROR
    assert effect.lines[-1] == "gave up after 3 attempts"


def test_a_canceled_attempt_ends_canceled() -> None:
    record = replace(canceled(RUNS, NOON), takeovers=MOST + 1)

    effect = lose_after_takeovers(record, max_takeovers=MOST, cause="", by=BY)

    assert effect is not None
    assert effect.record.state is TaskState.CANCELED


def test_an_ended_attempt_is_reassigned_for_its_release() -> None:
    over = replace(RUNS, state=TaskState.COMPLETE, takeovers=MOST + 1)

    assert not is_given_up(over)


def test_a_new_attempt_is_counted_anew() -> None:
    waiting = replace(
        RUNS, state=TaskState.QUEUED, released=True, takeovers=9, assigned_at=None
    )

    record = admitted(waiting, "tm-2", NOON)

    assert (record.takeovers, record.assigned_at) == (0, NOON)


DEATHS = st.lists(
    st.one_of(st.sampled_from(["dies", "dies late"]), st.sampled_from(REPETITIONS)),
    max_size=40,
)


@given(DEATHS)
def test_an_attempt_is_lost_at_exactly_too_many_quick_deaths_in_a_row(
    steps: list[str | EventPayload],
) -> None:
    record, in_a_row = RUNS, 0
    for step in steps:
        if step == "dies":
            record, in_a_row = died(record), in_a_row + 1
        elif step == "dies late":
            record, in_a_row = died(record, after=STABLE_AFTER), 1
        elif not isinstance(step, str):
            record = reported(record, step)

        assert is_given_up(record) == (in_a_row > MOST)


@given(st.lists(st.integers(0, MOST), max_size=20))
def test_an_attempt_that_makes_progress_is_never_given_up(
    deaths_between_steps: list[int],
) -> None:
    record = RUNS
    for deaths in deaths_between_steps:
        for _ in range(deaths):
            record = died(record)
        assert not is_given_up(record)
        record = reported(record, ENDED)
