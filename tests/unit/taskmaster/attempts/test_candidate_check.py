"""Before a task runs it is found out whether the results of a candidate count."""

from collections.abc import Sequence

import pytest

from fakes.taskmaster_runtime import Step, ended
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
    CandidateRejected,
    ExecutorEnded,
    ExecutorStarted,
    Finished,
    Notice,
    Outcome,
    ReasonChanged,
    Released,
)
from tesk_model.reasons import ReasonCode
from tesk_model.task import Task, TaskId
from tesk_taskmaster.domain.assignment import Assignment, Candidate, Stop, StopReason
from tesk_taskmaster.domain.layouts import Layout, LayoutChoice, Order
from tesk_taskmaster.domain.termination import StepResult
from tesk_taskmaster.ports import StepFailedError

BEFORE = TaskId("t0")
IMAGE = "busybox"
DIGEST = "sha256:11"
ALL = ["check", "in", "x0", "out"]


@pytest.fixture
def same(harness: TaskmasterHarness) -> TaskmasterHarness:
    """Let the image be the one of before."""
    harness.state.digests[IMAGE] = DIGEST
    return harness


def whole() -> Task:
    return commands("true", inputs=INPUTS, outputs=OUTPUTS)


def with_candidate(
    *, digests: tuple[str, ...] = (DIGEST,), files_equal: bool = False, **overrides: int
) -> Assignment:
    candidate = Candidate(
        task_id=BEFORE, image_digests=digests, files_equal=files_equal
    )
    return assignment(whole(), candidate=candidate, **overrides)


def rejections(told: Sequence[object]) -> list[str]:
    return [what.difference for what in told if isinstance(what, CandidateRejected)]


def test_if_all_is_the_same_nothing_runs(same: TaskmasterHarness) -> None:
    told = same.finish(with_candidate())

    assert kinds(told) == [Finished, Released]
    assert outcome(told) == Finished(Outcome.COMPLETE, candidate=BEFORE)
    assert steps(same) == ["check"]
    assert same.state.inspected_ahead == []


def test_a_user_sees_that_it_is_checked(same: TaskmasterHarness) -> None:
    told = same.finish(with_candidate())

    reasons = [what.reason for what in told if isinstance(what, ReasonChanged)]
    assert [(reason.code, reason.text) for reason in reasons] == [
        (
            ReasonCode.TRANSFERRING,
            "checking whether the results of task t0 still count",
        )
    ]


def test_without_a_candidate_nothing_is_checked(same: TaskmasterHarness) -> None:
    told = same.finish(assignment(whole()))

    assert steps(same) == ALL[1:]
    assert rejections(told) == []


def test_a_difference_of_files_lets_it_run(same: TaskmasterHarness) -> None:
    same.state.filer_codes[:] = [65]

    told = same.finish(with_candidate())

    assert rejections(told) == [""]  # the filer has said which
    assert steps(same) == ALL
    assert outcome(told) == Finished(Outcome.COMPLETE)


@pytest.mark.parametrize("code", [75, 1, 143])
def test_a_check_without_a_result_lets_it_run(
    same: TaskmasterHarness, code: int
) -> None:
    same.state.filer_codes[:] = [code]

    told = same.finish(with_candidate())

    assert rejections(told) == [
        "its files could not be checked: see the log of the filer"
    ]
    assert steps(same) == ALL
    assert outcome(told) == Finished(Outcome.COMPLETE)


def test_a_check_that_cannot_start_lets_it_run(same: TaskmasterHarness) -> None:
    same.state.failures["check"] = StepFailedError("no room", lost=True)

    told = same.finish(with_candidate())

    assert rejections(told) == ["its files could not be checked: no room"]
    assert steps(same) == ALL[1:]


def test_a_check_that_is_lost_lets_it_run(same: TaskmasterHarness) -> None:
    same.state.results["check"] = StepResult(
        exit_code=255, error="its node is gone", lost=True
    )

    told = same.finish(with_candidate())

    assert rejections(told) == ["its files could not be checked: its node is gone"]
    assert steps(same) == ALL


IMAGES = {
    "is another one": (
        {IMAGE: "sha256:22"},
        (DIGEST,),
        f"{IMAGE} is another image now",
    ),
    "is not known": ({}, (DIGEST,), f"{IMAGE} is another image now"),
    "was not known": ({IMAGE: ""}, ("",), f"{IMAGE} is another image now"),
}


@pytest.mark.parametrize(("now", "before", "want"), IMAGES.values(), ids=IMAGES)
def test_an_image_that_differs_lets_it_run(
    harness: TaskmasterHarness,
    now: dict[str, str],
    before: tuple[str, ...],
    want: str,
) -> None:
    harness.state.digests |= now

    told = harness.finish(with_candidate(digests=before))

    assert rejections(told) == [f"executors[0].image: {want}"]
    assert steps(harness) == ALL


def test_an_image_that_cannot_be_pulled_is_a_difference(
    same: TaskmasterHarness,
) -> None:
    same.state.failures["digest"] = StepFailedError("image busybox cannot be pulled")

    told = same.finish(with_candidate())

    assert rejections(told) == ["executors[0].image: image busybox cannot be pulled"]


def test_other_numbers_of_executors_are_a_difference(same: TaskmasterHarness) -> None:
    told = same.finish(with_candidate(digests=(DIGEST, DIGEST)))

    assert rejections(told) == ["it has another number of executors"]


def test_images_are_looked_at_only_if_the_files_are_the_same(
    same: TaskmasterHarness,
) -> None:
    same.state.filer_codes[:] = [65]
    same.state.failures["digest"] = StepFailedError("never asked for")

    assert rejections(same.finish(with_candidate())) == [""]


def test_the_image_that_ran_is_reported(same: TaskmasterHarness) -> None:
    told = same.finish(assignment(commands("true")))

    assert [what.image_digest for what in told if isinstance(what, ExecutorEnded)] == [
        DIGEST
    ]


# Successors.


def test_a_successor_adopts_the_check(same: TaskmasterHarness) -> None:
    same.state.steps[ATTEMPT] = {"check": Step(ended(0))}

    told = same.finish(with_candidate(last_sequence=1))

    assert outcome(told).candidate == BEFORE
    assert steps(same) == []


def test_a_successor_makes_no_check_that_was_made(same: TaskmasterHarness) -> None:
    told = same.finish(with_candidate(files_equal=True, last_sequence=1))

    assert outcome(told).candidate == BEFORE
    assert steps(same) == []


@pytest.mark.parametrize("begun", ["in", "x0", "pod"])
def test_a_successor_checks_nothing_once_steps_have_begun(
    same: TaskmasterHarness, begun: str
) -> None:
    same.state.steps[ATTEMPT] = {"check": Step(ended(0)), begun: Step(ended(0))}

    told = same.finish(with_candidate(files_equal=True, last_sequence=1))

    assert rejections(told) == [
        "steps of this attempt had begun before the check had a result"
    ]
    assert outcome(told) == Finished(Outcome.COMPLETE)


def test_inspected_images_are_no_steps_that_have_begun(
    same: TaskmasterHarness,
) -> None:
    same.state.steps[ATTEMPT] = {"p0": Step(ended(0))}

    assert outcome(same.finish(with_candidate(last_sequence=1))).candidate == BEFORE


def test_a_canceled_check_ends_the_attempt(same: TaskmasterHarness) -> None:
    same.state.filer_codes[:] = [None]
    same.scheduler.assign(with_candidate())
    same.state.wait_started(ATTEMPT, "check")
    same.scheduler.stop(Stop(ATTEMPT, StopReason.CANCELED))
    same.scheduler.wait_for(ATTEMPT, Released)

    told = list(same.scheduler.payloads(ATTEMPT))

    assert outcome(told) == Finished(Outcome.CANCELED)
    assert rejections(told) == []
    assert steps(same) == ["check"]


def test_in_one_pod_the_check_comes_before_the_pod(same: TaskmasterHarness) -> None:
    same.state.layout = LayoutChoice(layout=Layout.POD, order=Order.TOGETHER)

    told = same.finish(with_candidate())

    assert outcome(told).candidate == BEFORE
    assert steps(same) == ["check"]


def test_in_one_pod_a_difference_lets_the_pod_start(same: TaskmasterHarness) -> None:
    same.state.layout = LayoutChoice(layout=Layout.POD, order=Order.TOGETHER)
    same.state.filer_codes[:] = [65]

    told = same.finish(with_candidate())

    assert rejections(told) == [""]
    assert steps(same) == ALL
    assert ExecutorStarted in kinds(told)
    assert Notice in kinds(told)  # of the layout
    assert outcome(told) == Finished(Outcome.COMPLETE)
