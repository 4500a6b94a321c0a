"""Finds out whether the results of a candidate count for an attempt.

They do if each file that the candidate read and wrote is as it was, which a filer
finds out, and each image is the one that it ran. Then the attempt ends with them, and
nothing of it runs; else it goes on as if there were no candidate. Images come second:
to look at one takes a pod in a cluster, and most differences are of files.

A successor adopts the filer. Once a step has begun that others go on from, no check is
made any more: its files may be those of this attempt.
"""

from collections.abc import Callable
from dataclasses import dataclass

from tesk_model.events import CandidateRejected, Finished, Outcome
from tesk_model.reasons import Reason, ReasonCode
from tesk_taskmaster.domain.assignment import Assignment, Candidate
from tesk_taskmaster.domain.plan import Plan
from tesk_taskmaster.domain.planning import directories_to_inspect
from tesk_taskmaster.domain.step_names import CHECK, uses_volume
from tesk_taskmaster.domain.termination import StepResult
from tesk_taskmaster.domain.transfer_result import TransferResult, transfer_result
from tesk_taskmaster.ports import Runtime, StepFailedError
from tesk_taskmaster.usecases.attempt_control import AttemptControl
from tesk_taskmaster.usecases.attempt_reporter import AttemptReporter

_BEGUN = "steps of this attempt had begun before the check had a result"


class _Difference(Exception):  # noqa: N818 - no error: the attempt goes on
    """The candidate does not count; "" if the filer has reported why."""

    def __init__(self, text: str = "") -> None:
        super().__init__(text)
        self.text = text


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateCheck:
    """Checks the candidate of one attempt, in its thread.

    Attributes:
        run_step: Runs one step to its end; reports the reason meanwhile.
    """

    assignment: Assignment
    runtime: Runtime
    attempt_reporter: AttemptReporter
    control: AttemptControl
    run_step: Callable[[Plan, str, Reason], StepResult]

    def run(self, plan: Plan) -> Finished | None:
        """Return how the attempt ends if the candidate counts; None: it goes on.

        Raises:
            CanceledError, AbandonedError, RefusedError: The work must stop.
            StepFailedError: It cannot be found out what has begun.
        """
        candidate = self.assignment.candidate
        if candidate is None:
            return None
        try:
            self._check(plan, candidate)
        except _Difference as difference:
            self.attempt_reporter.report(CandidateRejected(difference.text))
            return None
        return Finished(Outcome.COMPLETE, candidate=candidate.task_id)

    def _check(self, plan: Plan, candidate: Candidate) -> None:
        existing = self.runtime.existing_steps(
            plan.attempt, self.attempt_reporter.report_reason
        )
        if any(map(uses_volume, existing)):
            raise _Difference(_BEGUN)
        if not candidate.files_equal:
            self._check_files(plan, candidate)
        self._check_images(plan, candidate)
        self.control.checkpoint()

    def _check_files(self, plan: Plan, candidate: Candidate) -> None:
        text = f"checking whether the results of task {candidate.task_id} still count"
        try:
            result = self.run_step(plan, CHECK, Reason(ReasonCode.TRANSFERRING, text))
        except StepFailedError as error:
            raise _Difference(f"its files could not be checked: {error}") from error
        self.control.checkpoint()  # one that was canceled has found nothing
        if result.error:
            raise _Difference(f"its files could not be checked: {result.error}")
        found = transfer_result(result.exit_code)
        if found is TransferResult.FAILED:
            raise _Difference
        if found is not TransferResult.SUCCEEDED:
            raise _Difference(
                "its files could not be checked: see the log of the filer"
            )

    def _check_images(self, plan: Plan, candidate: Candidate) -> None:
        if len(candidate.image_digests) != len(plan.executors):
            raise _Difference("it has another number of executors")
        directories = directories_to_inspect(self.assignment.task)
        known: dict[str, str] = {}
        for step, before in zip(plan.executors, candidate.image_digests, strict=True):
            image = step.executor.image
            field = f"executors[{step.index}].image"
            if image not in known:
                try:
                    known[image] = self.runtime.image_digest(
                        plan,
                        step.index,
                        directories.get(image, ()),
                        self.attempt_reporter.report_reason,
                    )
                except StepFailedError as error:
                    raise _Difference(f"{field}: {error}") from error
            if not (before and known[image] == before):
                raise _Difference(f"{field}: {image} is another image now")
