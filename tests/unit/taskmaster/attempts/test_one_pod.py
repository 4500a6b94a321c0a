"""Attempts whose steps lie in one pod: all start with the first, none starts again."""

from dataclasses import replace

import pytest

from builders.tasks import make_executor
from fakes.taskmaster_runtime import Step, ended
from taskmasters.running import (
    ATTEMPT,
    INPUTS,
    OUTPUTS,
    TaskmasterHarness,
    assignment,
    commands,
    outcome,
    steps,
)
from tesk_model.events import Finished, Metadata, Notice, Outcome
from tesk_model.reasons import Reason, ReasonCode
from tesk_model.task import Input, Task
from tesk_taskmaster.domain.layouts import Layout, LayoutChoice, Order
from tesk_taskmaster.domain.termination import StepResult
from tesk_taskmaster.ports import StepFailedError

POD = LayoutChoice(layout=Layout.POD, order=Order.TOGETHER, why="as the task asks")


@pytest.fixture(autouse=True)
def in_one_pod(harness: TaskmasterHarness) -> None:
    harness.state.layout = POD


def task() -> Task:
    return commands("true", "true", inputs=INPUTS, outputs=OUTPUTS)


def test_the_layout_is_told(harness: TaskmasterHarness) -> None:
    told = harness.finish(assignment(task()))

    assert Notice("layout: pod, together (as the task asks)") in told
    assert Metadata({"layout": "pod, together"}) in told
    assert outcome(told).outcome is Outcome.COMPLETE
    assert steps(harness) == ["in", "x0", "x1", "out"]


def test_outputs_that_cannot_begin_are_not_tried_again(
    harness: TaskmasterHarness,
) -> None:
    code = ReasonCode.CONTAINER_START_FAILED
    harness.state.failures["out"] = StepFailedError("no such file", code=code)

    told = harness.finish(assignment(task()))

    want = Finished(Outcome.SYSTEM_ERROR, Reason(code, "no such file"))
    assert outcome(told) == want
    assert steps(harness) == ["in", "x0", "x1"]


def test_nothing_is_told_where_nothing_is_chosen(harness: TaskmasterHarness) -> None:
    harness.state.layout = None

    told = harness.finish(assignment(task()))

    assert not any(isinstance(what, Metadata | Notice) for what in told)


@pytest.mark.parametrize(
    ("is_adopted", "last_sequence", "count"),
    [(False, 3, 1), (True, 0, 1), (True, 3, 0)],
    ids=["nothing has begun", "nothing was reported", "steps have begun"],
)
def test_a_successor_tells_the_layout_unless_that_was_done(
    harness: TaskmasterHarness, *, is_adopted: bool, last_sequence: int, count: int
) -> None:
    harness.state.layout = replace(POD, is_adopted=is_adopted)

    told = harness.finish(assignment(task(), last_sequence=last_sequence))

    line = Notice("layout: pod, together (as the task asks)")
    assert told.count(line) == count
    assert Metadata({"layout": "pod, together"}) in told


def mounts(harness: TaskmasterHarness, at: int) -> list[list[str]]:
    plan = harness.state.plans[at]
    return [[mount.path for mount in step.mounts] for step in plan.executors]


def test_all_images_are_inspected_before_the_first_step(
    harness: TaskmasterHarness,
) -> None:
    harness.state.occupied.add("/app")
    images = tuple(make_executor(image=name, command=("true",)) for name in "abc")
    body = commands("true", inputs=(Input(path="/app/in", content="x"),))

    harness.finish(assignment(replace(body, executors=images)))

    assert [image for image, _ in harness.state.inspected] == ["a", "b", "c"]
    assert mounts(harness, 0) == mounts(harness, -1) == [["/app/in"]] * 3


def test_a_successor_inspects_nothing_of_what_has_been_started(
    harness: TaskmasterHarness,
) -> None:
    harness.state.steps[ATTEMPT] = {"in": Step(ended(0)), "x0": Step(ended(0))}
    harness.state.layout = replace(POD, is_adopted=True)

    told = harness.finish(assignment(task(), last_sequence=3, inputs_finished=True))

    assert outcome(told).outcome is Outcome.COMPLETE
    assert harness.state.inspected == []
    assert steps(harness) == ["x1", "out"]
    assert not any(isinstance(what, Notice) for what in told)


def test_results_of_a_pod_that_is_gone_are_not_computed_anew_in_the_attempt(
    harness: TaskmasterHarness,
) -> None:
    harness.state.steps[ATTEMPT] = {}

    told = harness.finish(
        assignment(task(), last_sequence=3, finished_executors={0: 0})
    )

    assert outcome(told).outcome is Outcome.LOST
    assert outcome(told).reason.text == "the results of its earlier steps are gone"
    assert steps(harness) == []


LOSS = StepResult(exit_code=255, error="the transfer of inputs lost: x", lost=True)


@pytest.mark.parametrize("step", ["in", "out"])
def test_a_transfer_that_is_lost_loses_the_attempt(
    harness: TaskmasterHarness, step: str
) -> None:
    harness.state.results[step] = LOSS

    told = harness.finish(assignment(task()))

    assert outcome(told).outcome is Outcome.LOST
    assert outcome(told).reason.text == LOSS.error
    assert steps(harness).count(step) == 1


@pytest.mark.parametrize(
    ("codes", "end", "words"),
    [
        ([75], Outcome.LOST, "the inputs did not arrive this time"),
        ([65], Outcome.SYSTEM_ERROR, "the inputs failed to arrive"),
        ([1], Outcome.LOST, "the transfer of inputs crashed"),
        ([0, 75], Outcome.SYSTEM_ERROR, "the outputs did not arrive this time"),
        ([0, 65], Outcome.SYSTEM_ERROR, "the outputs failed to arrive"),
        ([0, 1], Outcome.LOST, "the transfer of outputs crashed"),
    ],
)
def test_a_transfer_is_not_tried_again(
    harness: TaskmasterHarness, codes: list[int], end: Outcome, words: str
) -> None:
    harness.state.filer_codes.extend(codes)

    told = harness.finish(assignment(task()))

    assert (outcome(told).outcome, outcome(told).reason.text) == (end, words)
    assert steps(harness).count("out") == len(codes) - 1


@pytest.mark.parametrize("code", [1, 65, 75])
def test_a_failed_command_is_what_is_told_of_a_task_that_cannot_upload(
    harness: TaskmasterHarness, code: int
) -> None:
    harness.state.filer_codes.extend([0, code])

    told = harness.finish(assignment(commands("false", inputs=INPUTS, outputs=OUTPUTS)))

    assert outcome(told).outcome is Outcome.EXECUTOR_ERROR
    assert steps(harness) == ["in", "x0", "out"]
