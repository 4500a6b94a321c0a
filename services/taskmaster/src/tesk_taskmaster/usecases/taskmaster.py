"""The loop of a taskmaster: renew the lease, take up and stop attempts.

It never stops a step on its own account. When it ends, for whatever reason,
steps go on, and the taskmaster that gets the attempts next adopts them.
"""

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from tesk_model.errors import TeskError
from tesk_model.names import Attempt
from tesk_taskmaster.domain.assignment import Assignment, Stop, StopReason
from tesk_taskmaster.ports import Clock, Runtime, Scheduler
from tesk_taskmaster.usecases.attempt import AttemptSettings, RunAttempt
from tesk_taskmaster.usecases.control import AttemptControl
from tesk_taskmaster.usecases.lease import Lease
from tesk_taskmaster.usecases.outage import Outage
from tesk_taskmaster.usecases.reporter import Reporter

_ANSWER_MARGIN = timedelta(seconds=5)

_logger = logging.getLogger(__name__)


class _DismissedError(Exception):
    """The scheduler has nothing more for this taskmaster."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskmasterSettings:
    """How the loop behaves.

    Attributes:
        slots: Attempts held at once.
        wait: Longest wait of one Sync; shorter than the lease.
        pause: Between tries while the scheduler does not answer.
        patience: How long a first answer is waited for.
        farewell: How long unsent events may take when it ends.
    """

    slots: int
    wait: timedelta
    pause: timedelta
    patience: timedelta
    farewell: timedelta
    attempts: AttemptSettings


@dataclass(slots=True, kw_only=True)
class Taskmaster:
    """Runs the attempts that the scheduler assigns, each in a thread."""

    scheduler: Scheduler
    runtime: Runtime
    reporter: Reporter
    clock: Clock
    settings: TaskmasterSettings
    lease: Lease = field(init=False)
    _outage: Outage = field(default_factory=Outage, init=False)
    _unreachable: bool = field(default=False, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _held: dict[Attempt, AttemptControl] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        """Begin without a lease."""
        self.lease = Lease(self.clock)

    def run(self, stop: threading.Event) -> bool:
        """Work until ``stop`` is set, the scheduler says so, or the lease is lost.

        Returns:
            False if it ended because the scheduler could not be reached.
        """
        loops = [
            threading.Thread(target=self.reporter.run, name="reporter", daemon=True),
            threading.Thread(target=self._sync, args=(stop,), name="sync", daemon=True),
        ]
        for loop in loops:
            loop.start()
        stop.wait()
        if not self._unreachable:
            self.reporter.flush(self.settings.farewell)
        _logger.info("leaving", extra={"attempts": len(self.held())})
        self._abandon(self.held())
        self.reporter.close()
        return not self._unreachable

    def held(self) -> list[Attempt]:
        """List the attempts in hand, sorted."""
        with self._lock:
            return sorted(self._held)

    def _sync(self, stop: threading.Event) -> None:
        """Ask and obey until it is over; sets ``stop`` at the end."""
        try:
            started = self.clock.monotonic()
            while not stop.is_set():
                if self._ask():
                    continue
                if self._is_hopeless(self.clock.monotonic() - started):
                    _logger.error("scheduler not reached; letting go of all attempts")
                    self._unreachable = True
                    return
                stop.wait(self.settings.pause.total_seconds())
        except _DismissedError:
            _logger.info("dismissed")
        finally:
            stop.set()

    def _ask(self) -> bool:
        """Sync once; tell whether there was an answer."""
        asked_at = self.clock.monotonic()
        remaining = self.lease.remaining()
        within = self.settings.wait + _ANSWER_MARGIN
        try:
            orders = self.scheduler.sync(
                self.held(),
                slots=self.settings.slots,
                wait=self.settings.wait,
                within=within if remaining is None else min(within, remaining),
            )
        except TeskError as error:
            if self._outage.fail(self.clock.monotonic()):
                _logger.warning("no orders", extra={"error": str(error)})
            return False
        away = self._outage.end(self.clock.monotonic())
        if away is not None:
            _logger.info("orders again", extra={"seconds": away.total_seconds()})
        if self.lease.is_lost():
            return False  # too late: the attempts may be another's already
        self.lease.renew(asked_at, orders.lease)
        if orders.exit:
            raise _DismissedError
        for order in orders.stop:
            self._stop(order)
        for assignment in orders.run:
            self._take_up(assignment)
        return True

    def _is_hopeless(self, waited: float) -> bool:
        if self.lease.remaining() is None:
            return waited > self.settings.patience.total_seconds()
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

    def _take_up(self, assignment: Assignment) -> None:
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
            ended=self._forget,
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
