"""Transfers that the scheduler knows to have succeeded, before the cluster shows it."""

from collections.abc import Callable
from contextlib import closing
from datetime import timedelta

import pytest

from taskmasters.attempts import ATTEMPT, ClusterHarness
from taskmasters.one_pod import OnePod
from tesk_kubernetes.pods import container_state
from tesk_model.names import Attempt
from tesk_model.task import TaskId
from tesk_taskmaster.domain.termination import StepResult
from tesk_taskmaster.ports import StepFailedError

NOTHING = timedelta(0)


def test_a_job_whose_transfer_has_succeeded_has_ended(
    make_harness: Callable[..., ClusterHarness],
) -> None:
    harness = make_harness(shares=True)
    harness.prepare()
    pod = harness.run("in")

    harness.runtime.conclude(ATTEMPT, "outputs")
    assert harness.runtime.wait(ATTEMPT, "in", NOTHING) is None
    harness.runtime.conclude(ATTEMPT, "inputs")

    assert harness.result("in") == StepResult(exit_code=0)
    assert "running" in container_state(harness.cluster.find(pod) or {}, "main")


def test_what_is_told_of_an_attempt_that_is_not_here_any_more_is_ignored(
    harness: ClusterHarness,
) -> None:
    harness.prepare()

    harness.runtime.conclude(Attempt(TaskId("another"), 1), "inputs")


@pytest.mark.parametrize("order", ["together", "sequence"])
def test_an_upload_that_was_told_of_before_its_step_began_has_ended(order: str) -> None:
    rig = OnePod(order)
    with closing(rig.runtimes):
        rig.begin()
        for step in ("in", "x0", "x1"):
            rig.start(step)
            rig.end(step)
        rig.runtime.conclude(ATTEMPT, "outputs")
        rig.start("out")

        assert rig.result("out") == StepResult(exit_code=0)


def test_an_executor_runs_when_the_inputs_are_known_to_have_arrived() -> None:
    rig = OnePod("together")
    with closing(rig.runtimes):
        rig.begin()
        rig.runtime.conclude(ATTEMPT, "inputs")
        assert rig.result("in").exit_code == 0

        rig.start("x0")

        assert rig.runtime.wait(ATTEMPT, "x0", NOTHING) is None


@pytest.mark.parametrize("order", ["together", "sequence"])
def test_inputs_whose_filer_is_killed_at_its_end_lose_the_attempt(order: str) -> None:
    rig = OnePod(order)
    with closing(rig.runtimes):
        rig.begin()
        rig.runtime.conclude(ATTEMPT, "inputs")
        rig.programs.turns.finish(rig.pod(), "in", 137, is_killed=True)

        error = loss_of(rig, "x0")

    assert error == "executors[0] lost: the transfer of inputs was killed at its end"


def loss_of(rig: OnePod, step: str) -> str:
    """Return why a step is lost, which may be seen before it is waited for."""
    try:
        rig.start(step)
    except StepFailedError as error:
        return str(error) if error.lost else ""
    result = rig.result(step)
    assert result.lost
    return result.error
