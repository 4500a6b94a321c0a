"""Orders to a taskmaster: run, cancel, reassign and release an attempt."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fakes.taskmaster_runtime import Step, ended
from taskmasters.running import (
    ATTEMPT,
    INPUTS,
    OUTPUTS,
    SETTINGS,
    TaskmasterHarness,
    assignment,
    commands,
    kinds,
    outcome,
    running,
    steps,
)
from tesk_model.events import (
    ExecutorEnded,
    ExecutorStarted,
    Finished,
    Outcome,
    ReasonChanged,
    Released,
    TaskEvent,
)
from tesk_model.names import Attempt
from tesk_model.reasons import Reason, ReasonCode
from tesk_model.task import TaskId
from tesk_model.upload_retries import UploadRetries
from tesk_taskmaster.domain.assignment import Stop, StopReason


def test_a_cancel_stops_and_deletes_before_it_is_reported(
    harness: TaskmasterHarness,
) -> None:
    there_at_finish: list[bool] = []

    def look(event: TaskEvent) -> None:
        if isinstance(event.payload, Finished):
            there_at_finish.append(ATTEMPT in harness.state.steps)

    harness.scheduler.on_event = look
    harness.scheduler.assign(assignment(commands("sleep", "true", outputs=OUTPUTS)))
    harness.scheduler.wait_for(ATTEMPT, ExecutorStarted)
    harness.scheduler.stop(Stop(ATTEMPT, StopReason.CANCELED))
    harness.scheduler.wait_for(ATTEMPT, Released)

    told = list(harness.scheduler.payloads(ATTEMPT))
    assert kinds(told) == [ExecutorStarted, ExecutorEnded, Finished, Released]
    assert isinstance(told[1], ExecutorEnded)
    assert told[1].exit_code == 143
    assert outcome(told) == Finished(Outcome.CANCELED)
    assert there_at_finish == [False]
    assert steps(harness) == ["x0"]


def test_a_cancel_ends_a_transfer(harness: TaskmasterHarness) -> None:
    harness.state.filer_codes.append(None)
    harness.scheduler.assign(assignment(commands("true", inputs=INPUTS)))
    harness.state.wait_started(ATTEMPT, "in")
    harness.scheduler.stop(Stop(ATTEMPT, StopReason.CANCELED))
    harness.scheduler.wait_for(ATTEMPT, Released)

    assert outcome(list(harness.scheduler.payloads(ATTEMPT))) == Finished(
        Outcome.CANCELED
    )
    assert steps(harness) == ["in"]


def test_it_goes_on_after_a_transfer_that_the_scheduler_knows_to_have_succeeded(
    harness: TaskmasterHarness,
) -> None:
    harness.state.filer_codes.extend([None, None])
    harness.scheduler.assign(
        assignment(commands("true", inputs=INPUTS, outputs=OUTPUTS))
    )
    harness.state.wait_started(ATTEMPT, "in")
    harness.scheduler.conclude(Attempt(TaskId("unknown"), 1), "inputs")
    harness.scheduler.conclude(ATTEMPT, "inputs")
    harness.state.wait_started(ATTEMPT, "out")
    harness.scheduler.conclude(ATTEMPT, "outputs")
    harness.scheduler.wait_for(ATTEMPT, Released)

    told = list(harness.scheduler.payloads(ATTEMPT))
    assert outcome(told) == Finished(Outcome.COMPLETE)
    assert steps(harness) == ["in", "x0", "out"]


def test_a_cancel_ends_a_wait_for_an_image(harness: TaskmasterHarness) -> None:
    class Pulling(list[str]):
        """Layers without end."""

        def __iter__(self) -> Iterator[str]:
            number = 0
            while True:
                number += 1
                yield f"layer {number}"
                if number == 3:
                    harness.scheduler.stop(Stop(ATTEMPT, StopReason.CANCELED))

    harness.state.says["x0"] = Pulling()
    told = harness.finish(assignment())

    assert outcome(told) == Finished(Outcome.CANCELED)
    assert steps(harness) == []


def test_a_reassigned_attempt_is_left_as_it_is(harness: TaskmasterHarness) -> None:
    harness.scheduler.assign(assignment(commands("sleep")))
    harness.scheduler.wait_for(ATTEMPT, ExecutorStarted)
    harness.scheduler.refuse(ATTEMPT)
    harness.scheduler.stop(Stop(ATTEMPT, StopReason.REASSIGNED))
    harness.state.print(ATTEMPT, "x0", b"more")  # the thread wakes and sees the order
    harness.stop.set()

    assert harness.join()
    assert list(harness.state.steps) == [ATTEMPT]
    assert harness.runtime.released == []


def test_a_refused_attempt_is_left_as_it_is(harness: TaskmasterHarness) -> None:
    harness.scheduler.assign(assignment(commands("sleep")))
    harness.scheduler.wait_for(ATTEMPT, ExecutorStarted)
    harness.scheduler.refuse(ATTEMPT)
    harness.state.finish(ATTEMPT, "x0")

    other = Attempt(TaskId("t2"), 1)
    harness.finish(assignment(attempt=other))  # the others go on

    assert harness.runtime.released == [other]
    assert ATTEMPT in harness.state.steps


def test_an_ended_attempt_is_only_released(harness: TaskmasterHarness) -> None:
    harness.state.steps[ATTEMPT] = {}

    told = harness.finish(assignment(release_only=True, last_sequence=4))

    assert kinds(told) == [Released]
    assert steps(harness) == []
    assert harness.runtime.released == [ATTEMPT]


def test_a_successor_adopts_the_running_step(harness: TaskmasterHarness) -> None:
    first = TaskmasterHarness(state=harness.state)
    with running(first):
        first.scheduler.assign(assignment(commands("true", "sleep", "true")))
        harness.state.wait_started(ATTEMPT, "x1")
        first.scheduler.wait_for(ATTEMPT, ExecutorEnded)
        first.stop.set()
        assert first.join()

    harness.scheduler.assign(
        assignment(
            commands("true", "sleep", "true"),
            finished_executors={0: 0},
            last_sequence=3,
        )
    )
    harness.scheduler.wait_for(ATTEMPT, ExecutorStarted)
    harness.state.finish(ATTEMPT, "x1")
    harness.scheduler.wait_for(ATTEMPT, Released)

    assert steps(harness) == ["x0", "x1", "x2"]
    assert (
        outcome(list(harness.scheduler.payloads(ATTEMPT))).outcome is Outcome.COMPLETE
    )


def test_a_successor_goes_on_with_the_last_try_of_outputs(
    harness: TaskmasterHarness,
) -> None:
    harness.state.steps[ATTEMPT] = {"out": Step(ended(75)), "out-1": Step()}
    task = commands("true", outputs=OUTPUTS)
    harness.scheduler.assign(
        assignment(task, last_sequence=9, finished_executors={0: 0})
    )
    harness.scheduler.wait_for(ATTEMPT, ReasonChanged)
    harness.state.finish(ATTEMPT, "out-1", 75)
    harness.scheduler.wait_for(ATTEMPT, Released)

    assert steps(harness) == ["out-2"]
    assert (
        outcome(list(harness.scheduler.payloads(ATTEMPT))).outcome is Outcome.COMPLETE
    )


def test_a_successor_counts_from_the_first_failure_of_outputs(
    harness: TaskmasterHarness,
) -> None:
    harness.state.steps[ATTEMPT] = {"out": Step(ended(75))}
    task = commands("true", outputs=OUTPUTS)
    first = datetime.now(UTC) - SETTINGS.attempts.uploads.timeout

    told = harness.finish(
        assignment(
            task, last_sequence=9, finished_executors={0: 0}, held_up_since=first
        )
    )

    assert steps(harness) == []
    assert "the outputs could not be uploaded" in outcome(told).reason.text
    reasons = [what for what in told if isinstance(what, ReasonChanged)]
    assert {reason.held_up_since for reason in reasons} == {first}


def test_a_cancel_ends_the_wait_for_another_try(harness: TaskmasterHarness) -> None:
    harness.taskmaster.settings = replace(
        SETTINGS,
        attempts=replace(
            SETTINGS.attempts,
            uploads=UploadRetries(
                tries=2,
                timeout=timedelta(hours=1),
                backoff=timedelta(minutes=10),
                max_backoff=timedelta(minutes=10),
            ),
        ),
    )
    harness.state.filer_codes += (75,)
    waits = threading.Event()

    def look(event: TaskEvent) -> None:
        what = event.payload
        if isinstance(what, ReasonChanged) and "try 2 of 2" in what.reason.text:
            waits.set()

    harness.scheduler.on_event = look
    harness.scheduler.assign(assignment(commands("true", outputs=OUTPUTS)))
    assert waits.wait(30)
    harness.scheduler.stop(Stop(ATTEMPT, StopReason.CANCELED))
    harness.scheduler.wait_for(ATTEMPT, Released)

    assert (
        outcome(list(harness.scheduler.payloads(ATTEMPT))).outcome is Outcome.CANCELED
    )


RESUMED: dict[str, tuple[dict[str, Any], list[str], Outcome]] = {
    "inputs are not brought twice": (
        {"inputs_finished": True},
        ["x0", "x1", "out"],
        Outcome.COMPLETE,
    ),
    "an executor that failed still fails the task": (
        {"inputs_finished": True, "finished_executors": {0: 3}},
        ["out"],
        Outcome.EXECUTOR_ERROR,
    ),
    "outputs are not stored twice": (
        {
            "inputs_finished": True,
            "finished_executors": {0: 0, 1: 0},
            "outputs_finished": True,
        },
        [],
        Outcome.COMPLETE,
    ),
}


@pytest.mark.parametrize(("known", "steps_left", "want"), RESUMED.values(), ids=RESUMED)
def test_finished_steps_are_not_repeated(
    harness: TaskmasterHarness,
    known: dict[str, Any],
    steps_left: list[str],
    want: Outcome,
) -> None:
    harness.state.steps[ATTEMPT] = {}
    task = commands("true", "true", inputs=INPUTS, outputs=OUTPUTS)

    told = harness.finish(assignment(task, last_sequence=9, **known))

    assert steps(harness) == steps_left
    assert outcome(told).outcome is want


def test_an_executor_that_started_and_is_gone_is_lost(
    harness: TaskmasterHarness,
) -> None:
    harness.state.steps[ATTEMPT] = {}

    told = harness.finish(
        assignment(
            commands("true", "true", "true", outputs=OUTPUTS),
            finished_executors={0: 0},
            started_executors=frozenset({0, 1}),
            last_sequence=4,
        )
    )

    assert steps(harness) == []
    assert outcome(told) == Finished(
        Outcome.LOST, Reason(ReasonCode.NONE, "x1 lost: nothing is left of it")
    )


def test_an_attempt_whose_files_are_gone_is_lost(harness: TaskmasterHarness) -> None:
    told = harness.finish(
        assignment(commands("true", inputs=INPUTS), inputs_finished=True)
    )

    assert outcome(told).outcome is Outcome.LOST
