"""Steps that fail, are lost or end badly, and what the attempt makes of it."""

import pytest

from fakes.taskmaster_runtime import Step
from taskmasters.running import (
    ATTEMPT,
    OUTPUTS,
    TaskmasterHarness,
    assignment,
    commands,
    kinds,
    outcome,
    steps,
)
from tesk_model.attempt_parameters import parse_exit_codes
from tesk_model.events import (
    ExecutorEnded,
    ExecutorOutput,
    Finished,
    Notice,
    Outcome,
    ReasonChanged,
    Released,
)
from tesk_model.reasons import Reason, ReasonCode
from tesk_taskmaster.domain.assignment import NOTHING_REPEATED, RepeatedFailures
from tesk_taskmaster.domain.termination import StepResult
from tesk_taskmaster.ports import StepFailedError


def test_retries_of_an_upload_are_reported_with_their_cause(
    harness: TaskmasterHarness,
) -> None:
    harness.state.filer_codes += (75, 0)

    told = harness.finish(assignment(commands("true", outputs=OUTPUTS)))

    reasons = [what for what in told if isinstance(what, ReasonChanged)]
    (waits,) = [each for each in reasons if "try 2 of 3 in" in each.reason.text]
    assert waits.held_up_since is not None
    assert {each.held_up_since for each in reasons} == {None, waits.held_up_since}
    assert Notice("the outputs were uploaded at try 2") in told


def test_a_step_that_cannot_start_is_tried_again_for_outputs(
    harness: TaskmasterHarness,
) -> None:
    harness.state.failures["out"] = StepFailedError("no node", lost=True)

    told = harness.finish(assignment(commands("true", outputs=OUTPUTS)))

    assert steps(harness) == ["x0", "out-1"]
    assert outcome(told) == Finished(Outcome.COMPLETE)


HELD_UP = [
    ReasonCode.POD_REFUSED,
    ReasonCode.CLUSTER_QUOTA_FULL,
    ReasonCode.VOLUME_UNAVAILABLE,
    ReasonCode.IMAGE_PULL_FAILED,
    ReasonCode.CONTAINER_START_FAILED,
]


@pytest.mark.parametrize("code", HELD_UP)
def test_outputs_are_tried_again_if_their_filer_cannot_begin(
    harness: TaskmasterHarness, code: ReasonCode
) -> None:
    error = StepFailedError("it cannot begin", code=code)
    harness.state.failures |= {"out": error, "out-1": error}

    told = harness.finish(assignment(commands("true", outputs=OUTPUTS)))

    assert steps(harness) == ["x0", "out-2"]
    assert outcome(told) == Finished(Outcome.COMPLETE)
    waits = [what.reason for what in told if isinstance(what, ReasonChanged)]
    assert [reason.text for reason in waits if reason.code is code] == [
        "the outputs could not be uploaded yet (it cannot begin); try 2 of 3 in 0 s",
        "the outputs could not be uploaded yet (it cannot begin); try 3 of 3 in 0 s",
    ]
    assert Notice("the outputs were uploaded at try 3") in told


def test_outputs_are_tried_again_if_the_container_of_their_filer_fails_to_start(
    harness: TaskmasterHarness,
) -> None:
    code = ReasonCode.CONTAINER_START_FAILED
    harness.state.results["out"] = StepResult(
        exit_code=255, error="no such file", code=code
    )

    told = harness.finish(assignment(commands("true", outputs=OUTPUTS)))

    assert steps(harness) == ["x0", "out", "out-1"]
    assert outcome(told) == Finished(Outcome.COMPLETE)


def test_outputs_whose_filer_never_begins_are_given_up(
    harness: TaskmasterHarness,
) -> None:
    refused = ReasonCode.POD_REFUSED
    error = StepFailedError("the cluster refuses it", code=refused)
    harness.state.failures |= dict.fromkeys(("out", "out-1", "out-2"), error)

    told = harness.finish(assignment(commands("true", outputs=OUTPUTS)))

    text = "the outputs could not be uploaded, tried 3 times: the cluster refuses it"
    assert outcome(told) == Finished(Outcome.SYSTEM_ERROR, Reason(refused, text))


@pytest.mark.parametrize(
    "code", [ReasonCode.IMAGE_INVALID, ReasonCode.TASK_INVALID, ReasonCode.NONE]
)
def test_outputs_are_not_tried_again_after_what_cannot_pass(
    harness: TaskmasterHarness, code: ReasonCode
) -> None:
    harness.state.failures["out"] = StepFailedError("it is invalid", code=code)

    told = harness.finish(assignment(commands("true", outputs=OUTPUTS)))

    assert steps(harness) == ["x0"]
    want = Finished(Outcome.SYSTEM_ERROR, Reason(code, "it is invalid"))
    assert outcome(told) == want


def test_only_a_lost_volume_makes_the_command_run_again(
    harness: TaskmasterHarness,
) -> None:
    harness.state.failures["out"] = StepFailedError(
        "deleted", lost=True, volume_lost=True
    )

    told = harness.finish(assignment(commands("true", outputs=OUTPUTS)))

    assert outcome(told) == Finished(Outcome.LOST, Reason(ReasonCode.NONE, "deleted"))


FAILURES = {
    "an image that does not exist": (
        "x0",
        StepFailedError("image x: not found", code=ReasonCode.IMAGE_PULL_FAILED),
        Finished(
            Outcome.SYSTEM_ERROR,
            Reason(ReasonCode.IMAGE_PULL_FAILED, "image x: not found"),
        ),
    ),
    "a machine that is out of memory": (
        "prepare",
        StepFailedError("no memory", lost=True),
        Finished(Outcome.LOST, Reason(ReasonCode.NONE, "no memory")),
    ),
}


@pytest.mark.parametrize(("step", "error", "want"), FAILURES.values(), ids=FAILURES)
def test_a_step_that_cannot_start_ends_the_attempt(
    harness: TaskmasterHarness, step: str, error: StepFailedError, want: Finished
) -> None:
    harness.state.failures[step] = error

    assert outcome(harness.finish(assignment())) == want


def test_an_executor_that_vanished_loses_the_attempt(
    harness: TaskmasterHarness,
) -> None:
    harness.state.results["x0"] = StepResult(exit_code=137, error="gone", lost=True)

    told = harness.finish(assignment())

    assert outcome(told) == Finished(Outcome.LOST, Reason(ReasonCode.NONE, "gone"))
    assert ExecutorEnded not in kinds(told)


def test_output_of_a_lost_executor_is_reported(harness: TaskmasterHarness) -> None:
    harness.scheduler.assign(assignment(commands("sleep")))
    harness.state.wait_started(ATTEMPT, "x0")
    with harness.state.changed:
        step = harness.state.steps[ATTEMPT]["x0"]
        step.stdout = b"so far"
        step.result = StepResult(exit_code=255, error="gone", lost=True)
        harness.state.changed.notify_all()

    harness.scheduler.wait_for(ATTEMPT, Released)

    told = harness.scheduler.payloads(ATTEMPT)
    assert ExecutorOutput(0, "so far", "") in told
    assert outcome(told) == Finished(Outcome.LOST, Reason(ReasonCode.NONE, "gone"))


def test_unreadable_output_is_reported_and_keeps_earlier_output(
    harness: TaskmasterHarness,
) -> None:
    harness.scheduler.assign(assignment(commands("sleep")))
    harness.state.wait_started(ATTEMPT, "x0")
    harness.state.print(ATTEMPT, "x0", b"so far")
    harness.scheduler.wait_for(ATTEMPT, ExecutorOutput)
    with harness.state.changed:
        step = harness.state.steps[ATTEMPT]["x0"]
        step.stdout, step.unread = b"", "the log is gone"
        harness.state.changed.notify_all()
    harness.state.finish(ATTEMPT, "x0")

    harness.scheduler.wait_for(ATTEMPT, Released)

    told = harness.scheduler.payloads(ATTEMPT)
    said = "executors[0]: not all that it printed could be read: the log is gone"
    assert Notice(said) in told
    outputs = [what for what in told if isinstance(what, ExecutorOutput)]
    assert outputs == [ExecutorOutput(0, "so far", "")]


def test_a_lack_of_memory_has_a_code_of_its_own(harness: TaskmasterHarness) -> None:
    code = ReasonCode.OUT_OF_MEMORY
    harness.state.results["x0"] = StepResult(exit_code=137, code=code)

    told = harness.finish(assignment())

    assert outcome(told) == Finished(
        Outcome.EXECUTOR_ERROR, Reason(code, "executors[0] ended with exit code 137")
    )


SHORT = StepResult(exit_code=137, code=ReasonCode.OUT_OF_MEMORY)


# What is left of an executor that has ended, and what its task ends with.
LEFT = {
    "its result": (SHORT, ReasonCode.OUT_OF_MEMORY),
    "nothing": (None, ReasonCode.EXECUTOR_FAILED),
    "a pod that has lost its result": (
        StepResult(exit_code=255, error="gone", lost=True),
        ReasonCode.EXECUTOR_FAILED,
    ),
}


@pytest.mark.parametrize(("left", "want"), LEFT.values(), ids=LEFT)
def test_a_successor_knows_of_a_lack_of_memory_what_is_left_to_know(
    harness: TaskmasterHarness, left: StepResult | None, want: ReasonCode
) -> None:
    harness.state.steps[ATTEMPT] = {} if left is None else {"x0": Step(left)}
    killed = assignment(
        commands("true", outputs=OUTPUTS),
        last_sequence=3,
        started_executors=frozenset({0}),
        finished_executors={0: 137},
    )

    told = harness.finish(killed)

    assert steps(harness) == ["out"]
    assert outcome(told) == Finished(
        Outcome.EXECUTOR_ERROR, Reason(want, "executors[0] ended with exit code 137")
    )


def test_a_successor_uploads_nothing_of_a_lack_of_memory_that_is_repeated(
    harness: TaskmasterHarness,
) -> None:
    harness.state.steps[ATTEMPT] = {"x0": Step(SHORT)}

    harness.finish(
        assignment(
            commands("true", outputs=OUTPUTS),
            last_sequence=3,
            started_executors=frozenset({0}),
            finished_executors={0: 137},
            repeated=BY_MEMORY,
        )
    )

    assert steps(harness) == []


FAILED = StepResult(exit_code=7)


BY_CODE = RepeatedFailures(exit_codes=parse_exit_codes("1-9"))


BY_MEMORY = RepeatedFailures(out_of_memory=True)


REPEATS = {
    "by its code": (FAILED, BY_CODE, ["x0"]),
    "for want of memory": (SHORT, BY_MEMORY, ["x0"]),
    "not for that": (FAILED, BY_MEMORY, ["x0", "out"]),
    "not with that code": (SHORT, BY_CODE, ["x0", "out"]),
    "never": (FAILED, NOTHING_REPEATED, ["x0", "out"]),
}


@pytest.mark.parametrize(("result", "repeated", "want"), REPEATS.values(), ids=REPEATS)
def test_nothing_is_uploaded_of_a_failure_that_is_repeated(
    harness: TaskmasterHarness,
    result: StepResult,
    repeated: RepeatedFailures,
    want: list[str],
) -> None:
    harness.state.results["x0"] = result

    task = commands("true", outputs=OUTPUTS)
    told = harness.finish(assignment(task, repeated=repeated))

    assert steps(harness) == want
    assert outcome(told).outcome is Outcome.EXECUTOR_ERROR
