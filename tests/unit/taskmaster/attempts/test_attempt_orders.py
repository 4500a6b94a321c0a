"""What a taskmaster does with an attempt that it is to end, leave or take up."""

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
    Crew,
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
from tesk_taskmaster.domain.assignment import Stop, StopReason
from tesk_taskmaster.domain.upload_retries import UploadRetries


def test_a_cancel_stops_and_deletes_before_it_is_told(crew: Crew) -> None:
    there_at_finish: list[bool] = []

    def look(event: TaskEvent) -> None:
        if isinstance(event.payload, Finished):
            there_at_finish.append(ATTEMPT in crew.runtime.attempts())

    crew.scheduler.on_event = look
    crew.scheduler.assign(assignment(commands("sleep", "true", outputs=OUTPUTS)))
    crew.scheduler.wait_for(ATTEMPT, ExecutorStarted)
    crew.scheduler.stop(Stop(ATTEMPT, StopReason.CANCELED))
    crew.scheduler.wait_for(ATTEMPT, Released)

    told = list(crew.scheduler.whats(ATTEMPT))
    assert kinds(told) == [ExecutorStarted, ExecutorEnded, Finished, Released]
    assert isinstance(told[1], ExecutorEnded)
    assert told[1].exit_code == 143
    assert outcome(told) == Finished(Outcome.CANCELED)
    assert there_at_finish == [False]
    assert steps(crew) == ["x0"]


def test_a_cancel_ends_a_transfer(crew: Crew) -> None:
    crew.world.filer_codes.append(None)
    crew.scheduler.assign(assignment(commands("true", inputs=INPUTS)))
    crew.world.wait_started(ATTEMPT, "in")
    crew.scheduler.stop(Stop(ATTEMPT, StopReason.CANCELED))
    crew.scheduler.wait_for(ATTEMPT, Released)

    assert outcome(list(crew.scheduler.whats(ATTEMPT))) == Finished(Outcome.CANCELED)
    assert steps(crew) == ["in"]


def test_a_cancel_ends_a_wait_for_an_image(crew: Crew) -> None:
    class Pulling(list[str]):
        """Layers without end."""

        def __iter__(self) -> Iterator[str]:
            number = 0
            while True:
                number += 1
                yield f"layer {number}"
                if number == 3:
                    crew.scheduler.stop(Stop(ATTEMPT, StopReason.CANCELED))

    crew.world.says["x0"] = Pulling()
    told = crew.finish(assignment())

    assert outcome(told) == Finished(Outcome.CANCELED)
    assert steps(crew) == []


def test_a_reassigned_attempt_is_left_as_it_is(crew: Crew) -> None:
    crew.scheduler.assign(assignment(commands("sleep")))
    crew.scheduler.wait_for(ATTEMPT, ExecutorStarted)
    crew.scheduler.refuse(ATTEMPT)
    crew.scheduler.stop(Stop(ATTEMPT, StopReason.REASSIGNED))
    crew.world.print(ATTEMPT, "x0", b"more")  # the thread wakes and sees the order
    crew.stop.set()

    assert crew.join()
    assert crew.runtime.attempts() == [ATTEMPT]
    assert crew.runtime.released == []


def test_a_refused_attempt_is_left_as_it_is(crew: Crew) -> None:
    crew.scheduler.assign(assignment(commands("sleep")))
    crew.scheduler.wait_for(ATTEMPT, ExecutorStarted)
    crew.scheduler.refuse(ATTEMPT)
    crew.world.finish(ATTEMPT, "x0")

    other = Attempt(TaskId("t2"), 1)
    crew.finish(assignment(attempt=other))  # the others go on

    assert crew.runtime.released == [other]
    assert ATTEMPT in crew.runtime.attempts()


def test_an_ended_attempt_is_only_released(crew: Crew) -> None:
    crew.world.steps[ATTEMPT] = {}

    told = crew.finish(assignment(release_only=True, last_sequence=4))

    assert kinds(told) == [Released]
    assert steps(crew) == []
    assert crew.runtime.released == [ATTEMPT]


def test_a_successor_adopts_the_running_step(crew: Crew) -> None:
    first = Crew(world=crew.world)
    with running(first):
        first.scheduler.assign(assignment(commands("true", "sleep", "true")))
        crew.world.wait_started(ATTEMPT, "x1")
        first.scheduler.wait_for(ATTEMPT, ExecutorEnded)
        first.stop.set()
        assert first.join()

    crew.scheduler.assign(
        assignment(
            commands("true", "sleep", "true"),
            finished_executors={0: 0},
            last_sequence=3,
        )
    )
    crew.scheduler.wait_for(ATTEMPT, ExecutorStarted)
    crew.world.finish(ATTEMPT, "x1")
    crew.scheduler.wait_for(ATTEMPT, Released)

    assert steps(crew) == ["x0", "x1", "x2"]
    assert outcome(list(crew.scheduler.whats(ATTEMPT))).outcome is Outcome.COMPLETE


def test_a_successor_goes_on_with_the_last_try_of_outputs(crew: Crew) -> None:
    crew.world.steps[ATTEMPT] = {"out": Step(ended(75)), "out-1": Step()}
    task = commands("true", outputs=OUTPUTS)
    crew.scheduler.assign(assignment(task, last_sequence=9, finished_executors={0: 0}))
    crew.scheduler.wait_for(ATTEMPT, ReasonChanged)
    crew.world.finish(ATTEMPT, "out-1", 75)
    crew.scheduler.wait_for(ATTEMPT, Released)

    assert steps(crew) == ["out-2"]
    assert outcome(list(crew.scheduler.whats(ATTEMPT))).outcome is Outcome.COMPLETE


def test_a_successor_counts_from_the_first_failure_of_outputs(crew: Crew) -> None:
    crew.world.steps[ATTEMPT] = {"out": Step(ended(75))}
    task = commands("true", outputs=OUTPUTS)
    first = datetime.now(UTC) - SETTINGS.attempts.uploads.timeout

    told = crew.finish(
        assignment(
            task, last_sequence=9, finished_executors={0: 0}, held_up_since=first
        )
    )

    assert steps(crew) == []
    assert "tried 1 times" in outcome(told).reason.text
    reasons = [what for what in told if isinstance(what, ReasonChanged)]
    assert {reason.held_up_since for reason in reasons} == {first}


def test_a_cancel_ends_the_wait_for_another_try(crew: Crew) -> None:
    crew.taskmaster.settings = replace(
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
    crew.world.filer_codes += (75,)
    waits = threading.Event()

    def look(event: TaskEvent) -> None:
        what = event.payload
        if isinstance(what, ReasonChanged) and "try 2 of 2" in what.reason.text:
            waits.set()

    crew.scheduler.on_event = look
    crew.scheduler.assign(assignment(commands("true", outputs=OUTPUTS)))
    assert waits.wait(30)
    crew.scheduler.stop(Stop(ATTEMPT, StopReason.CANCELED))
    crew.scheduler.wait_for(ATTEMPT, Released)

    assert outcome(list(crew.scheduler.whats(ATTEMPT))).outcome is Outcome.CANCELED


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
    crew: Crew, known: dict[str, Any], steps_left: list[str], want: Outcome
) -> None:
    crew.world.steps[ATTEMPT] = {}
    task = commands("true", "true", inputs=INPUTS, outputs=OUTPUTS)

    told = crew.finish(assignment(task, last_sequence=9, **known))

    assert steps(crew) == steps_left
    assert outcome(told).outcome is want


def test_an_executor_that_started_and_is_gone_is_lost(crew: Crew) -> None:
    crew.world.steps[ATTEMPT] = {}

    told = crew.finish(
        assignment(
            commands("true", "true", "true", outputs=OUTPUTS),
            finished_executors={0: 0},
            started_executors=frozenset({0, 1}),
            last_sequence=4,
        )
    )

    assert steps(crew) == []
    assert outcome(told) == Finished(
        Outcome.LOST, Reason(ReasonCode.NONE, "x1 lost: nothing is left of it")
    )


def test_an_attempt_whose_files_are_gone_is_lost(crew: Crew) -> None:
    told = crew.finish(
        assignment(commands("true", inputs=INPUTS), inputs_finished=True)
    )

    assert outcome(told).outcome is Outcome.LOST
