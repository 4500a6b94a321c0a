"""One attempt of a task, from its assignment to its release.

Inputs, executors in order, outputs; then the outcome is made durable, and only
then is anything deleted. A cancel is the exception: the user wants it gone, so
everything is stopped and deleted before CANCELED is said.

Everything here can be done again by a successor: a step that runs or has ended
is adopted, and the assignment tells what the scheduler already knows.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from tesk_model.names import Attempt
from tesk_taskmaster.domain.assignment import Assignment
from tesk_taskmaster.domain.events import (
    ExecutorEnded,
    ExecutorOutput,
    ExecutorStarted,
    Finished,
    Happening,
    Note,
    Outcome,
    Reason,
    Released,
    tail_text,
)
from tesk_taskmaster.domain.plan import ExecutorStep, Plan
from tesk_taskmaster.domain.planning import PlanError, StepDefaults, plan_task
from tesk_taskmaster.domain.verdicts import TransferVerdict, transfer_verdict
from tesk_taskmaster.ports import Runtime, StepFailedError, StepResult, Tails
from tesk_taskmaster.usecases.control import (
    AbandonedError,
    AttemptControl,
    CanceledError,
)
from tesk_taskmaster.usecases.reporter import RefusedError, Reporter

_FILER_STARTS = 4  # one, and three more after crashes
_NO_TIME = timedelta(0)

_logger = logging.getLogger(__name__)


class _EndedError(Exception):
    """The attempt is over, other than by success."""

    def __init__(self, outcome: Outcome, reason: str) -> None:
        super().__init__(reason)
        self.finished = Finished(outcome, reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptSettings:
    """How attempts are run.

    Attributes:
        defaults: Resources of tasks that ask for none.
        grace: Between SIGTERM and SIGKILL.
        live_interval: Between two looks at the output of a running executor.
        retry_pause: Before another try to delete what could not be deleted.
    """

    defaults: StepDefaults
    grace: timedelta
    live_interval: timedelta
    retry_pause: timedelta


@dataclass(slots=True, kw_only=True)
class RunAttempt:
    """The work on one attempt; ``run`` is the body of its thread."""

    assignment: Assignment
    runtime: Runtime
    reporter: Reporter
    control: AttemptControl
    settings: AttemptSettings
    ended: Callable[[Attempt], None]
    _said: str = field(default="", init=False)
    _notes: list[Happening] = field(default_factory=list, init=False)

    @property
    def attempt(self) -> Attempt:
        """The attempt that is worked on."""
        return self.assignment.attempt

    def run(self) -> None:
        """Work until the attempt is released, or is not ours any more."""
        try:
            self._live()
        except (AbandonedError, RefusedError):
            _logger.info("attempt let go", extra=self._log_fields())
            self.runtime.let_go(self.attempt)
        except Exception:
            # Left in place: the scheduler assigns it again, which may pass.
            _logger.exception("attempt broke", extra=self._log_fields())
            self.runtime.let_go(self.attempt)
        finally:
            self.reporter.close_attempt(self.attempt)
            self.ended(self.attempt)

    def _live(self) -> None:
        self.control.check_held()
        if not self.assignment.release_only:
            try:
                finished = self._work()
            except CanceledError:
                self._release()
                self._tell(Finished(Outcome.CANCELED), Released())
                self.reporter.wait_durable(self.attempt)
                return
            self._tell(finished)
            # The outcome is durable before anything is deleted.
            self.reporter.wait_durable(self.attempt)
        self._release()
        self._tell(Released())
        self.reporter.wait_durable(self.attempt)

    def _work(self) -> Finished:
        try:
            return self._run_steps()
        except _EndedError as error:
            return error.finished
        except PlanError as error:
            return Finished(Outcome.SYSTEM_ERROR, str(error))
        except StepFailedError as error:
            outcome = Outcome.LOST if error.lost else Outcome.SYSTEM_ERROR
            return Finished(outcome, str(error))
        except (CanceledError, AbandonedError, RefusedError):
            raise
        except Exception as error:
            _logger.exception("attempt failed", extra=self._log_fields())
            reason = f"the taskmaster failed ({type(error).__name__}); see its log"
            return Finished(Outcome.LOST, reason)

    def _run_steps(self) -> Finished:
        plan = plan_task(self.assignment.task, self.attempt, self.settings.defaults)
        self._check_remains()
        self.control.checkpoint()
        self.runtime.prepare(plan, self.assignment.transfer_token, self._say)
        if not self.assignment.last_sequence:
            self._notes += [Note(line) for line in self.runtime.notes()]
        if plan.has_inputs and not self.assignment.inputs_finished:
            self._transfer(plan, "in", "inputs")
        failed = self._run_executors(plan)
        if plan.has_outputs and not self.assignment.outputs_finished:
            self._store_outputs(plan, failed)
        self.control.checkpoint()
        return failed or Finished(Outcome.COMPLETE)

    def _check_remains(self) -> None:
        """Make sure that what earlier steps left is where it was."""
        known = self.assignment.inputs_finished or self.assignment.finished_executors
        if known and self.attempt not in self.runtime.attempts():
            raise _EndedError(Outcome.LOST, "what its earlier steps left is gone")

    def _store_outputs(self, plan: Plan, failed: Finished | None) -> None:
        try:
            self._transfer(plan, "out", "outputs")
        except (_EndedError, StepFailedError) as error:
            # The command failed first, and that is what the user must see; a
            # new attempt would run it again.
            if failed is None:
                raise
            self._tell(Note(str(error)))

    def _transfer(self, plan: Plan, step: str, what: str) -> None:
        """Run a filer to its verdict; one that dies is started again."""
        for _ in range(_FILER_STARTS):
            self._say(f"transferring {what}")
            result, _ = self._run_step(plan, step, self._wait)
            self.control.checkpoint()
            if result.error and not result.lost:
                raise _EndedError(Outcome.SYSTEM_ERROR, result.error)
            verdict = (
                TransferVerdict.CRASHED
                if result.error
                else transfer_verdict(result.exit_code)
            )
            if verdict is TransferVerdict.ARRIVED:
                return
            if verdict is TransferVerdict.FAILED:
                raise _EndedError(Outcome.SYSTEM_ERROR, f"the {what} failed to arrive")
            if verdict is TransferVerdict.LOST:
                raise _EndedError(Outcome.LOST, f"the {what} did not arrive this time")
            _logger.warning(
                "filer crashed",
                extra={**self._log_fields(), "exit_code": result.exit_code},
            )
        raise _EndedError(
            Outcome.LOST, f"the transfer of {what} crashed {_FILER_STARTS} times"
        )

    def _run_executors(self, plan: Plan) -> Finished | None:
        """Run what has not run; return how the task fails, if it does."""
        for step in plan.executors:
            code = self.assignment.finished_executors.get(step.index)
            if code is None:
                code = self._run_executor(plan, step)
            if code and not step.executor.ignore_error:
                reason = f"executors[{step.index}] ended with exit code {code}"
                return Finished(Outcome.EXECUTOR_ERROR, reason)
        return None

    def _run_executor(self, plan: Plan, step: ExecutorStep) -> int:
        def started_and_waited(name: str) -> StepResult:
            self._tell(ExecutorStarted(step.index))
            return self._watch(step.index, name)

        result, tails = self._run_step(plan, f"x{step.index}", started_and_waited)
        if result.error:
            self.control.checkpoint()
            outcome = Outcome.LOST if result.lost else Outcome.SYSTEM_ERROR
            raise _EndedError(outcome, result.error)
        if result.note:
            self._tell(Note(result.note))
        self._tell(
            ExecutorEnded(
                index=step.index,
                exit_code=result.exit_code,
                stdout=tail_text(tails.stdout),
                stderr=tail_text(tails.stderr),
                start_time=result.started_at,
                end_time=result.ended_at,
            )
        )
        self.control.checkpoint()
        return result.exit_code

    def _run_step(
        self, plan: Plan, step: str, wait: Callable[[str], StepResult]
    ) -> tuple[StepResult, Tails]:
        self.control.enter(step)
        try:
            self.runtime.start(plan, step, self._say)
            self.control.stop_if_canceled(step)
            result = wait(step)
            self.control.check_held()
            if step in ("in", "out"):
                return result, Tails(b"", b"")
            return result, self.runtime.tails(self.attempt, step)
        finally:
            self.control.leave()

    def _wait(self, step: str) -> StepResult:
        while True:
            result = self.runtime.wait(self.attempt, step, self.settings.live_interval)
            self.control.check_held()
            if result is not None:
                return result

    def _watch(self, index: int, step: str) -> StepResult:
        """Wait for an executor and tell what it prints meanwhile."""
        shown = Tails(b"", b"")
        while True:
            result = self.runtime.wait(self.attempt, step, self.settings.live_interval)
            self.control.check_held()
            if result is not None:
                return result
            tails = self.runtime.tails(self.attempt, step)
            if tails != shown:
                shown = tails
                self._tell(
                    ExecutorOutput(
                        index, tail_text(tails.stdout), tail_text(tails.stderr)
                    )
                )

    def _release(self) -> None:
        pause = threading.Event()
        while True:
            self.control.check_held()
            try:
                self.runtime.release(self.attempt)
            except StepFailedError as error:
                _logger.warning(
                    "release failed", extra={**self._log_fields(), "error": str(error)}
                )
                pause.wait(self.settings.retry_pause.total_seconds())
            else:
                return

    def _say(self, reason: str) -> None:
        self.control.checkpoint()
        if reason != self._said:
            self._said = reason
            self._tell(Reason(reason))

    def _tell(self, *whats: Happening) -> None:
        self.reporter.tell(self.attempt, *self._take_notes(), *whats)

    def _take_notes(self) -> list[Happening]:
        """Give the first notes along with the first event that is sent."""
        notes, self._notes = self._notes, []
        return notes

    def _log_fields(self) -> dict[str, object]:
        return {"task_id": self.attempt.task_id, "attempt": self.attempt.number}
