"""An attempt that kills its taskmasters is not handed on for ever."""

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
    SUSPECT_AFTER,
    lose_after_takeovers,
    needs_own_taskmaster,
    without_taskmaster,
)
from tesk_scheduler.domain.transitions import admitted, canceled

MOST = 3
BY = Reporter(taskmaster="tm-1", now=NOON)
RUNS = admitted(make_record(), "tm-1", NOON).replaced(state=TaskState.RUNNING)
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
    return left.replaced(taskmaster="tm-1", assigned_at=NOON)


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


def test_a_task_that_killed_its_own_taskmasters_is_given_up_for_good() -> None:
    record = RUNS.replaced(takeovers=MOST + 1)

    effect = lose_after_takeovers(
        record, max_takeovers=MOST, cause="killed by signal 9", by=BY
    )

    assert effect is not None
    assert effect.record.state is TaskState.SYSTEM_ERROR
    assert effect.end is not None
    assert effect.end.code is ReasonCode.TASKMASTER_LOST
    lost = "attempt 1 was lost: 4 taskmasters in a row ended while they had it"
    assert effect.lines == (
        f"{lost}; of the last one: killed by signal 9",
        "gave up: it had the last 2 of them for itself",
    )


def test_another_attempt_follows_if_it_never_had_one_for_itself() -> None:
    record = RUNS.replaced(takeovers=SUSPECT_AFTER)

    effect = lose_after_takeovers(record, max_takeovers=1, cause="", by=BY)

    assert effect is not None
    assert effect.record.state is TaskState.QUEUED


@pytest.mark.parametrize("deaths", range(4))
def test_an_attempt_gets_its_own_taskmaster_after_two_deaths(deaths: int) -> None:
    record = RUNS
    for _ in range(deaths):
        record = died(record)

    assert needs_own_taskmaster(record) == (deaths >= 2)


@given(st.lists(st.booleans(), max_size=20))
def test_only_deaths_that_it_may_have_caused_count(deaths: list[bool]) -> None:
    record = RUNS.replaced(takeovers=0)
    for counts in deaths:
        left = without_taskmaster(record, now=NOON, counts=counts)
        record = left.replaced(taskmaster="tm-1", assigned_at=NOON)

    assert record.takeovers == sum(deaths)


def test_one_that_was_stable_is_no_suspect_when_its_node_is_drained() -> None:
    record = died(died(RUNS)).replaced(assigned_at=NOON)

    drained = without_taskmaster(record, now=NOON + STABLE_AFTER, counts=False)

    assert needs_own_taskmaster(record)
    assert drained.takeovers == 0


def test_a_task_that_killed_its_first_own_taskmaster_is_told_so() -> None:
    record = RUNS.replaced(takeovers=SUSPECT_AFTER + 1)

    effect = lose_after_takeovers(
        record, max_takeovers=SUSPECT_AFTER, cause="killed by signal 9", by=BY
    )

    assert effect is not None
    assert effect.record.state is TaskState.SYSTEM_ERROR
    assert effect.lines[-1] == "gave up: it had the last of them for itself"


def test_a_neighbour_that_goes_on_is_no_suspect_any_more() -> None:
    record = reported(died(died(RUNS)), ENDED)

    assert not needs_own_taskmaster(record)


def test_an_ended_attempt_needs_no_taskmaster_of_its_own() -> None:
    assert not needs_own_taskmaster(
        RUNS.replaced(state=TaskState.COMPLETE, takeovers=9)
    )


def test_a_canceled_attempt_ends_canceled() -> None:
    record = canceled(RUNS, NOON).replaced(takeovers=MOST + 1)

    effect = lose_after_takeovers(record, max_takeovers=MOST, cause="", by=BY)

    assert effect is not None
    assert effect.record.state is TaskState.CANCELED


def test_an_ended_attempt_is_reassigned_for_its_release() -> None:
    over = RUNS.replaced(state=TaskState.COMPLETE, takeovers=MOST + 1)

    assert not is_given_up(over)


def test_a_new_attempt_is_counted_anew() -> None:
    waiting = RUNS.replaced(
        state=TaskState.QUEUED, released=True, takeovers=9, assigned_at=None
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


@given(neighbours=st.integers(0, 6), progress=st.sets(st.integers(0, 6)))
def test_whoever_shares_with_a_killer_never_pays_for_it(
    neighbours: int, progress: set[int]
) -> None:
    killer, others = RUNS, [RUNS] * neighbours
    deaths = 0
    while not is_given_up(killer):
        alone = needs_own_taskmaster(killer)
        killer, deaths = died(killer), deaths + 1
        others = [
            each
            if alone or needs_own_taskmaster(each)
            else reported(died(each), ENDED)
            if number in progress
            else died(each)
            for number, each in enumerate(others)
        ]

    assert deaths == MOST + 1
    assert not any(is_given_up(each) for each in others)
    assert all(each.takeovers <= SUSPECT_AFTER for each in others)
