"""Runs the steps of one attempt: inputs, executors in order, outputs.

If there is a candidate, whether its results count is found out before them.

A successor can repeat each: a step that runs or has ended is adopted, and the
assignment says what the scheduler already knows.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

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
from tesk_model.spans import Span, Tracer, attempt_span_id
from tesk_model.upload_retries import UploadRetries
from tesk_taskmaster.domain.assignment import Assignment
from tesk_taskmaster.domain.plan import ExecutorStep, Plan
from tesk_taskmaster.domain.planning import plan_task
from tesk_taskmaster.domain.step_names import direction_of
from tesk_taskmaster.domain.tails import tail_text
from tesk_taskmaster.domain.termination import StepResult
from tesk_taskmaster.ports import Clock, Runtime, Tails
from tesk_taskmaster.usecases.attempt_control import AttemptControl
from tesk_taskmaster.usecases.attempt_reporter import AttemptReporter
from tesk_taskmaster.usecases.candidate_check import CandidateCheck
from tesk_taskmaster.usecases.finished_executors import cause_of_end
from tesk_taskmaster.usecases.plan_fitting import (
    FitMounts,
    FittedPlan,
    check_earlier_steps,
    fit_plan,
)
from tesk_taskmaster.usecases.transfers import AttemptEndedError, TransferSteps

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Failure:
    """How executors end a task; ``is_repeated``: only an attempt of it."""

    finished: Finished
    is_repeated: bool


@dataclass(slots=True, kw_only=True)
class AttemptSteps:
    """The steps of an attempt, run one after another in its thread.

    Attributes:
        live_interval: Between two reads of the output of a running executor.
        retries: Of uploads.
    """

    assignment: Assignment
    runtime: Runtime
    attempt_reporter: AttemptReporter
    control: AttemptControl
    live_interval: timedelta
    clock: Clock
    retries: UploadRetries
    tracer: Tracer

    @property
    def attempt(self) -> Attempt:
        """The attempt whose steps these are."""
        return self.assignment.attempt

    def run(self) -> Finished:
        """Run what has not run yet, and return how the attempt ends.

        Raises:
            AttemptEndedError, PlanError, StepFailedError: It ends otherwise.
            CanceledError, AbandonedError, RefusedError: The work must stop.
        """
        plan = self._plan()
        check_earlier_steps(self.assignment, self.runtime, self.attempt_reporter)
        self.control.checkpoint()
        if not self.assignment.last_sequence:
            # With the first report, so that who has any event has these.
            self.attempt_reporter.buffer(
                [Notice(line) for line in self.runtime.notices()]
            )
        self.runtime.prepare(
            plan, self.assignment.transfer_token, self.attempt_reporter.report_reason
        )
        if finished := self._check_candidate(plan):
            return finished
        fitted = fit_plan(
            plan,
            assignment=self.assignment,
            runtime=self.runtime,
            attempt_reporter=self.attempt_reporter,
        )
        plan, transfers = fitted.plan, self._transfers(fitted)
        if plan.has_inputs and not self.assignment.inputs_finished:
            transfers.download(plan)
        failed = self._run_executors(plan, fitted.fit_mounts)
        if (
            plan.has_outputs
            and not self.assignment.outputs_finished
            and not (failed and failed.is_repeated)
        ):
            self._upload_outputs(plan, failed, transfers)
        self.control.checkpoint()
        return failed.finished if failed else Finished(Outcome.COMPLETE)

    def _check_candidate(self, plan: Plan) -> Finished | None:
        return CandidateCheck(
            assignment=self.assignment,
            runtime=self.runtime,
            attempt_reporter=self.attempt_reporter,
            control=self.control,
            run_step=self._run_filer,
        ).run(plan)

    def _upload_outputs(
        self, plan: Plan, failed: _Failure | None, transfers: TransferSteps
    ) -> None:
        if failed is None:
            transfers.upload(plan)
            return
        # The user must see the failure of the command, which came first.
        failure = transfers.upload_once(plan)
        if failure:
            self.attempt_reporter.report(Notice(failure))

    def _plan(self) -> Plan:
        """Plan the task, with what only its assignment says."""
        plan = plan_task(self.assignment.task, self.attempt)
        return replace(
            plan,
            placement=replace(plan.placement, groups=self.assignment.groups),
            waiting_since=self.assignment.waiting_since,
            may_be_repeated=bool(self.assignment.repeated),
            has_results=self.assignment.has_results,
        )

    def _transfers(self, fitted: FittedPlan) -> TransferSteps:
        return TransferSteps(
            assignment=self.assignment,
            runtime=self.runtime,
            attempt_reporter=self.attempt_reporter,
            control=self.control,
            clock=self.clock,
            retries=self.retries,
            are_repeatable=not fitted.is_in_one_pod,
            run_step=self._run_filer,
        )

    def _run_filer(self, plan: Plan, step: str, reason: Reason) -> StepResult:
        def wait(name: str) -> StepResult:
            self.attempt_reporter.report_reason(
                reason
            )  # again: the start may have waited
            return self._wait(name)

        return self._run_step(plan, step, wait)[0]

    def _run_executors(self, plan: Plan, fit_mounts: FitMounts) -> _Failure | None:
        """Run the executors that have not run; return how the task fails, if it does."""
        for step in plan.executors:
            code, cause = self._end_of_executor(plan, step, fit_mounts)
            if code and not step.executor.ignore_error:
                text = f"executors[{step.index}] ended with exit code {code}"
                reason = Reason(cause or ReasonCode.EXECUTOR_FAILED, text)
                return _Failure(
                    finished=Finished(Outcome.EXECUTOR_ERROR, reason),
                    is_repeated=self.assignment.repeated.has(code, cause),
                )
        return None

    def _end_of_executor(
        self, plan: Plan, step: ExecutorStep, fit_mounts: FitMounts
    ) -> tuple[int, ReasonCode]:
        """Run an executor if it has not run; return its exit code, and why it failed."""
        code = self.assignment.finished_executors.get(step.index)
        if code is None:
            result = self._run_executor(fit_mounts(plan, step.index), step)
            return result.exit_code, result.code
        if not code or step.executor.ignore_error:
            return code, ReasonCode.NONE
        report_reason = self.attempt_reporter.report_reason
        return code, cause_of_end(
            plan, step.name, runtime=self.runtime, report_reason=report_reason
        )

    def _run_executor(self, plan: Plan, step: ExecutorStep) -> StepResult:
        def started_and_waited(name: str) -> StepResult:
            self.attempt_reporter.report(ExecutorStarted(step.index))
            return self._wait_reporting_output(step.index, name)

        # An executor that started a moment before both taskmaster and step vanished
        # was not reported and runs again: the report can only follow the start.
        has_started = step.index in self.assignment.started_executors
        result, tails = self._run_step(
            plan, step.name, started_and_waited, has_started=has_started
        )
        if tails.unread:
            self.attempt_reporter.buffer([_unread(step.index, tails)])
        if result.error:
            if tails.stdout or tails.stderr:
                self.attempt_reporter.buffer([_output(step.index, tails)])
            self.control.checkpoint()
            outcome = Outcome.LOST if result.lost else Outcome.SYSTEM_ERROR
            raise AttemptEndedError(outcome, Reason(result.code, result.error))
        if result.notice:
            self.attempt_reporter.buffer([Notice(result.notice)])
        if result.metadata:
            self.attempt_reporter.buffer([_location(step.index, result)])
        self.attempt_reporter.buffer([_executor_ended(step.index, result, tails)])
        if step.index < len(plan.executors) - 1:
            self.attempt_reporter.report()  # else with the next event, which follows at once
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
        self.control.enter_step(step)
        try:
            report_reason = self.attempt_reporter.report_reason
            self.runtime.start(plan, step, report_reason, has_started=has_started)
            fields = {**self.attempt.log_fields, "step": step}
            _logger.info("step started", extra=fields)
            self.control.stop_if_canceled(step)
            began = self.clock.now()
            result = wait(step)
            self._trace(step, began, result)
            fields["exit_code"] = result.exit_code
            _logger.info("step ended", extra=fields)
            self.control.check_ownership()
            if direction_of(step):
                return result, Tails(b"", b"")
            return result, self.runtime.tails(self.attempt, step)
        finally:
            self.control.leave_step()

    def _trace(self, step: str, began: datetime, result: StepResult) -> None:
        self.tracer.record(
            Span(
                name=f"step {step}",
                task_id=self.attempt.task_id,
                parent=attempt_span_id(self.attempt),
                start=result.started_at or began,
                end=result.ended_at or self.clock.now(),
                failed=bool(result.error or result.exit_code),
                attributes={"tesk.exit_code": result.exit_code},
            )
        )

    def _wait(self, step: str) -> StepResult:
        while (result := self._wait_once(step)) is None:
            pass
        return result

    def _wait_reporting_output(self, index: int, step: str) -> StepResult:
        """Wait for an executor and report what it prints meanwhile."""
        reported = Tails(b"", b"")
        while (result := self._wait_once(step)) is None:
            tails = self.runtime.tails(self.attempt, step)
            if tails != reported and not tails.unread:
                reported = tails
                self.attempt_reporter.report(_output(index, tails))
        return result

    def _wait_once(self, step: str) -> StepResult | None:
        result = self.runtime.wait(self.attempt, step, self.live_interval)
        self.control.check_ownership()
        if result is None:
            self.control.check_wait()
        return result


def _output(index: int, tails: Tails) -> ExecutorOutput:
    return ExecutorOutput(index, tail_text(tails.stdout), tail_text(tails.stderr))


def _unread(index: int, tails: Tails) -> Notice:
    return Notice(
        f"executors[{index}]: not all that it printed could be read: {tails.unread}"
    )


def _location(index: int, result: StepResult) -> Metadata:
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
        cpu_seconds=result.cpu_seconds,
        max_memory_bytes=result.max_memory_bytes,
        image_digest=result.image_digest,
    )
