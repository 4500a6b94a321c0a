"""Sends requests that arrive while a call is in flight together, as one batch.

A request that finds no call in flight takes a slot and sends all queued requests,
itself included, in one call. Then it passes the slot on to the first request that
was queued meanwhile, whose thread sends the next batch; no thread sends for others
for ever. Under load one call carries many requests; a single one is sent at once. A
slow call does not block the others: a request that has waited for a while takes
another slot.
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

# Seconds in which the result of a call that has timed out still arrives.
_ANSWER_GRACE = 0.25

RequestT = TypeVar("RequestT")
ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLimits:
    """Bounds of a batch, and how long a request waits.

    Attributes:
        max_items: Requests in one call.
        max_bytes: Size of a call with several requests.
        max_calls: Calls in flight at once.
        extra_call_delay: A further call starts beside another only for a request
            that has waited so long: few large calls cost less than many small ones.
        timeout: A request gets its result or an error within this time.
        min_call_time: A request with less time left is not sent any more.
    """

    max_items: int
    max_bytes: int
    max_calls: int
    extra_call_delay: timedelta
    timeout: timedelta
    min_call_time: timedelta


class _Slot:
    """Message to a queued request: its thread sends the next batch."""


_SLOT = _Slot()


class _Entry(Generic[RequestT, ResultT]):
    """One request; ``sent`` once a call carries it."""

    __slots__ = (
        "deadline",
        "extra_call_at",
        "has_slot",
        "inbox",
        "request",
        "sent",
        "size",
    )

    def __init__(self, request: RequestT, size: int, limits: BatchLimits) -> None:
        now = time.monotonic()
        self.request = request
        self.size = size
        self.extra_call_at = now + limits.extra_call_delay.total_seconds()
        self.deadline = now + limits.timeout.total_seconds()
        self.sent = False
        self.has_slot = False
        self.inbox: SimpleQueue[_Slot | ResultT | TeskError] = SimpleQueue()


class Batcher(Generic[RequestT, ResultT]):
    """Sends single requests as batches."""

    def __init__(
        self,
        send: Callable[[Sequence[RequestT], timedelta], Sequence[ResultT | TeskError]],
        limits: BatchLimits,
    ) -> None:
        """Start with no call in flight.

        Args:
            send: Makes one call within the given time; returns one result or
                error for each request, in order, or raises a TeskError for all.
            limits: Bounds of batches and waits.
        """
        self._send = send
        self._limits = limits
        self._free_slots = limits.max_calls
        self._busy = False
        self._lock = threading.Lock()
        self._waiting: deque[_Entry[RequestT, ResultT]] = deque()

    def call(self, request: RequestT, *, size: int) -> ResultT:
        """Send ``request`` with others and return its own result.

        Raises:
            TeskError: The error of ``send`` for this request or for all; also
                UnavailableError after the timeout, which says whether the
                request was sent.
        """
        entry: _Entry[RequestT, ResultT] = _Entry(request, size, self._limits)
        with self._lock:
            self._waiting.append(entry)
        if self._try_take_slot(entry):
            self._send_batch(entry)
        result = self._await_result(entry)
        if isinstance(result, TeskError):
            raise result
        return result

    def _await_result(self, entry: _Entry[RequestT, ResultT]) -> ResultT | TeskError:
        """Wait for the result; send a batch if the slot comes first."""
        last = entry.deadline - self._limits.min_call_time.total_seconds()
        end = min(entry.extra_call_at, last)
        while True:
            try:
                message = entry.inbox.get(timeout=max(0.0, end - time.monotonic()))
            except Empty:
                if end < last:
                    end = last
                    if self._try_take_slot(entry):
                        self._send_batch(entry)
                    continue
                if self._leave_queue(entry):
                    return UnavailableError("the scheduler is busy; nothing was done")
                message = self._await_last_message(entry)
            if not isinstance(message, _Slot):
                return message
            self._send_batch(entry)

    def _try_take_slot(self, entry: _Entry[RequestT, ResultT]) -> bool:
        """Take a slot if one is free and ``entry`` may be sent."""
        with self._lock:
            if entry.sent or entry.has_slot or not self._free_slots:
                return False
            if not self._may_send(
                entry, in_flight=self._limits.max_calls - self._free_slots
            ):
                return False
            self._free_slots -= 1
            entry.has_slot = True
            return True

    def _may_send(self, entry: _Entry[RequestT, ResultT], *, in_flight: int) -> bool:
        return not in_flight or entry.extra_call_at <= time.monotonic()

    def _leave_queue(self, entry: _Entry[RequestT, ResultT]) -> bool:
        """Leave the queue, unless the request is sent or has been given the slot."""
        with self._lock:
            if entry.sent or entry.has_slot:
                return False
            self._waiting.remove(entry)
            return True

    def _await_last_message(
        self, entry: _Entry[RequestT, ResultT]
    ) -> _Slot | ResultT | TeskError:
        try:
            left = entry.deadline + _ANSWER_GRACE - time.monotonic()
            return entry.inbox.get(timeout=max(0.0, left))
        except Empty:
            return UnavailableError(
                "the scheduler did not answer in time; whether it acted is not known"
            )

    def _send_batch(self, entry: _Entry[RequestT, ResultT]) -> None:
        """Use the slot for one call, then pass it on."""
        if self._busy:
            # Lets threads that are about to add a request run. A single thread
            # would only lose the processor.
            time.sleep(0)
        batch = self._take_batch(entry)
        self._busy = len(batch) > 1
        results: Sequence[ResultT | TeskError] = [
            InternalError("internal error")
        ] * len(batch)
        try:
            if batch:
                results = self._call(batch)
        finally:
            # Also after a bug: no queued request may wait for ever.
            self._pass_slot_on()
            for sent, result in zip(batch, results, strict=True):
                sent.inbox.put(result)

    def _take_batch(
        self, owner: _Entry[RequestT, ResultT]
    ) -> list[_Entry[RequestT, ResultT]]:
        """Take the requests of one call; none if that of ``owner`` is sent already.

        Otherwise its client would wait for a call that does not concern it.
        """
        batch: list[_Entry[RequestT, ResultT]] = []
        size = 0
        with self._lock:
            if owner.sent:
                return batch
            while self._waiting and len(batch) < self._limits.max_items:
                size += self._waiting[0].size
                if batch and size > self._limits.max_bytes:
                    break
                entry = self._waiting.popleft()
                entry.sent = True
                batch.append(entry)
        return batch

    def _call(
        self, batch: Sequence[_Entry[RequestT, ResultT]]
    ) -> Sequence[ResultT | TeskError]:
        try:
            left = min(entry.deadline for entry in batch) - time.monotonic()
            results = self._send(
                [entry.request for entry in batch], timedelta(seconds=max(0.0, left))
            )
        except TeskError as error:
            return [error] * len(batch)
        if len(results) != len(batch):
            return [InternalError("the scheduler answered another batch")] * len(batch)
        return results

    def _pass_slot_on(self) -> None:
        with self._lock:
            others = self._limits.max_calls - self._free_slots - 1
            for entry in self._waiting:
                if not entry.has_slot:
                    if not self._may_send(entry, in_flight=others):
                        break  # its own thread takes a slot when it may
                    entry.has_slot = True
                    entry.inbox.put(_SLOT)
                    return
            self._free_slots += 1
