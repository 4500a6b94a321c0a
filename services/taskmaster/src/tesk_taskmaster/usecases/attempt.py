"""One attempt of a task, from its assignment to its release.

After its steps the outcome is made durable, and only then is anything deleted.
A cancel is the exception: the user wants it gone, so everything is stopped and
deleted before CANCELED is said.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from tesk_model.events import Finished, Outcome, Released
from tesk_model.names import Attempt
from tesk_model.reasons import Reason, ReasonCode
from tesk_taskmaster.domain.assignment import Assignment
from tesk_taskmaster.domain.planning import PlanError
from tesk_taskmaster.domain.transfers import UploadRetries
from tesk_taskmaster.ports import Clock, RemainsError, Runtime, StepFailedError
from tesk_taskmaster.usecases.account import Account
from tesk_taskmaster.usecases.control import (
    AbandonedError,
    AttemptControl,
    CanceledError,
)
from tesk_taskmaster.usecases.reporter import RefusedError, Reporter
from tesk_taskmaster.usecases.steps import AttemptSteps
from tesk_taskmaster.usecases.transfers import EndedError

_RELEASE_TRIES = 3
_LONGEST_PAUSE = timedelta(seconds=10)

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptSettings:
    """How attempts are run.

    Attributes:
        grace: Between SIGTERM and SIGKILL.
        live_interval: Between two looks at the output of a running executor.
        retry_pause: Before the second try to delete what could not be deleted;
            twice as long before each further one.
        uploads: When outputs are tried again.
    """

    grace: timedelta
    live_interval: timedelta
    retry_pause: timedelta
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
    ended: Callable[[Attempt], None]
    _account: Account = field(init=False)

    def __post_init__(self) -> None:
        """Begin with nothing said."""
        self._account = Account(
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
                left = self._release()
                self._account.tell(Finished(Outcome.CANCELED), Released(left))
                self._account.wait_durable()
                return
            self._account.tell(finished)
            # The outcome is durable before anything is deleted.
            self._account.wait_durable()
        left = self._release()
        self._account.tell(Released(left))
        self._account.wait_durable()

    def _work(self) -> Finished:
        try:
            return AttemptSteps(
                assignment=self.assignment,
                runtime=self.runtime,
                account=self._account,
                control=self.control,
                live_interval=self.settings.live_interval,
                clock=self.clock,
                retries=self.settings.uploads,
            ).run()
        except EndedError as error:
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
            _logger.exception("attempt failed", extra=self._log_fields())
            text = f"the taskmaster failed ({type(error).__name__}); see its log"
            reason = Reason(ReasonCode.TASKMASTER_FAILED, text)
            return Finished(Outcome.LOST, reason)

    def _release(self) -> str:
        """Remove all of the attempt; return what remains for good, or "".

        What runs is never given up. Files that cannot be removed are, so that
        the attempt does not hold its slot for ever.
        """
        pause = threading.Event()
        wait = self.settings.retry_pause
        tries = 0
        while True:
            self.control.check_held()
            try:
                self.runtime.release(self.attempt)
            except StepFailedError as error:
                _logger.warning(
                    "release failed", extra={**self._log_fields(), "error": str(error)}
                )
                tries += isinstance(error, RemainsError)
                if tries >= _RELEASE_TRIES:
                    self.runtime.set_aside(self.attempt)
                    return str(error)
                pause.wait(wait.total_seconds())
                wait = min(wait * 2, _LONGEST_PAUSE)
            else:
                return ""

    def _log_fields(self) -> dict[str, object]:
        return {"task_id": self.attempt.task_id, "attempt": self.attempt.number}
