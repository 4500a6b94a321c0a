"""Runs one attempt of a task, from its assignment to its release.

The outcome is durable before anything is deleted. A cancel is the exception:
everything is stopped and deleted before CANCELED is reported.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from tesk_model.events import Finished, Outcome, Released
from tesk_model.names import Attempt
from tesk_model.reasons import Reason, ReasonCode
from tesk_model.spans import NoTracer, Tracer
from tesk_model.upload_retries import UploadRetries
from tesk_taskmaster.domain.assignment import Assignment
from tesk_taskmaster.domain.planning import PlanError
from tesk_taskmaster.ports import Clock, LeftoversError, Runtime, StepFailedError
from tesk_taskmaster.usecases.attempt_control import (
    AbandonedError,
    AttemptControl,
    CanceledError,
)
from tesk_taskmaster.usecases.attempt_reporter import AttemptReporter
from tesk_taskmaster.usecases.reporter import RefusedError, Reporter
from tesk_taskmaster.usecases.steps import AttemptSteps
from tesk_taskmaster.usecases.transfers import AttemptEndedError

_RELEASE_TRIES = 3
_MAX_BACKOFF = timedelta(seconds=10)

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptSettings:
    """How attempts are run.

    Attributes:
        grace: Between SIGTERM and SIGKILL.
        live_interval: Between two reads of the output of a running executor.
        release_backoff: Before the second try to delete what could not be
            deleted; doubles with each further one.
        uploads: When the upload of outputs is tried again.
    """

    grace: timedelta
    live_interval: timedelta
    release_backoff: timedelta
    uploads: UploadRetries


@dataclass(slots=True, kw_only=True)
class RunAttempt:
    """The work on one attempt; ``run`` is the body of its thread."""

    assignment: Assignment
    runtime: Runtime
    reporter: Reporter
    control: AttemptControl
    settings: AttemptSettings
    clock: Clock
    on_end: Callable[[Attempt], None]
    tracer: Tracer = field(default_factory=NoTracer)
    _attempt_reporter: AttemptReporter = field(init=False)

    def __post_init__(self) -> None:
        """Begin with nothing reported."""
        self._attempt_reporter = AttemptReporter(
            attempt=self.attempt,
            reporter=self.reporter,
            control=self.control,
            held_up_since=self.assignment.held_up_since,
        )

    @property
    def attempt(self) -> Attempt:
        """The attempt that is worked on."""
        return self.assignment.attempt

    def run(self) -> None:
        """Work until the attempt is released, or belongs to another taskmaster."""
        try:
            self._run_to_release()
        except (AbandonedError, RefusedError):
            _logger.info("attempt detached", extra=self.attempt.log_fields)
            self.runtime.detach(self.attempt)
        except Exception:
            # Left in place: the scheduler assigns it again, which may succeed.
            _logger.exception(
                "attempt abandoned after an error", extra=self.attempt.log_fields
            )
            self.runtime.detach(self.attempt)
        finally:
            self.reporter.close_attempt(self.attempt)
            self.on_end(self.attempt)

    def _run_to_release(self) -> None:
        self.control.check_ownership()
        _logger.info("attempt started", extra=self.attempt.log_fields)
        if not self.assignment.release_only:
            try:
                finished = self._work()
            except CanceledError:
                self._log_end(Outcome.CANCELED)
                left = self._release()
                self._attempt_reporter.report(
                    Finished(Outcome.CANCELED), Released(left)
                )
                self._attempt_reporter.wait_durable()
                return
            self._log_end(finished.outcome)
            self._attempt_reporter.report(finished)
            # The outcome is durable before anything is deleted.
            self._attempt_reporter.wait_durable()
        left = self._release()
        self._attempt_reporter.report(Released(left))
        self._attempt_reporter.wait_durable()

    def _log_end(self, outcome: Outcome) -> None:
        fields = {**self.attempt.log_fields, "outcome": outcome.value}
        _logger.info("attempt ended", extra=fields)

    def _work(self) -> Finished:
        try:
            return AttemptSteps(
                assignment=self.assignment,
                runtime=self.runtime,
                attempt_reporter=self._attempt_reporter,
                control=self.control,
                live_interval=self.settings.live_interval,
                clock=self.clock,
                retries=self.settings.uploads,
                tracer=self.tracer,
            ).run()
        except AttemptEndedError as error:
            return error.finished
        except PlanError as error:
            reason = Reason(ReasonCode.TASK_INVALID, str(error))
            return Finished(Outcome.SYSTEM_ERROR, reason)
        except StepFailedError as error:
            outcome = Outcome.LOST if error.lost else Outcome.SYSTEM_ERROR
            return Finished(outcome, error.reason)
        except (CanceledError, AbandonedError, RefusedError):
            raise
        except Exception as error:
            _logger.exception("attempt failed", extra=self.attempt.log_fields)
            text = f"the taskmaster failed ({type(error).__name__}); see its log"
            reason = Reason(ReasonCode.TASKMASTER_FAILED, text)
            return Finished(Outcome.LOST, reason)

    def _release(self) -> str:
        """Remove all of the attempt; return why files are left for good, or "".

        Processes are stopped, however long that takes. Files that cannot be removed
        are left behind, so that the attempt does not hold its slot for ever.
        """
        never = threading.Event()
        backoff = self.settings.release_backoff
        tries = 0
        while True:
            self.control.check_ownership()
            try:
                self.runtime.release(self.attempt)
            except StepFailedError as error:
                _logger.warning(
                    "release failed",
                    extra={**self.attempt.log_fields, "error": str(error)},
                )
                tries += isinstance(error, LeftoversError)
                if tries >= _RELEASE_TRIES:
                    self.runtime.defer_removal(self.attempt)
                    return str(error)
                never.wait(backoff.total_seconds())
                backoff = min(backoff * 2, _MAX_BACKOFF)
            else:
                _logger.info("attempt released", extra=self.attempt.log_fields)
                return ""
