"""The main loop of a taskmaster: renew the lease, start and stop attempts.

It never stops a step without an order. When it exits, for whatever reason, steps
continue, and the taskmaster that gets the attempts next adopts them.
"""

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from tesk_model.errors import TeskError
from tesk_model.names import Attempt
from tesk_model.spans import NoTracer, Tracer
from tesk_taskmaster.domain.assignment import Assignment, Stop, StopReason
from tesk_taskmaster.ports import Clock, Runtime, Scheduler
from tesk_taskmaster.usecases.attempt import AttemptSettings, RunAttempt
from tesk_taskmaster.usecases.attempt_control import AttemptControl
from tesk_taskmaster.usecases.failure_log import FailureLog
from tesk_taskmaster.usecases.lease import Lease
from tesk_taskmaster.usecases.reporter import Reporter

_ANSWER_MARGIN = timedelta(seconds=5)

_logger = logging.getLogger(__name__)


class _ExitOrderedError(Exception):
    """The scheduler told this taskmaster to exit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskmasterSettings:
    """How the loop behaves.

    Attributes:
        slots: Attempts held at once.
        sync_wait: Longest wait of one Sync; shorter than the lease.
        retry_interval: Between tries while the scheduler does not answer.
        start_timeout: For the first answer of the scheduler.
        flush_timeout: For sending the last events at exit.
    """

    slots: int
    sync_wait: timedelta
    retry_interval: timedelta
    start_timeout: timedelta
    flush_timeout: timedelta
    attempts: AttemptSettings


@dataclass(slots=True, kw_only=True)
class Taskmaster:
    """Runs the attempts that the scheduler assigns, each in a thread."""

    scheduler: Scheduler
    runtime: Runtime
    reporter: Reporter
    clock: Clock
    settings: TaskmasterSettings
    tracer: Tracer = field(default_factory=NoTracer)
    lease: Lease = field(init=False)
    _failure_log: FailureLog = field(default_factory=FailureLog, init=False)
    _unreachable: bool = field(default=False, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _held: dict[Attempt, AttemptControl] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        """Begin without a lease."""
        self.lease = Lease(self.clock)

    def run(self, stop: threading.Event) -> bool:
        """Work until ``stop`` is set, the scheduler orders an exit, or the lease is lost.

        Returns:
            False if it ended because the scheduler could not be reached.
        """
        loops = [
            threading.Thread(target=self.reporter.run, name="reporter", daemon=True),
            threading.Thread(
                target=self._sync_until_stopped, args=(stop,), name="sync", daemon=True
            ),
        ]
        for loop in loops:
            loop.start()
        stop.wait()
        if not self._unreachable:
            self.reporter.flush(self.settings.flush_timeout)
        _logger.info("exiting", extra={"attempts": len(self.held())})
        self._abandon(self.held())
        self.reporter.close()
        return not self._unreachable

    def held(self) -> list[Attempt]:
        """List the attempts that it works on, sorted."""
        with self._lock:
            return sorted(self._held)

    def _sync_until_stopped(self, stop: threading.Event) -> None:
        """Sync and carry out orders until told to exit; sets ``stop`` at the end."""
        try:
            started = self.clock.monotonic()
            while not stop.is_set():
                if self._sync_once():
                    continue
                if self._has_timed_out(self.clock.monotonic() - started):
                    _logger.error("scheduler not reached; all attempts detached")
                    self._unreachable = True
                    return
                stop.wait(self.settings.retry_interval.total_seconds())
        except _ExitOrderedError:
            _logger.info("told to exit")
        finally:
            stop.set()

    def _sync_once(self) -> bool:
        """Sync once; tell whether there was an answer."""
        asked_at = self.clock.monotonic()
        remaining = self.lease.remaining()
        within = self.settings.sync_wait + _ANSWER_MARGIN
        try:
            orders = self.scheduler.sync(
                self.held(),
                slots=self.settings.slots,
                wait=self.settings.sync_wait,
                within=within if remaining is None else min(within, remaining),
            )
        except TeskError as error:
            if self._failure_log.record_failure(self.clock.monotonic()):
                _logger.warning("sync failed", extra={"error": str(error)})
            return False
        away = self._failure_log.record_success(self.clock.monotonic())
        if away is not None:
            _logger.info(
                "sync succeeded again", extra={"seconds": away.total_seconds()}
            )
        if self.lease.is_lost():
            return False  # too late: the attempts may be reassigned
        self.lease.renew(asked_at, orders.lease)
        if orders.exit:
            raise _ExitOrderedError
        for order in orders.stop:
            self._stop(order)
        for attempt in orders.inputs_finished:
            self.runtime.conclude(attempt, "inputs")
        for attempt in orders.outputs_finished:
            self.runtime.conclude(attempt, "outputs")
        for assignment in orders.run:
            self._start_attempt(assignment)
        return True

    def _has_timed_out(self, waited: float) -> bool:
        if self.lease.remaining() is None:
            return waited > self.settings.start_timeout.total_seconds()
        return self.lease.is_lost()

    def _stop(self, order: Stop) -> None:
        with self._lock:
            control = self._held.get(order.attempt)
        if control is None:
            return
        if order.reason is StopReason.CANCELED:
            control.cancel()
        else:
            control.abandon()

    def _start_attempt(self, assignment: Assignment) -> None:
        attempt = assignment.attempt
        control = AttemptControl(
            attempt, self.runtime, self.lease, self.settings.attempts.grace
        )
        with self._lock:
            if attempt in self._held:
                return
            self._held[attempt] = control
        self.reporter.open(attempt, assignment.last_sequence)
        work = RunAttempt(
            assignment=assignment,
            runtime=self.runtime,
            reporter=self.reporter,
            control=control,
            settings=self.settings.attempts,
            clock=self.clock,
            on_end=self._forget,
            tracer=self.tracer,
        )
        threading.Thread(target=work.run, name=attempt.name, daemon=True).start()

    def _forget(self, attempt: Attempt) -> None:
        with self._lock:
            self._held.pop(attempt, None)

    def _abandon(self, attempts: Sequence[Attempt]) -> None:
        for attempt in attempts:
            with self._lock:
                control = self._held.get(attempt)
            if control is not None:
                control.abandon()
