"""A cancel of an attempt whose step does not stop."""

from dataclasses import replace
from datetime import timedelta

import pytest

from taskmasters.running import (
    ATTEMPT,
    INPUTS,
    SETTINGS,
    TaskmasterHarness,
    assignment,
    commands,
    outcome,
)
from tesk_model.events import Finished, Outcome, Released
from tesk_model.task import Task
from tesk_taskmaster.domain.assignment import Stop, StopReason
from tesk_taskmaster.ports import StepFailedError

# A task, and its step that does not stop.
UNSTOPPABLE: dict[str, tuple[Task, str]] = {
    "an executor": (commands("sleep"), "x0"),
    "a filer": (commands("true", inputs=INPUTS), "in"),
}


@pytest.mark.parametrize("error", [StepFailedError("it does not end"), OSError("bug")])
@pytest.mark.parametrize(("task", "step"), UNSTOPPABLE.values(), ids=UNSTOPPABLE)
def test_a_cancel_deletes_what_it_cannot_stop(
    harness: TaskmasterHarness, task: Task, step: str, error: Exception
) -> None:
    often = replace(SETTINGS.attempts, live_interval=timedelta(milliseconds=1))
    harness.taskmaster.settings = replace(SETTINGS, attempts=often)
    harness.state.filer_codes.append(None)
    harness.state.stop_failures.append(error)
    harness.scheduler.assign(assignment(task))
    harness.state.wait_started(ATTEMPT, step)
    harness.scheduler.stop(Stop(ATTEMPT, StopReason.CANCELED))
    harness.scheduler.wait_for(ATTEMPT, Released)

    assert outcome(list(harness.scheduler.payloads(ATTEMPT))) == Finished(
        Outcome.CANCELED
    )
    assert harness.runtime.released == [ATTEMPT]
