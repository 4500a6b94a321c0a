"""The steps of an attempt in order, and their reports."""

from dataclasses import dataclass
from typing import Any

import pytest

from builders.tasks import make_assigned_task, make_executor
from fakes.taskmaster_runtime import Step
from taskmasters.running import (
    ATTEMPT,
    INPUTS,
    OUTPUTS,
    TaskmasterHarness,
    assignment,
    commands,
    kinds,
    outcome,
    steps,
)
from tesk_model.events import (
    ExecutorEnded,
    ExecutorOutput,
    ExecutorStarted,
    Finished,
    Metadata,
    Notice,
    Outcome,
    ReasonChanged,
    Released,
    TaskEvent,
)
from tesk_model.reasons import Reason, ReasonCode
from tesk_model.task import Input, Task
from tesk_taskmaster.domain.termination import StepResult


def test_a_task_is_reported_from_start_to_release(harness: TaskmasterHarness) -> None:
    told = harness.finish(assignment(commands("echo hello")))

    assert kinds(told) == [ExecutorStarted, ExecutorEnded, Finished, Released]
    ended = told[1]
    assert isinstance(ended, ExecutorEnded)
    assert (ended.index, ended.exit_code, ended.stdout) == (0, 0, "hello\n")
    assert outcome(told) == Finished(Outcome.COMPLETE)


def test_events_are_numbered_from_the_last_known(harness: TaskmasterHarness) -> None:
    harness.finish(assignment(last_sequence=7))

    assert [event.sequence for event in harness.scheduler.events] == [8, 9, 10, 11]


@dataclass(frozen=True)
class Flow:
    """A task, what its filers end with, and what must come of it."""

    task: Task
    steps: list[str]
    outcome: Outcome
    words: str = ""
    filer_codes: tuple[int, ...] = ()


FLOWS = {
    "inputs, executors and outputs run in order": Flow(
        commands("true", "true", inputs=INPUTS, outputs=OUTPUTS),
        ["in", "x0", "x1", "out"],
        Outcome.COMPLETE,
    ),
    "phases with nothing to do are skipped": Flow(
        commands("true"), ["x0"], Outcome.COMPLETE
    ),
    "the first failing executor ends the task": Flow(
        commands("true", "false", "true"),
        ["x0", "x1"],
        Outcome.EXECUTOR_ERROR,
        "executors[1] ended with exit code 1",
    ),
    "outputs are stored after a failure": Flow(
        commands("false", outputs=OUTPUTS),
        ["x0", "out"],
        Outcome.EXECUTOR_ERROR,
        "executors[0] ended with exit code 1",
    ),
    "a failure to store does not hide the failed command": Flow(
        commands("false", outputs=OUTPUTS),
        ["x0", "out"],
        Outcome.EXECUTOR_ERROR,
        "executors[0] ended with exit code 1",
        (75,),
    ),
    "an ignored failure is none": Flow(
        make_assigned_task(
            executors=(
                make_executor(command=("false",), ignore_error=True),
                make_executor(command=("true",)),
            )
        ),
        ["x0", "x1"],
        Outcome.COMPLETE,
    ),
    "inputs that fail for good end the task": Flow(
        commands("true", inputs=INPUTS),
        ["in"],
        Outcome.SYSTEM_ERROR,
        "the inputs failed to arrive",
        (65,),
    ),
    "inputs that may arrive later lose the attempt": Flow(
        commands("true", inputs=INPUTS),
        ["in"],
        Outcome.LOST,
        "the inputs did not arrive this time",
        (75,),
    ),
    "a filer that dies is started again": Flow(
        commands("true", inputs=INPUTS),
        ["in", "in", "in", "x0"],
        Outcome.COMPLETE,
        "",
        (137, 1, 0),
    ),
    "a filer that keeps dying loses the attempt": Flow(
        commands("true", inputs=INPUTS),
        ["in", "in", "in", "in"],
        Outcome.LOST,
        "the transfer of inputs crashed 4 times",
        (1, 1, 1, 1),
    ),
    "outputs that may arrive later are tried again, the command is not": Flow(
        commands("true", outputs=OUTPUTS),
        ["x0", "out", "out-1", "out-2"],
        Outcome.COMPLETE,
        "",
        (75, 75, 0),
    ),
    "outputs that never arrive are given up, the command does not run again": Flow(
        commands("true", outputs=OUTPUTS),
        ["x0", "out", "out-1", "out-2"],
        Outcome.SYSTEM_ERROR,
        "the outputs could not be uploaded, tried 3 times: the outputs did not arrive "
        "this time",
        (75, 75, 75),
    ),
    "outputs that fail for good are not tried again": Flow(
        commands("true", outputs=OUTPUTS),
        ["x0", "out"],
        Outcome.SYSTEM_ERROR,
        "the outputs failed to arrive",
        (65,),
    ),
    "a filer of outputs that keeps dying is one try": Flow(
        commands("true", outputs=OUTPUTS),
        ["x0", "out", "out", "out", "out", "out-1"],
        Outcome.COMPLETE,
        "",
        (1, 1, 1, 1, 0),
    ),
    "a mount that hides programs is explained": Flow(
        commands("true", volumes=("/usr",)),
        [],
        Outcome.SYSTEM_ERROR,
        "volumes[0]: /usr holds the programs of the image, which would be hidden; "
        "name a directory of its own",
    ),
}


@pytest.mark.parametrize("flow", FLOWS.values(), ids=FLOWS)
def test_flow(harness: TaskmasterHarness, flow: Flow) -> None:
    harness.state.filer_codes += flow.filer_codes

    told = harness.finish(assignment(flow.task))

    assert steps(harness) == flow.steps
    assert outcome(told).outcome is flow.outcome
    assert outcome(told).reason.text == flow.words
    assert not harness.state.steps


def test_notices_of_runtime_and_step_are_reported_once(
    harness: TaskmasterHarness,
) -> None:
    harness.state.note_lines.append("sandbox")
    harness.state.results["x0"] = StepResult(exit_code=137, notice="memory ran out")

    told = harness.finish(assignment())

    assert [what.text for what in told if isinstance(what, Notice)] == [
        "sandbox",
        "memory ran out",
    ]


def test_notices_come_first_so_that_a_successor_leaves_none_out(
    harness: TaskmasterHarness,
) -> None:
    harness.state.note_lines.append("sandbox")
    harness.state.says["prepare"] = ("waits for room",)

    told = harness.finish(assignment())

    assert told[0] == Notice("sandbox")


def test_a_wait_is_reported_once_as_a_reason(
    harness: TaskmasterHarness,
) -> None:
    harness.state.says["x0"] = ["pulling image", "", "pulling image", "starting"]

    told = harness.finish(assignment())

    reasons = [what.reason.text for what in told if isinstance(what, ReasonChanged)]
    assert reasons == ["pulling image", "starting"]


def test_a_reason_is_reported_again_for_the_executor_after_one_that_started(
    harness: TaskmasterHarness,
) -> None:
    harness.state.says |= {"x0": ["no connection"], "x1": ["no connection"]}

    told = harness.finish(assignment(commands("true", "true")))

    x0, x1 = (told.index(ExecutorStarted(index)) for index in (0, 1))
    waits = ReasonChanged(Reason(ReasonCode.STEP_STARTING, "no connection"))
    assert waits in told[:x0]
    assert waits in told[x0:x1]


def test_a_transfer_is_reported_again_after_its_start_waited(
    harness: TaskmasterHarness,
) -> None:
    harness.state.says["in"] = ["no node can take it"]
    inputs = (Input(path="/w/a", url="s3://b/a"),)

    told = harness.finish(assignment(make_assigned_task(inputs=inputs)))

    reasons = [what.reason.text for what in told if isinstance(what, ReasonChanged)]
    assert reasons == [
        "transferring inputs",
        "no node can take it",
        "transferring inputs",
    ]


def test_the_location_of_an_executor_is_reported(harness: TaskmasterHarness) -> None:
    where = {"node": "n1", "pod": "p1"}
    harness.state.results["x0"] = StepResult(exit_code=0, metadata=where)

    told = harness.finish(assignment())

    entries = {"executors[0].node": "n1", "executors[0].pod": "p1"}
    assert Metadata(entries) in told


def test_output_of_a_running_executor_is_reported_when_it_changes(
    harness: TaskmasterHarness,
) -> None:
    harness.scheduler.assign(assignment(commands("sleep")))
    harness.state.wait_started(ATTEMPT, "x0")
    harness.scheduler.wait_for(ATTEMPT, ExecutorStarted)
    harness.state.print(ATTEMPT, "x0", b"half\xff")

    told = harness.scheduler.wait_for(ATTEMPT, ExecutorOutput)

    assert told == ExecutorOutput(0, "half\N{REPLACEMENT CHARACTER}", "")
    harness.state.finish(ATTEMPT, "x0")
    harness.scheduler.wait_for(ATTEMPT, Released)


def test_deletion_follows_the_durable_outcome(harness: TaskmasterHarness) -> None:
    there_at_finish: list[bool] = []

    def look(event: TaskEvent) -> None:
        if isinstance(event.payload, Finished):
            there_at_finish.append(ATTEMPT in harness.state.steps)

    harness.scheduler.on_event = look
    harness.finish(assignment())

    assert there_at_finish == [True]


# What the scheduler knows, and whether steps have left results.
KNOWN: dict[str, tuple[dict[str, Any], bool]] = {
    "nothing": ({}, False),
    "an executor that runs": ({"started_executors": frozenset({0})}, False),
    "inputs": ({"inputs_finished": True}, True),
    "an executor that has ended": ({"finished_executors": {0: 0}}, True),
}


@pytest.mark.parametrize(("known", "want"), KNOWN.values(), ids=KNOWN)
def test_a_runtime_is_told_whether_steps_have_left_results(
    harness: TaskmasterHarness, known: dict[str, Any], want: bool
) -> None:
    harness.state.steps[ATTEMPT] = {"x0": Step(StepResult(exit_code=0))}
    task = commands("true", "true", inputs=INPUTS)

    harness.finish(assignment(task, last_sequence=9, **known))

    assert {plan.has_results for plan in harness.state.prepared} == {want}
