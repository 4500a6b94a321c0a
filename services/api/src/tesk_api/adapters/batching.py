"""Calls that arrive while another is in flight travel together.

A request that finds nothing in flight leads: it sends all that wait, itself
included, in one call. When the call is done its slot goes to the first of
those that came meanwhile, which leads the next one; nobody serves others for
ever. Under load one call carries many requests, and alone a request waits for
nobody. A slow call does not hold the others up: who has waited for a while
leads another one beside it.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from tesk_model.errors import InternalError, TeskError, UnavailableError

# Seconds in which a call that has been given up is told of.
_GRACE = 0.25

RequestT = TypeVar("RequestT")
ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLimits:
    """How much travels together, and how long a request waits.

    Attributes:
        items: Most requests in one call.
        weight: Most weight in one call that carries several.
        calls: Most calls in flight at once.
        beside: A call begins beside another only for a request that has waited
            so long: few large calls cost less than many small ones.
        time: A request has its result after so long, whatever happens.
        least: A request with less time left than this is not sent any more.
    """

    items: int
    weight: int
    calls: int
    beside: timedelta
    time: timedelta
    least: timedelta


class _Lead:
    """Handed to a waiting request: it has the slot now."""


_LEAD = _Lead()


class _Entry(Generic[RequestT, ResultT]):
    """One request: ``sent`` once a call carries it, ``led`` once it got a slot."""

    __slots__ = ("beside", "led", "mail", "request", "sent", "until", "weight")

    def __init__(self, request: RequestT, weight: int, limits: BatchLimits) -> None:
        now = time.monotonic()
        self.request = request
        self.weight = weight
        self.beside = now + limits.beside.total_seconds()
        self.until = now + limits.time.total_seconds()
        self.sent = False
        self.led = False
        self.mail: SimpleQueue[_Lead | ResultT | TeskError] = SimpleQueue()


class Batcher(Generic[RequestT, ResultT]):
    """Gathers single requests into calls of many."""

    def __init__(
        self,
        send: Callable[[Sequence[RequestT], timedelta], Sequence[ResultT | TeskError]],
        limits: BatchLimits,
    ) -> None:
        """Begin with nothing in flight.

        Args:
            send: Makes one call within the time that it is given; answers one
                result or error for each request, in order, or raises a
                TeskError for all.
            limits: How much and how long.
        """
        self._send = send
        self._limits = limits
        self._free_slots = limits.calls
        self._busy = False
        self._lock = threading.Lock()
        self._waiting: deque[_Entry[RequestT, ResultT]] = deque()

    def call(self, request: RequestT, *, weight: int) -> ResultT:
        """Send ``request`` with others and return its own result.

        Raises:
            TeskError: What ``send`` said of this request or of all; also
                UnavailableError when time is up, saying whether the request
                was sent.
        """
        entry: _Entry[RequestT, ResultT] = _Entry(request, weight, self._limits)
        with self._lock:
            self._waiting.append(entry)
        if self._claim(entry):
            self._lead(entry)
        result = self._receive(entry)
        if isinstance(result, TeskError):
            raise result
        return result

    def _receive(self, entry: _Entry[RequestT, ResultT]) -> ResultT | TeskError:
        """Wait for the result; lead if the slot comes first."""
        last = entry.until - self._limits.least.total_seconds()
        end = min(entry.beside, last)
        while True:
            try:
                mail = entry.mail.get(timeout=max(0.0, end - time.monotonic()))
            except Empty:
                if end < last:
                    end = last
                    if self._claim(entry):
                        self._lead(entry)
                    continue
                if self._withdraw(entry):
                    return UnavailableError("the scheduler is busy; nothing was done")
                mail = self._last_mail(entry)
            if not isinstance(mail, _Lead):
                return mail
            self._lead(entry)

    def _claim(self, entry: _Entry[RequestT, ResultT]) -> bool:
        """Take a slot if one is free and it is time for a call."""
        with self._lock:
            if entry.sent or entry.led or not self._free_slots:
                return False
            if not self._is_time(
                entry, in_flight=self._limits.calls - self._free_slots
            ):
                return False
            self._free_slots -= 1
            entry.led = True
            return True

    def _is_time(self, entry: _Entry[RequestT, ResultT], *, in_flight: int) -> bool:
        return not in_flight or entry.beside <= time.monotonic()

    def _withdraw(self, entry: _Entry[RequestT, ResultT]) -> bool:
        """Leave the queue, unless the request is sent or has been given the slot."""
        with self._lock:
            if entry.sent or entry.led:
                return False
            self._waiting.remove(entry)
            return True

    def _last_mail(
        self, entry: _Entry[RequestT, ResultT]
    ) -> _Lead | ResultT | TeskError:
        try:
            left = entry.until + _GRACE - time.monotonic()
            return entry.mail.get(timeout=max(0.0, left))
        except Empty:
            return UnavailableError(
                "the scheduler did not answer in time; whether it acted is not known"
            )

    def _lead(self, entry: _Entry[RequestT, ResultT]) -> None:
        """Use the slot for one call, then hand it on."""
        if self._busy:
            # Lets other threads run: who is about to ask travels with us. Who is
            # alone would only lose the processor.
            time.sleep(0)
        batch = self._take(entry)
        self._busy = len(batch) > 1
        results: Sequence[ResultT | TeskError] = [
            InternalError("internal error")
        ] * len(batch)
        try:
            if batch:
                results = self._answers(batch)
        finally:
            # Also after a bug: those who wait must not wait for ever.
            self._hand_over()
            for sent, result in zip(batch, results, strict=True):
                sent.mail.put(result)

    def _take(
        self, leader: _Entry[RequestT, ResultT]
    ) -> list[_Entry[RequestT, ResultT]]:
        """Take what fits into one call; nothing if another call has the leader.

        It would otherwise keep its own client waiting for the sake of others.
        """
        batch: list[_Entry[RequestT, ResultT]] = []
        weight = 0
        with self._lock:
            if leader.sent:
                return batch
            while self._waiting and len(batch) < self._limits.items:
                weight += self._waiting[0].weight
                if batch and weight > self._limits.weight:
                    break
                entry = self._waiting.popleft()
                entry.sent = True
                batch.append(entry)
        return batch

    def _answers(
        self, batch: Sequence[_Entry[RequestT, ResultT]]
    ) -> Sequence[ResultT | TeskError]:
        try:
            left = min(entry.until for entry in batch) - time.monotonic()
            results = self._send(
                [entry.request for entry in batch], timedelta(seconds=max(0.0, left))
            )
        except TeskError as error:
            return [error] * len(batch)
        if len(results) != len(batch):
            return [InternalError("the scheduler answered another batch")] * len(batch)
        return results

    def _hand_over(self) -> None:
        with self._lock:
            others = self._limits.calls - self._free_slots - 1
            for entry in self._waiting:
                if not entry.led:
                    if not self._is_time(entry, in_flight=others):
                        break  # it will see for itself when it is
                    entry.led = True
                    entry.mail.put(_LEAD)
                    return
            self._free_slots += 1
