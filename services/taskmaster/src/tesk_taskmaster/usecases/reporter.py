"""Reports the events of all attempts to the scheduler, from one queue.

An event is sent at once when no call is in flight; those that arrive meanwhile
go with the next call. So an idle taskmaster is fast and a busy one makes few calls.
"""

import logging
import random
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta

from tesk_model.errors import InvalidRequestError, TeskError
from tesk_model.events import (
    EventPayload,
    EventVerdict,
    Finished,
    Outcome,
    TaskEvent,
)
from tesk_model.names import Attempt
from tesk_model.reasons import Reason, ReasonCode
from tesk_taskmaster.ports import Clock, Scheduler
from tesk_taskmaster.usecases.failure_log import FailureLog
from tesk_taskmaster.usecases.pending_events import PendingEvents

_FIRST_BACKOFF = 0.05
_MAX_BACKOFF = 2.0

_logger = logging.getLogger(__name__)


class RefusedError(Exception):
    """The scheduler refused an event: another taskmaster has the attempt."""


class Reporter:
    """Sends events in order, again and again until they are durable.

    Thread-safe. ``run`` is the body of its one sending thread.
    """

    def __init__(self, scheduler: Scheduler, clock: Clock, *, hold: timedelta) -> None:
        """Report to ``scheduler``.

        Args:
            scheduler: Takes the events.
            clock: The time.
            hold: How long events that nothing waits for may be held.
        """
        self._scheduler = scheduler
        self._clock = clock
        self._failure_log = FailureLog()
        # One lock, but a condition for each attempt: waking all of them for each
        # event would cost more than the rest of reporting it.
        self._lock = threading.Lock()
        self._arrived = threading.Condition(self._lock)
        self._idle = threading.Condition(self._lock)
        self._settled: dict[Attempt, threading.Condition] = {}
        self._pending = PendingEvents(hold)
        self._last: dict[Attempt, int] = {}
        self._durable: dict[Attempt, int] = {}
        self._refused: set[Attempt] = set()
        self._sending = False
        self._closed = threading.Event()

    def open(self, attempt: Attempt, last_sequence: int) -> None:
        """Begin to report on ``attempt``, after the event ``last_sequence``."""
        with self._lock:
            self._settled[attempt] = threading.Condition(self._lock)
            self._last[attempt] = self._durable[attempt] = last_sequence
            self._refused.discard(attempt)

    def report(self, attempt: Attempt, *payloads: EventPayload) -> None:
        """Report what happened, in this order; returns at once.

        Raises:
            RefusedError: An earlier event of the attempt was refused.
        """
        with self._lock:
            self._check(attempt)
            now, before = self._clock.monotonic(), self._pending.due
            for payload in payloads:
                if not self._pending.replace(attempt, payload):
                    self._pending.add(self._make_event(attempt, payload), now)
            self._notify_if_sooner(before)

    def hasten(self) -> None:
        """Let what is held be sent, too; returns at once."""
        with self._lock:
            self._send_now()

    def wait_durable(self, attempt: Attempt) -> None:
        """Wait until all that was reported of ``attempt`` is durable.

        Raises:
            RefusedError: It was refused, or reporting has ended for good.
        """
        with self._lock:
            self._send_now()
            while self._durable.get(attempt, 0) < self._last.get(attempt, 0):
                self._check(attempt)
                self._settled[attempt].wait()

    def close_attempt(self, attempt: Attempt) -> None:
        """Forget ``attempt`` and what of it is not sent yet."""
        with self._lock:
            for known in (self._last, self._durable, self._settled):
                known.pop(attempt, None)
            self._refused.discard(attempt)
            self._pending.drop(attempt)

    def flush(self, timeout: timedelta) -> bool:
        """Wait until everything is sent; tell whether that was in time."""
        with self._lock:
            self._send_now()
            return self._idle.wait_for(
                lambda: not self._pending and not self._sending,
                timeout.total_seconds(),
            )

    def close(self) -> None:
        """End ``run`` and every wait, with or without success."""
        self._closed.set()
        with self._lock:
            for waiting in (self._arrived, self._idle, *self._settled.values()):
                waiting.notify_all()

    def run(self) -> None:
        """Send until closed."""
        while batch := self._next_batch():
            try:
                self._send(batch)
            finally:
                with self._lock:
                    self._sending = False
                    self._idle.notify_all()

    def _next_batch(self) -> list[TaskEvent]:
        with self._lock:
            while not self._closed.is_set():
                left = self._pending.due - self._clock.monotonic()
                if left <= 0:
                    self._sending = True
                    return self._pending.take()
                self._arrived.wait(left if self._pending else None)
            return []

    def _send_now(self) -> None:
        """Send what is held, too; with the lock."""
        before = self._pending.due
        self._pending.hasten(self._clock.monotonic())
        self._notify_if_sooner(before)

    def _notify_if_sooner(self, before: float) -> None:
        if self._pending.due < before and not self._sending:
            self._arrived.notify()

    def _send(self, batch: Sequence[TaskEvent]) -> None:
        for delay in _backoff():
            if self._closed.is_set():
                return
            try:
                verdicts = self._scheduler.report(batch)
            except InvalidRequestError as error:
                self._record_success()
                self._isolate(batch, error)
                return
            except TeskError as error:
                if self._failure_log.record_failure(self._clock.monotonic()):
                    _logger.warning("report not delivered", extra={"error": str(error)})
                self._closed.wait(delay)
            else:
                self._record_success()
                self._settle(batch, verdicts)
                return

    def _record_success(self) -> None:
        away = self._failure_log.record_success(self._clock.monotonic())
        if away is not None:
            _logger.info(
                "reports delivered again", extra={"seconds": away.total_seconds()}
            )

    def _isolate(self, batch: Sequence[TaskEvent], error: InvalidRequestError) -> None:
        """Send events one by one, so that only the attempt of the malformed one fails."""
        if len(batch) > 1:
            for event in batch:
                if not self._is_refused(event.attempt):
                    self._send([event])
            return
        _logger.error(
            "event refused as malformed",
            extra={"task_id": batch[0].attempt.task_id, "error": str(error)},
        )
        self._fail_attempt(batch[0], error)
        self._settle(batch, [EventVerdict.REFUSED])

    def _fail_attempt(self, event: TaskEvent, error: InvalidRequestError) -> None:
        """End an attempt with an invalid event; another try would report it again."""
        text = f"its taskmaster sent an invalid report: {error}"
        reason = Reason(ReasonCode.TASKMASTER_FAILED, text)
        final = replace(event, payload=Finished(Outcome.SYSTEM_ERROR, reason))
        try:
            self._scheduler.report([final])
        except TeskError as failure:
            _logger.warning("report not delivered", extra={"error": str(failure)})

    def _settle(
        self, batch: Sequence[TaskEvent], verdicts: Sequence[EventVerdict]
    ) -> None:
        with self._lock:
            for event, verdict in zip(batch, verdicts, strict=True):
                attempt = event.attempt
                if attempt not in self._last:
                    continue
                if verdict is EventVerdict.REFUSED:
                    self._refused.add(attempt)
                    self._pending.drop(attempt)
                else:
                    self._durable[attempt] = event.sequence
                self._settled[attempt].notify()

    def _make_event(self, attempt: Attempt, payload: EventPayload) -> TaskEvent:
        self._last[attempt] += 1
        return TaskEvent(
            attempt=attempt,
            sequence=self._last[attempt],
            time=self._clock.now(),
            payload=payload,
        )

    def _is_refused(self, attempt: Attempt) -> bool:
        with self._lock:
            return attempt in self._refused

    def _check(self, attempt: Attempt) -> None:
        if attempt in self._refused or attempt not in self._last:
            msg = f"{attempt.name} belongs to another taskmaster"
            raise RefusedError(msg)
        if self._closed.is_set():
            msg = "reporting has ended"
            raise RefusedError(msg)


def _backoff() -> Iterator[float]:
    """Yield growing delays in seconds, each with jitter, without end."""
    delay = _FIRST_BACKOFF
    while True:
        yield delay * random.uniform(0.5, 1)  # noqa: S311 - jitter
        delay = min(_MAX_BACKOFF, delay * 2)
