"""Runs the steps in which a filer downloads inputs or uploads outputs.

A filer that dies is started again. If inputs fail to arrive, the attempt is lost;
a failed upload is tried again in the same attempt, since the results exist. So is one
whose filer cannot begin.

Not so if all steps lie in one pod, whose volume ends with it: there, the filer
itself tries again, its launcher starts it again, and what then ends without a result
loses the attempt.
"""

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from tesk_model.events import Finished, Notice, Outcome
from tesk_model.reasons import Reason, ReasonCode
from tesk_model.upload_retries import (
    UploadRetries,
    describe_success,
    with_jitter,
)
from tesk_taskmaster.domain.assignment import Assignment
from tesk_taskmaster.domain.plan import Plan
from tesk_taskmaster.domain.step_names import (
    INPUTS,
    OUTPUTS,
    direction_of,
    outputs_step,
    outputs_tried,
)
from tesk_taskmaster.domain.termination import StepResult
from tesk_taskmaster.domain.transfer_result import TransferResult, transfer_result
from tesk_taskmaster.ports import Clock, Runtime, StepFailedError, failure_of
from tesk_taskmaster.usecases.attempt_control import AttemptControl
from tesk_taskmaster.usecases.attempt_reporter import AttemptReporter

_MAX_FILER_STARTS = 4
# Whatever else keeps a filer from its start may pass.
_LASTING = frozenset(
    {ReasonCode.NONE, ReasonCode.IMAGE_INVALID, ReasonCode.TASK_INVALID}
)

_logger = logging.getLogger(__name__)


class AttemptEndedError(Exception):
    """The attempt ended without success."""

    def __init__(self, outcome: Outcome, reason: Reason) -> None:
        super().__init__(reason.text)
        self.finished = Finished(outcome, reason)


@dataclass(slots=True, kw_only=True)
class TransferSteps:
    """Runs the filers of one attempt, in its thread.

    Attributes:
        run_step: Runs one step to its end; reports the reason meanwhile.
        retries: Of uploads.
        are_repeatable: Filers can be started again.
    """

    assignment: Assignment
    runtime: Runtime
    attempt_reporter: AttemptReporter
    control: AttemptControl
    clock: Clock
    retries: UploadRetries
    are_repeatable: bool
    run_step: Callable[[Plan, str, Reason], StepResult]

    def download(self, plan: Plan) -> None:
        """Download the inputs.

        Raises:
            AttemptEndedError, StepFailedError: They did not arrive.
        """
        failure = self._transfer(plan, INPUTS)
        if failure:
            raise AttemptEndedError(Outcome.LOST, failure)

    def upload(self, plan: Plan) -> None:
        """Upload the outputs; try again while that may help.

        Raises:
            AttemptEndedError, StepFailedError: They did not arrive. The attempt is lost
                only if the results of earlier steps are.
        """
        if not self.are_repeatable:
            failure = self._transfer(plan, OUTPUTS)
            if failure:
                raise AttemptEndedError(Outcome.SYSTEM_ERROR, failure)
            return
        tried = self._tried(plan)
        failing_since = self.attempt_reporter.held_up_since
        while failure := self._try_upload(plan, tried):
            tried += 1
            now = self.clock.now()
            failing_since = self.attempt_reporter.held_up_since = failing_since or now
            delay = self.retries.delay(tried, max(now - failing_since, timedelta(0)))
            if delay is None:
                text = self.retries.describe_failure(tried, failure.text)
                raise AttemptEndedError(
                    Outcome.SYSTEM_ERROR, replace(failure, text=text)
                )
            delay = with_jitter(delay, random.random())  # noqa: S311 - jitter
            extra = {"tried": tried, "cause": failure.text}
            extra |= self.assignment.attempt.log_fields
            _logger.warning("outputs not uploaded yet", extra=extra)
            text = self.retries.describe_failure(tried, failure.text, delay)
            self.attempt_reporter.report_reason(replace(failure, text=text))
            self.control.pause(delay)
        if tried:
            self.attempt_reporter.buffer([Notice(describe_success(tried))])

    def upload_once(self, plan: Plan) -> str:
        """Upload the outputs of a command that failed; return why that failed, or "".

        Not tried again: the user must see the failure of the command.
        """
        try:
            tried = self._tried(plan) if self.are_repeatable else 0
            failure = self._transfer(plan, outputs_step(tried))
        except (AttemptEndedError, StepFailedError) as error:
            return str(error)
        return "" if failure is None else failure.text

    def _tried(self, plan: Plan) -> int:
        """Return the number of tries of a predecessor before its last one."""
        if not self.assignment.last_sequence:
            return 0
        existing = self.runtime.existing_steps(
            plan.attempt, self.attempt_reporter.report_reason
        )
        return outputs_tried(existing)

    def _try_upload(self, plan: Plan, tried: int) -> Reason | None:
        try:
            return self._transfer(plan, outputs_step(tried))
        except StepFailedError as error:
            lasts = not error.lost and error.code in _LASTING
            if error.volume_lost or lasts:
                raise
            return error.reason

    def _transfer(self, plan: Plan, step: str) -> Reason | None:
        """Run a filer to its result; return a failure that may pass, None for success."""
        what = direction_of(step)
        reason = Reason(ReasonCode.TRANSFERRING, f"transferring {what}")
        for _ in range(_MAX_FILER_STARTS if self.are_repeatable else 1):
            self.attempt_reporter.report_reason(reason)
            if what == direction_of(OUTPUTS):
                # The scheduler takes none before it knows that the executors ended.
                self.attempt_reporter.hasten()
            result = self.run_step(plan, step, reason)
            self.control.checkpoint()
            if result.error and not (result.lost and self.are_repeatable):
                raise failure_of(result)
            outcome = (
                TransferResult.CRASHED
                if result.error
                else transfer_result(result.exit_code)
            )
            if outcome is TransferResult.SUCCEEDED:
                return None
            if outcome is TransferResult.FAILED:
                raise AttemptEndedError(
                    Outcome.SYSTEM_ERROR, _failure(f"the {what} failed to arrive")
                )
            if outcome is TransferResult.RETRYABLE:
                return _failure(f"the {what} did not arrive this time")
            _logger.warning(
                "filer crashed",
                extra={
                    **self.assignment.attempt.log_fields,
                    "exit_code": result.exit_code,
                },
            )
        if not self.are_repeatable:
            crash = _failure(f"the transfer of {what} crashed")
            raise AttemptEndedError(Outcome.LOST, crash)
        return _failure(f"the transfer of {what} crashed {_MAX_FILER_STARTS} times")


def _failure(text: str) -> Reason:
    return Reason(ReasonCode.TRANSFER_FAILED, text)
