"""A failure of an executor is repeated only if the task asks for it."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.scheduler_tasks import NOON, make_demand, make_record
from tesk_model.attempt_parameters import parse_parameters
from tesk_model.events import (
    EventPayload,
    ExecutorEnded,
    Finished,
    Outcome,
    Released,
    TaskEvent,
)
from tesk_model.names import Attempt
from tesk_model.quantities import GIB
from tesk_model.reasons import Reason, ReasonCode
from tesk_model.states import TaskState
from tesk_scheduler.domain.attempt_rules import AttemptRules, RepeatedFailures
from tesk_scheduler.domain.dimensions import RAM
from tesk_scheduler.domain.events import Effect, Reporter, apply_event
from tesk_scheduler.domain.lost_attempts import describe_lost
from tesk_scheduler.domain.memory_raise import raised_demand
from tesk_scheduler.domain.quota import NO_LIMIT, Limit
from tesk_scheduler.domain.records import TaskRecord
from tesk_scheduler.domain.transitions import admitted

LATER = NOON + timedelta(minutes=5)
RULES = AttemptRules(most_of=lambda _: Limit(ram=8 * GIB))
BY = Reporter(taskmaster="tm-1", now=LATER, rules=RULES)
FAILED = Finished(
    Outcome.EXECUTOR_ERROR,
    Reason(ReasonCode.EXECUTOR_FAILED, "executors[0] ended with exit code 7"),
)
SHORT = Finished(
    Outcome.EXECUTOR_ERROR,
    Reason(ReasonCode.OUT_OF_MEMORY, "executors[0] ended with exit code 137"),
)
STOPPED = Reason(ReasonCode.RUN_TIME_EXCEEDED, "ran for too long")


def runs(**parameters: str) -> TaskRecord:
    """Return a task that runs, with backend parameters."""
    asks = make_record(parameters=parse_parameters(parameters))
    return admitted(asks, "tm-1", NOON).replaced(state=TaskState.RUNNING)


def applied(record: TaskRecord, *events: EventPayload) -> Effect:
    """Apply events of the record's attempt, in order."""
    for payload in events:
        event = TaskEvent(
            attempt=Attempt(record.id, record.attempt),
            sequence=record.last_sequence + 1,
            time=LATER,
            payload=payload,
        )
        effect = apply_event(record, event, BY)
        record = effect.record
    return effect


def ended(code: int) -> ExecutorEnded:
    """Return the end of the first executor."""
    return ExecutorEnded(
        index=0, exit_code=code, start_time=None, end_time=None, stdout="", stderr=""
    )


REPEATED = {
    "a code that it names": ({"retry_on_exit_codes": "1-9"}, 7, FAILED, True),
    "another code": ({"retry_on_exit_codes": "1,2"}, 7, FAILED, False),
    "nothing asked for": ({}, 7, FAILED, False),
    "attempts alone are no wish": ({"max_attempts": "9"}, 7, FAILED, False),
    "only one attempt": (
        {"retry_on_exit_codes": "7", "max_attempts": "1"},
        7,
        FAILED,
        False,
    ),
    "memory ran out": ({"oom_memory_factor": "2"}, 137, SHORT, True),
    "it failed otherwise": ({"oom_memory_factor": "2"}, 7, FAILED, False),
    "no more memory": (
        {"oom_memory_factor": "2", "oom_max_ram_gb": "1"},
        137,
        SHORT,
        False,
    ),
    "no more memory, but its code": (
        {"oom_memory_factor": "2", "oom_max_ram_gb": "1", "retry_on_exit_codes": "137"},
        137,
        SHORT,
        True,
    ),
}


@pytest.mark.parametrize(
    ("parameters", "code", "finished", "want"), REPEATED.values(), ids=REPEATED
)
def test_what_is_repeated(
    parameters: dict[str, str], code: int, finished: Finished, *, want: bool
) -> None:
    effect = applied(runs(**parameters), ended(code), finished)

    state = TaskState.QUEUED if want else TaskState.EXECUTOR_ERROR
    assert effect.record.state is state
    assert bool(effect.lost) == want


def test_the_taskmaster_learns_what_is_repeated() -> None:
    record = runs(retry_on_exit_codes="7,1-2", oom_memory_factor="2")

    assert RULES.repeated_failures(record) == RepeatedFailures(
        exit_codes="7,1-2", out_of_memory=True
    )
    assert RULES.repeated_failures(record.replaced(attempt=3)) == RepeatedFailures()


def test_the_last_failure_is_one_of_the_user() -> None:
    last = runs(retry_on_exit_codes="7").replaced(attempt=3)

    effect = applied(last, ended(7), FAILED)

    assert effect.record.state is TaskState.EXECUTOR_ERROR
    assert effect.lines == (FAILED.reason.text, "gave up after 3 attempts")


def test_more_memory_is_charged_and_told() -> None:
    effect = applied(runs(oom_memory_factor="2"), ended(137), SHORT)

    assert effect.record.demand[RAM] == 2 * GIB
    assert effect.lost is not None
    lines = describe_lost(effect.lost, {"executors[0].node": "n1", "layout": "jobs"})
    assert lines[0] == (
        "attempt 1: 2026-01-01T12:00:00Z to 2026-01-01T12:05:00Z, on n1,"
        " OUT_OF_MEMORY; attempt 2 follows at once"
    )
    assert lines[1:] == ["the next attempt gets 2 GiB of memory instead of 1 GiB"]


def test_an_attempt_on_many_nodes_names_a_few() -> None:
    effect = applied(runs(retry_on_exit_codes="7"), ended(7), FAILED)

    assert effect.lost is not None
    metadata = {f"executors[{number}].node": f"n{number}" for number in range(50)}
    assert " and 45 more, " in describe_lost(effect.lost, metadata)[0]


@given(
    factor=st.floats(1.001, 10),
    cap=st.none() | st.floats(0.1, 1000),
    most=st.just(NO_LIMIT[RAM]) | st.integers(1, 2**44),
    present=st.integers(1, 2**40),
)
def test_memory_grows_within_all_bounds(
    factor: float, cap: float | None, most: float, present: int
) -> None:
    parameters = {"oom_memory_factor": str(factor)}
    if cap is not None:
        parameters["oom_max_ram_gb"] = str(cap)
    record = make_record(
        parameters=parse_parameters(parameters), demand=make_demand(ram=present)
    )

    raised = raised_demand(record, Limit(ram=most))

    if raised is not None:
        assert present < raised[RAM] <= most
        assert cap is None or raised[RAM] <= cap * GIB + 1
        assert raised[RAM] <= present * factor + 1


ENDS = {
    "stopped": (Finished(Outcome.CANCELED), TaskState.SYSTEM_ERROR),
    "lost meanwhile": (Finished(Outcome.LOST), TaskState.SYSTEM_ERROR),
    "released by a successor": (Released(), TaskState.SYSTEM_ERROR),
    "complete before it was stopped": (Finished(Outcome.COMPLETE), TaskState.COMPLETE),
    "failed before it was stopped": (FAILED, TaskState.EXECUTOR_ERROR),
}


@pytest.mark.parametrize(("payload", "state"), ENDS.values(), ids=ENDS)
def test_an_attempt_that_is_stopped_ends_the_task(
    payload: EventPayload, state: TaskState
) -> None:
    record = runs(retry_on_exit_codes="1-255").replaced(stop=STOPPED)

    effect = applied(record, ended(7), payload)

    assert effect.record.state is state
    if state is TaskState.SYSTEM_ERROR:
        assert effect.record.reason.code is ReasonCode.RUN_TIME_EXCEEDED
        assert effect.lines == ("ran for too long",)
