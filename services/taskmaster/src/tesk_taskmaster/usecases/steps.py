"""The steps of one attempt: inputs, executors in order, outputs.

Each can be done again by a successor: a step that runs or has ended is adopted,
and the assignment tells what the scheduler already knows.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from tesk_model.events import (
    ExecutorEnded,
    ExecutorOutput,
    ExecutorStarted,
    Finished,
    Metadata,
    Notice,
    Outcome,
)
from tesk_model.names import Attempt
from tesk_model.reasons import Reason, ReasonCode
from tesk_taskmaster.domain.assignment import Assignment
from tesk_taskmaster.domain.plan import ExecutorStep, Plan
from tesk_taskmaster.domain.planning import plan_task
from tesk_taskmaster.domain.step_names import direction_of
from tesk_taskmaster.domain.tails import tail_text
from tesk_taskmaster.domain.termination import StepResult
from tesk_taskmaster.domain.transfers import UploadRetries
from tesk_taskmaster.ports import Clock, Runtime, Tails
from tesk_taskmaster.usecases.account import Account
from tesk_taskmaster.usecases.control import AttemptControl
from tesk_taskmaster.usecases.looks import ImageLooks
from tesk_taskmaster.usecases.transfers import EndedError, TransferSteps


@dataclass(slots=True, kw_only=True)
class AttemptSteps:
    """The steps of an attempt, run one after another in its thread.

    Attributes:
        live_interval: Between two looks at the output of a running executor.
        retries: Of outputs.
    """

    assignment: Assignment
    runtime: Runtime
    account: Account
    control: AttemptControl
    live_interval: timedelta
    clock: Clock
    retries: UploadRetries

    @property
    def attempt(self) -> Attempt:
        """The attempt whose steps these are."""
        return self.assignment.attempt

    def run(self) -> Finished:
        """Run what has not run yet, and return how the attempt ends.

        Raises:
            EndedError, PlanError, StepFailedError: It ends otherwise.
            CanceledError, AbandonedError, RefusedError: It is to be left.
        """
        plan = replace(
            plan_task(self.assignment.task, self.attempt),
            waiting_since=self.assignment.waiting_since,
        )
        self._check_remains()
        self.control.checkpoint()
        self.runtime.prepare(plan, self.assignment.transfer_token, self.account.say)
        if not self.assignment.last_sequence:
            self.account.keep([Notice(line) for line in self.runtime.notes()])
        looks = ImageLooks(
            assignment=self.assignment, runtime=self.runtime, account=self.account
        )
        looks.begin(plan)
        if plan.has_inputs and not self.assignment.inputs_finished:
            self._transfers().bring(plan)
        failed = self._run_executors(plan, looks)
        if plan.has_outputs and not self.assignment.outputs_finished:
            self._store_outputs(plan, failed)
        self.control.checkpoint()
        return failed or Finished(Outcome.COMPLETE)

    def _check_remains(self) -> None:
        """Make sure that what earlier steps left is where it was."""
        known = self.assignment.inputs_finished or self.assignment.finished_executors
        if known and self.attempt not in self.runtime.attempts():
            text = "what its earlier steps left is gone"
            raise EndedError(Outcome.LOST, Reason(ReasonCode.STEP_VANISHED, text))

    def _store_outputs(self, plan: Plan, failed: Finished | None) -> None:
        if failed is None:
            self._transfers().take(plan)
            return
        # The command failed first, and that is what the user must see.
        failure = self._transfers().take_once(plan)
        if failure:
            self.account.tell(Notice(failure))

    def _transfers(self) -> TransferSteps:
        return TransferSteps(
            assignment=self.assignment,
            runtime=self.runtime,
            account=self.account,
            control=self.control,
            clock=self.clock,
            retries=self.retries,
            run_step=self._run_filer,
        )

    def _run_filer(self, plan: Plan, step: str, doing: Reason) -> StepResult:
        def wait(name: str) -> StepResult:
            self.account.say(doing)  # again: the start may have waited and said so
            return self._wait(name)

        return self._run_step(plan, step, wait)[0]

    def _run_executors(self, plan: Plan, looks: ImageLooks) -> Finished | None:
        """Run what has not run; return how the task fails, if it does."""
        for step in plan.executors:
            code = self.assignment.finished_executors.get(step.index)
            cause = ReasonCode.NONE
            if code is None:
                result = self._run_executor(looks.fit(plan, step.index), step)
                code, cause = result.exit_code, result.code
            if code and not step.executor.ignore_error:
                text = f"executors[{step.index}] ended with exit code {code}"
                reason = Reason(cause or ReasonCode.EXECUTOR_FAILED, text)
                return Finished(Outcome.EXECUTOR_ERROR, reason)
        return None

    def _run_executor(self, plan: Plan, step: ExecutorStep) -> StepResult:
        def started_and_waited(name: str) -> StepResult:
            self.account.tell(ExecutorStarted(step.index))
            return self._watch(step.index, name)

        # What started a moment before both taskmaster and step vanished was told
        # to nobody and runs again: the report can only follow the start.
        has_started = step.index in self.assignment.started_executors
        result, tails = self._run_step(
            plan, step.name, started_and_waited, has_started=has_started
        )
        if tails.unread:
            self.account.keep([_unread(step.index, tails)])
        if result.error:
            if tails.stdout or tails.stderr:
                self.account.keep([_output(step.index, tails)])
            self.control.checkpoint()
            outcome = Outcome.LOST if result.lost else Outcome.SYSTEM_ERROR
            raise EndedError(outcome, Reason(result.code, result.error))
        if result.note:
            self.account.keep([Notice(result.note)])
        if result.metadata:
            self.account.keep([_where(step.index, result)])
        self.account.keep([_executor_ended(step.index, result, tails)])
        if step.index < len(plan.executors) - 1:
            self.account.tell()  # and else along with what comes next, at once
        self.control.checkpoint()
        return result

    def _run_step(
        self,
        plan: Plan,
        step: str,
        wait: Callable[[str], StepResult],
        *,
        has_started: bool = False,
    ) -> tuple[StepResult, Tails]:
        self.control.enter(step)
        try:
            say = self.account.say
            self.runtime.start(plan, step, say, has_started=has_started)
            self.control.stop_if_canceled(step)
            result = wait(step)
            self.control.check_held()
            if direction_of(step):
                return result, Tails(b"", b"")
            return result, self.runtime.tails(self.attempt, step)
        finally:
            self.control.leave()

    def _wait(self, step: str) -> StepResult:
        while True:
            result = self.runtime.wait(self.attempt, step, self.live_interval)
            self.control.check_held()
            if result is not None:
                return result

    def _watch(self, index: int, step: str) -> StepResult:
        """Wait for an executor and tell what it prints meanwhile."""
        shown = Tails(b"", b"")
        while True:
            result = self.runtime.wait(self.attempt, step, self.live_interval)
            self.control.check_held()
            if result is not None:
                return result
            tails = self.runtime.tails(self.attempt, step)
            if tails != shown and not tails.unread:
                shown = tails
                self.account.tell(_output(index, tails))


def _output(index: int, tails: Tails) -> ExecutorOutput:
    return ExecutorOutput(index, tail_text(tails.stdout), tail_text(tails.stderr))


def _unread(index: int, tails: Tails) -> Notice:
    return Notice(
        f"executors[{index}]: not all that it printed could be read: {tails.unread}"
    )


def _where(index: int, result: StepResult) -> Metadata:
    return Metadata(
        {f"executors[{index}].{key}": text for key, text in result.metadata.items()}
    )


def _executor_ended(index: int, result: StepResult, tails: Tails) -> ExecutorEnded:
    return ExecutorEnded(
        index=index,
        exit_code=result.exit_code,
        stdout=tail_text(tails.stdout),
        stderr=tail_text(tails.stderr),
        start_time=result.started_at,
        end_time=result.ended_at,
    )
