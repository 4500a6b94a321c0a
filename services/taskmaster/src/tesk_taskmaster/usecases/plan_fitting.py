"""Fits the plan of an attempt to its images, as early as its layout needs it.

A Job for each step is made when the step begins; one pod for all of them is made once,
so that all of its mounts must be known before the first step.
"""

from collections.abc import Callable
from dataclasses import dataclass

from tesk_model.events import Metadata, Notice, Outcome
from tesk_model.reasons import Reason, ReasonCode
from tesk_taskmaster.domain.assignment import Assignment
from tesk_taskmaster.domain.layouts import Layout
from tesk_taskmaster.domain.plan import Plan
from tesk_taskmaster.ports import Runtime
from tesk_taskmaster.usecases.attempt_reporter import AttemptReporter
from tesk_taskmaster.usecases.image_inspection import ImageInspector
from tesk_taskmaster.usecases.transfers import AttemptEndedError

FitMounts = Callable[[Plan, int], Plan]
"""Fits the mounts of an executor, by its index, to its image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedPlan:
    """The plan of a prepared attempt.

    Attributes:
        plan: With the mounts that must be known before the first step.
        fit_mounts: For those of each executor, when it begins.
        is_in_one_pod: No step is ever started again.
    """

    plan: Plan
    fit_mounts: FitMounts
    is_in_one_pod: bool


def check_earlier_steps(
    assignment: Assignment, runtime: Runtime, attempt_reporter: AttemptReporter
) -> None:
    """Check that the results of earlier steps are still there.

    Raises:
        AttemptEndedError: They are not.
    """
    if not assignment.has_results:
        return
    report_reason = attempt_reporter.report_reason
    if not runtime.has_objects(assignment.attempt, report_reason):
        raise _results_lost()


def fit_plan(
    plan: Plan,
    *,
    assignment: Assignment,
    runtime: Runtime,
    attempt_reporter: AttemptReporter,
) -> FittedPlan:
    """Fit the plan of a prepared attempt, and report its layout.

    Raises:
        AttemptEndedError: The pod of steps that have ended is gone.
        StepFailedError: An image cannot be inspected.
    """
    images = ImageInspector(
        assignment=assignment, runtime=runtime, attempt_reporter=attempt_reporter
    )
    fit_mounts: FitMounts = _as_it_is
    if runtime.needs_fitted_plan(plan.attempt):
        if assignment.has_results:
            raise _results_lost()
        images.begin(plan)
        plan = images.fit_all_mounts(plan)
    elif not _is_in_one_pod(plan, runtime):
        images.begin(plan)
        fit_mounts = images.fit_mounts
    _report_layout(plan, assignment, runtime, attempt_reporter)
    return FittedPlan(
        plan=plan, fit_mounts=fit_mounts, is_in_one_pod=_is_in_one_pod(plan, runtime)
    )


def _is_in_one_pod(plan: Plan, runtime: Runtime) -> bool:
    choice = runtime.layout(plan)
    return choice is not None and choice.layout is Layout.POD


def _report_layout(
    plan: Plan,
    assignment: Assignment,
    runtime: Runtime,
    attempt_reporter: AttemptReporter,
) -> None:
    choice = runtime.layout(plan)
    if choice is None:
        return
    # Who began the steps has told it, if anything.
    if not (choice.is_adopted and assignment.last_sequence):
        attempt_reporter.buffer([Notice(f"layout: {choice} ({choice.why})")])
    attempt_reporter.buffer([Metadata({"layout": str(choice)})])


def _as_it_is(plan: Plan, _index: int) -> Plan:
    return plan


def _results_lost() -> AttemptEndedError:
    text = "the results of its earlier steps are gone"
    return AttemptEndedError(Outcome.LOST, Reason(ReasonCode.STEP_VANISHED, text))
