"""Stops the thread of an attempt.

The thread checks before each step (``checkpoint``); while it waits for a step, a
cancel stops that step, so that the wait returns. If it cannot be stopped, the wait ends
without its result, and all of the attempt is deleted.
"""

import logging
import threading
from datetime import timedelta

from tesk_model.names import Attempt
from tesk_taskmaster.ports import Runtime
from tesk_taskmaster.usecases.lease import Lease

_LEASE_CHECK_INTERVAL = timedelta(seconds=1)

_logger = logging.getLogger(__name__)


class CanceledError(Exception):
    """The user canceled the task: stop and delete what runs."""


class AbandonedError(Exception):
    """The attempt belongs to another taskmaster: touch nothing."""


class AttemptControl:
    """The stop orders for one attempt; thread-safe."""

    def __init__(
        self, attempt: Attempt, runtime: Runtime, lease: Lease, grace: timedelta
    ) -> None:
        """Control ``attempt``; a canceled step gets ``grace`` after SIGTERM."""
        self._attempt = attempt
        self._runtime = runtime
        self._lease = lease
        self._grace = grace
        self._lock = threading.Lock()
        self._step: str | None = None
        self._canceled = False
        self._stop_failed = False
        self._abandoned = False
        self._ordered = threading.Event()

    def cancel(self) -> None:
        """Cancel the attempt and stop the step that runs. Returns at once."""
        with self._lock:
            if self._canceled:
                return
            self._canceled = True
            step = self._step
        self._ordered.set()
        if step is not None:
            threading.Thread(
                target=self._stop,
                args=(step,),
                name=f"{self._attempt.name}-cancel",
                daemon=True,
            ).start()

    def abandon(self) -> None:
        """Tell the thread to leave everything as it is."""
        with self._lock:
            self._abandoned = True
        self._ordered.set()

    def check_ownership(self) -> None:
        """Raise AbandonedError unless this taskmaster may act on the attempt."""
        with self._lock:
            abandoned = self._abandoned
        if abandoned or self._lease.is_lost():
            raise AbandonedError

    def checkpoint(self) -> None:
        """Raise what ends the thread's work, if it was canceled or abandoned."""
        self.check_ownership()
        with self._lock:
            if self._canceled:
                raise CanceledError

    def check_wait(self) -> None:
        """Raise what ends the wait for a step that has not ended.

        A cancel stops the step, and the wait goes on to its end.

        Raises:
            CanceledError: The step could not be stopped.
        """
        with self._lock:
            if self._stop_failed:
                raise CanceledError

    def pause(self, duration: timedelta) -> None:
        """Wait; an order, or the end of the lease, ends the wait early.

        Raises:
            CanceledError, AbandonedError: As ``checkpoint``.
        """
        left = duration
        while left > timedelta(0):
            self._ordered.wait(min(left, _LEASE_CHECK_INTERVAL).total_seconds())
            self.checkpoint()
            left -= _LEASE_CHECK_INTERVAL

    def enter_step(self, step: str) -> None:
        """Record the step that is about to start.

        Raises:
            CanceledError, AbandonedError: As ``checkpoint``.
        """
        self.check_ownership()
        with self._lock:
            if self._canceled:
                raise CanceledError
            self._step = step

    def stop_if_canceled(self, step: str) -> None:
        """Stop a step that was started while a cancel arrived."""
        with self._lock:
            canceled = self._canceled
        if canceled:
            self._stop(step)

    def leave_step(self) -> None:
        """Record that no step runs now."""
        with self._lock:
            self._step = None

    def _stop(self, step: str) -> None:
        try:
            self.check_ownership()
            self._runtime.stop(self._attempt, step, self._grace)
        except AbandonedError:
            return
        except Exception:
            # The attempt's own thread stops and deletes as well, and reports.
            _logger.exception("stop failed", extra={"task_id": self._attempt.task_id})
            with self._lock:
                self._stop_failed = True
