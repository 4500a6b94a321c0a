"""The steps in which a filer brings inputs or takes outputs.

A filer that dies is started again. Inputs that do not arrive lose the attempt;
outputs are tried again as outputs, for what they are made of has been computed.
"""

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from tesk_model.events import Finished, Notice, Outcome
from tesk_model.reasons import Reason, ReasonCode
from tesk_taskmaster.domain.assignment import Assignment
from tesk_taskmaster.domain.plan import Plan
from tesk_taskmaster.domain.step_names import (
    INPUTS,
    direction_of,
    outputs_step,
    outputs_tried,
)
from tesk_taskmaster.domain.termination import StepResult
from tesk_taskmaster.domain.transfers import UploadRetries
from tesk_taskmaster.domain.verdicts import TransferVerdict, transfer_verdict
from tesk_taskmaster.ports import Clock, Runtime, StepFailedError
from tesk_taskmaster.usecases.account import Account
from tesk_taskmaster.usecases.control import AttemptControl

_FILER_STARTS = 4  # one, and three more after crashes

_logger = logging.getLogger(__name__)


class EndedError(Exception):
    """The attempt is over, other than by success."""

    def __init__(self, outcome: Outcome, reason: Reason) -> None:
        super().__init__(reason.text)
        self.finished = Finished(outcome, reason)


@dataclass(slots=True, kw_only=True)
class TransferSteps:
    """Runs the filers of one attempt, in its thread.

    Attributes:
        run_step: Runs one step to its end; told what to say meanwhile.
        retries: Of outputs.
    """

    assignment: Assignment
    runtime: Runtime
    account: Account
    control: AttemptControl
    clock: Clock
    retries: UploadRetries
    run_step: Callable[[Plan, str, Reason], StepResult]

    def bring(self, plan: Plan) -> None:
        """Bring the inputs.

        Raises:
            EndedError, StepFailedError: They did not arrive.
        """
        failure = self._transfer(plan, INPUTS)
        if failure:
            raise EndedError(Outcome.LOST, failure)

    def take(self, plan: Plan) -> None:
        """Take the outputs; try again while that may help.

        Raises:
            EndedError, StepFailedError: They did not arrive. The attempt is lost
                only if what earlier steps made is.
        """
        tried = self._tried(plan)
        first = self.account.held_up_since
        while failure := self._try_to_take(plan, tried):
            tried += 1
            now = self.clock.now()
            first = self.account.held_up_since = first or now
            pause = self.retries.pause(tried, max(now - first, timedelta(0)))
            if pause is None:
                text = f"the outputs could not be uploaded, tried {tried} times"
                raise EndedError(
                    Outcome.SYSTEM_ERROR,
                    replace(failure, text=f"{text}: {failure.text}"),
                )
            # Many tasks fail together when a storage does; they should not return so.
            pause *= random.uniform(0.75, 1)  # noqa: S311 - jitter
            _logger.warning(
                "outputs not uploaded yet",
                extra={**self._about(), "tried": tried, "cause": failure.text},
            )
            text = (
                f"the outputs could not be uploaded yet ({failure.text}); "
                f"try {tried + 1} of "
                f"{self.retries.tries} in {pause.total_seconds():.0f} s"
            )
            self.account.say(replace(failure, text=text))
            self.control.pause(pause)
        if tried:
            self.account.keep([Notice(f"the outputs were uploaded at try {tried + 1}")])

    def take_once(self, plan: Plan) -> str:
        """Take the outputs of a command that failed; return why it did not work.

        Nobody waits long for these: what the user must see is the failure.
        """
        try:
            failure = self._transfer(plan, outputs_step(self._tried(plan)))
        except (EndedError, StepFailedError) as error:
            return str(error)
        return "" if failure is None else failure.text

    def _tried(self, plan: Plan) -> int:
        """Return how many tries a predecessor made before its last one."""
        if not self.assignment.last_sequence:
            return 0
        return outputs_tried(self.runtime.begun(plan.attempt))

    def _try_to_take(self, plan: Plan, tried: int) -> Reason | None:
        try:
            return self._transfer(plan, outputs_step(tried))
        except StepFailedError as error:
            if error.gone or not error.lost:
                raise
            return error.reason

    def _transfer(self, plan: Plan, step: str) -> Reason | None:
        """Run a filer to its verdict; return what may pass, None for success."""
        what = direction_of(step)
        doing = Reason(ReasonCode.TRANSFERRING, f"transferring {what}")
        for _ in range(_FILER_STARTS):
            self.account.say(doing)
            result = self.run_step(plan, step, doing)
            self.control.checkpoint()
            if result.error and not result.lost:
                reason = Reason(result.code, result.error)
                raise EndedError(Outcome.SYSTEM_ERROR, reason)
            verdict = (
                TransferVerdict.CRASHED
                if result.error
                else transfer_verdict(result.exit_code)
            )
            if verdict is TransferVerdict.ARRIVED:
                return None
            if verdict is TransferVerdict.FAILED:
                raise EndedError(
                    Outcome.SYSTEM_ERROR, _failure(f"the {what} failed to arrive")
                )
            if verdict is TransferVerdict.LOST:
                return _failure(f"the {what} did not arrive this time")
            _logger.warning(
                "filer crashed",
                extra={**self._about(), "exit_code": result.exit_code},
            )
        return _failure(f"the transfer of {what} crashed {_FILER_STARTS} times")

    def _about(self) -> dict[str, object]:
        attempt = self.assignment.attempt
        return {"task_id": attempt.task_id, "attempt": attempt.number}


def _failure(text: str) -> Reason:
    return Reason(ReasonCode.TRANSFER_FAILED, text)
