"""Sends what is to be delivered, while this process leads.

One thread decides and writes; each try runs on a thread of its own, so that a receiver
that is slow or gone delays neither admission nor other receivers. A try that was not
noted, because the process was killed or the database was gone, is made again: receivers
know a repeated event by its id.
"""

import logging
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from tesk_model.errors import ConflictError, RetryableError
from tesk_scheduler.domain.webhooks.deliveries import (
    Circuit,
    Delivery,
    DeliveryRules,
    Response,
    SendResult,
    settle,
)
from tesk_scheduler.domain.webhooks.lanes import LANES, Lane, Running, slots_of
from tesk_scheduler.ports.environment import Clock
from tesk_scheduler.ports.webhooks import (
    Bounds,
    DeliveryObserver,
    DeliveryStore,
    DueDestination,
    Sender,
    TargetSource,
)
from tesk_scheduler.usecases.webhooks.expansion import Expansion
from tesk_scheduler.usecases.webhooks.wakeup import DispatchWakeup

_logger = logging.getLogger(__name__)

_IDLE = 60.0
# Where other schedulers create and end tasks, which do not notify this one.
_IDLE_SHARED = 1.0
_FOLLOWER_RECHECK = 1.0
_RETRY_AFTER = 1.0
# Something is due, but its slots are taken.
_BLOCKED = 1.0
_TRIM_EVERY = 60.0
# Seconds that running tries get when the process stops; what they did is known then,
# and need not be repeated.
_LAST = 2.0

Start = Callable[[Callable[[], None]], None]
"""Runs a function, on a thread of its own."""


class _Tried(NamedTuple):
    delivery: Delivery
    circuit: Circuit
    result: SendResult
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchRules:
    """How to deliver.

    Attributes:
        parallel: Tries at once, see ``slots_of``.
        exclusive: No other process changes tasks.
    """

    deliveries: DeliveryRules
    bounds: Bounds
    parallel: int
    exclusive: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a dispatcher takes from its process.

    Attributes:
        is_leader: Tells whether this process leads.
        jitter: Returns a number from 0 to 1, by chance.
        start: Starts a try.
    """

    clock: Clock
    is_leader: Callable[[], bool]
    jitter: Callable[[], float]
    start: Start
    observer: DeliveryObserver


class Dispatcher:
    """Delivers events in cycles: notes results, finds what is due, starts tries."""

    def __init__(  # noqa: PLR0913 - the parts of a cycle
        self,
        *,
        store: DeliveryStore,
        expansion: Expansion,
        targets: TargetSource,
        sender: Sender,
        rules: DispatchRules,
        wakeup: DispatchWakeup,
        surroundings: Surroundings,
    ) -> None:
        self._store = store
        self._expansion = expansion
        self._targets = targets
        self._sender = sender
        self._rules = rules
        self._wakeup = wakeup
        self._around = surroundings
        self._running = Running(slots_of(rules.parallel))
        self._results: queue.SimpleQueue[_Tried] = queue.SimpleQueue()
        self._unwritten: list[_Tried] = []
        self._trim_at = 0.0

    def run(self, stop: threading.Event) -> None:
        """Deliver until ``stop`` is set and the dispatcher notified."""
        while not stop.is_set():
            try:
                timeout = self.cycle()
            except (RetryableError, ConflictError) as error:
                _logger.warning("webhooks not sent", extra={"cause": error.message})
                timeout = _RETRY_AFTER
            except Exception:
                _logger.exception("webhooks not sent")
                timeout = _RETRY_AFTER
            if timeout > 0:
                self._wakeup.wait(timeout)
        self._finish()

    def wake(self) -> None:
        """Let the next cycle begin."""
        self._wakeup.notify()

    def cycle(self) -> float:
        """Run one cycle; return seconds until the next, unless something happens."""
        self._note_results()
        if not self._around.is_leader():
            return _FOLLOWER_RECHECK
        has_more = self._expansion.advance()
        started = sum(map(self._start_lane, LANES))
        self._trim()
        if has_more:
            return 0.0
        return self._until_due(started)

    def _until_due(self, started: int) -> float:
        idle = _IDLE if self._rules.exclusive else _IDLE_SHARED
        due = self._store.next_due()
        if due is None or started:
            return idle if not started else min(idle, _BLOCKED)
        left = (due - self._around.clock.now()).total_seconds()
        return min(idle, left if left > 0 else _BLOCKED)

    def _start_lane(self, lane: Lane) -> int:
        free = self._running.free(lane)
        if not free:
            return 0
        found = self._store.due_destinations(
            lane,
            self._around.clock.now(),
            free,
            leave_out=list(self._running.full(lane)),
        )
        return sum(self._start_destination(each, lane) for each in found)

    def _start_destination(self, destination: DueDestination, lane: Lane) -> int:
        name = destination.name
        room = self._running.room(name, lane)
        if not room:
            return 0
        due = self._store.due_deliveries(
            name,
            self._around.clock.now(),
            room,
            leave_out=self._running.tasks(name),
        )
        for delivery in due:
            self._running.start(name, delivery.task_id, lane)
            self._start(delivery, destination.circuit)
        return len(due)

    def _start(self, delivery: Delivery, circuit: Circuit) -> None:
        def work() -> None:
            began = self._around.clock.monotonic()
            try:
                result = self._try(delivery)
            except Exception:  # a bug must not keep the task's events for ever
                _logger.exception("webhook not sent")
                result = SendResult(
                    response=Response.REJECTED, detail="internal error; see the log"
                )
            seconds = self._around.clock.monotonic() - began
            self._results.put(_Tried(delivery, circuit, result, seconds))
            self._wakeup.notify()

        self._around.start(work)

    def _try(self, delivery: Delivery) -> SendResult:
        target = self._targets.current().may_send(delivery.recipient)
        if target is None:
            return SendResult(
                response=Response.FORBIDDEN,
                detail="the file of webhooks has no such receiver any more",
            )
        return self._sender.send(delivery, target)

    def _note_results(self) -> None:
        while not self._results.empty():
            self._unwritten.append(self._results.get())
        if not self._unwritten:
            return
        now, rules = self._around.clock.now(), self._rules.deliveries
        circuits: dict[str, Circuit] = {}
        settled = []
        for tried in self._unwritten:
            jitter = self._around.jitter()
            settled.append(
                settle(tried.delivery, tried.result, rules, now=now, jitter=jitter)
            )
            name = tried.delivery.recipient.destination
            before = circuits.get(name, tried.circuit)
            circuits[name] = before.after(tried.result, rules, now=now, jitter=jitter)
        self._store.settle(settled, circuits, now=now)
        noted, self._unwritten = self._unwritten, []
        for tried in noted:
            self._running.end(
                tried.delivery.recipient.destination,
                tried.delivery.task_id,
                reached=tried.result.response is not Response.UNAVAILABLE,
            )
            self._around.observer.tried(tried.delivery, tried.result, tried.seconds)
        for each in settled:
            self._around.observer.settled(each)

    def _trim(self) -> None:
        if self._around.clock.monotonic() < self._trim_at:
            return
        # Set first: one that fails must not fail every cycle.
        self._trim_at = self._around.clock.monotonic() + _TRIM_EVERY
        trimmed = self._store.trim(self._rules.bounds, now=self._around.clock.now())
        if trimmed.has_more:
            self._trim_at = 0.0
        self._around.observer.trimmed(trimmed)

    def _finish(self) -> None:
        """Wait a little for running tries, and note their results."""
        until = self._around.clock.monotonic() + _LAST
        try:
            self._note_results()
            while (
                len(self._running)
                and (left := until - self._around.clock.monotonic()) > 0
            ):
                self._wakeup.wait(left)
                self._note_results()
        except (RetryableError, ConflictError) as error:
            _logger.warning("webhooks not noted", extra={"cause": error.message})
