"""Reports the events of all attempts to the scheduler, from one queue.

An event is sent at once when no call is in flight; those that arrive meanwhile
go with the next call. So an idle taskmaster is fast and a busy one makes few calls.
"""

import logging
import random
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta

from tesk_model.errors import InvalidRequestError, TeskError
from tesk_model.events import (
    EventPayload,
    EventVerdict,
    ExecutorEnded,
    ExecutorOutput,
    Finished,
    Outcome,
    TaskEvent,
)
from tesk_model.names import Attempt
from tesk_model.reasons import Reason, ReasonCode
from tesk_taskmaster.ports import Clock, Scheduler
from tesk_taskmaster.usecases.failure_log import FailureLog

_MAX_EVENTS = 200
# Far below the limit of a message; a single event is always sent.
_MAX_BYTES = 8 * 1024 * 1024
_MAX_ENCODED_BYTES = 3  # of the replacement character for an invalid byte
_FIRST_BACKOFF = 0.05
_MAX_BACKOFF = 2.0

_logger = logging.getLogger(__name__)


class RefusedError(Exception):
    """The scheduler refused an event: another taskmaster has the attempt."""


class Reporter:
    """Sends events in order, again and again until they are durable.

    Thread-safe. ``run`` is the body of its one sending thread.
    """

    def __init__(self, scheduler: Scheduler, clock: Clock) -> None:
        """Report to ``scheduler``."""
        self._scheduler = scheduler
        self._clock = clock
        self._failure_log = FailureLog()
        # One lock, but a condition for each attempt: waking all of them for each
        # event would cost more than the rest of reporting it.
        self._lock = threading.Lock()
        self._arrived = threading.Condition(self._lock)
        self._idle = threading.Condition(self._lock)
        self._settled: dict[Attempt, threading.Condition] = {}
        self._pending: deque[TaskEvent] = deque()
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
            for payload in payloads:
                if not self._replace_output(attempt, payload):
                    self._pending.append(self._make_event(attempt, payload))
            if not self._sending:
                self._arrived.notify()

    def wait_durable(self, attempt: Attempt) -> None:
        """Wait until all that was reported of ``attempt`` is durable.

        Raises:
            RefusedError: It was refused, or reporting has ended for good.
        """
        with self._lock:
            while self._durable.get(attempt, 0) < self._last.get(attempt, 0):
                self._check(attempt)
                self._settled[attempt].wait()

    def close_attempt(self, attempt: Attempt) -> None:
        """Forget ``attempt`` and what of it is not sent yet."""
        with self._lock:
            for known in (self._last, self._durable, self._settled):
                known.pop(attempt, None)
            self._refused.discard(attempt)
            self._drop(attempt)

    def flush(self, timeout: timedelta) -> bool:
        """Wait until everything is sent; tell whether that was in time."""
        with self._lock:
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
            self._arrived.wait_for(lambda: self._pending or self._closed.is_set())
            if self._closed.is_set():
                return []
            self._sending = True
            batch = [self._pending.popleft()]
            size = _size(batch[0])
            while self._pending and len(batch) < _MAX_EVENTS:
                size += _size(self._pending[0])
                if size > _MAX_BYTES:
                    break
                batch.append(self._pending.popleft())
            return batch

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
                    self._drop(attempt)
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

    def _replace_output(self, attempt: Attempt, payload: EventPayload) -> bool:
        """Replace older live output that is not sent yet."""
        if not isinstance(payload, ExecutorOutput):
            return False
        for place in range(len(self._pending) - 1, -1, -1):
            event = self._pending[place]
            if event.attempt != attempt:
                continue
            if not isinstance(event.payload, ExecutorOutput):
                return False
            self._pending[place] = TaskEvent(
                attempt=attempt,
                sequence=event.sequence,
                time=event.time,
                payload=payload,
            )
            return True
        return False

    def _is_refused(self, attempt: Attempt) -> bool:
        with self._lock:
            return attempt in self._refused

    def _drop(self, attempt: Attempt) -> None:
        kept = [event for event in self._pending if event.attempt != attempt]
        self._pending.clear()
        self._pending.extend(kept)

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


def _size(event: TaskEvent) -> int:
    """Return an upper estimate of the bytes that an event takes."""
    match event.payload:
        case ExecutorOutput() | ExecutorEnded():
            return _MAX_ENCODED_BYTES * (
                len(event.payload.stdout) + len(event.payload.stderr)
            )
        case _:
            return 0
