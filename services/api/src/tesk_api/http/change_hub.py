"""Tells many clients at once which tasks change their state, as server-sent events.

What a client missed is read when it connects, in the thread of its request; from then
on one thread reads for all, from the position of whoever is furthest behind, and each
is told what comes after its own. A client costs a connection and no thread.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from tesk_api.domain.requests import ChangePage, Subscription
from tesk_api.http.change_events import (
    change_block,
    expired_block,
    position_block,
)
from tesk_api.http.rounds import HEARTBEAT, Rounds, Work
from tesk_api.ports import Clock, TaskGateway
from tesk_model.errors import ResourceExhaustedError
from tesk_runtime.http.streaming import Sink

# The limit of ListStateChanges.
_MAX_SUBSCRIPTIONS = 1024
# So that no user takes those of all.
_MAX_OF_USER = _MAX_SUBSCRIPTIONS // 4
# Of one call: their events are sent at once, and a client may be 256 KiB behind.
_CHANGES = 100
# Bytes, and seconds of reading, after which a client is to come back for the rest.
_MAX_MISSED = 64 * 1024
_MAX_READING = 2.0

Gateway = TaskGateway[Any]


class _Position(NamedTuple):
    number: int
    cursor: str


@dataclass(frozen=True, slots=True)
class _Missed:
    """What a client missed, up to a position.

    Attributes:
        has_more: That is not all.
    """

    data: bytes
    position: _Position
    has_more: bool


class ChangeHub:
    """Follows changes of states for all clients of a process."""

    def __init__(
        self, tasks: Gateway, clock: Clock, *, heartbeat: float = HEARTBEAT
    ) -> None:
        """Start no thread yet: nobody follows anything."""
        self._tasks = tasks
        self._clock = clock
        self._followers: dict[Subscription, dict[Sink, _Position]] = {}
        self._lock = threading.Lock()
        work = Work(
            run=self._look,
            heartbeat=self._beat,
            is_needed=lambda: bool(self._followers),
            interval=heartbeat,
        )
        self._rounds = Rounds(work, name="changes", clock=clock, lock=self._lock)

    def stream(self, subscription: Subscription, *, known: str) -> "ChangeStream":
        """Return the changes after the cursor ``known``; "": from now on.

        Raises:
            ResourceExhaustedError: Too many different ones are followed, by all or by
                the caller.
            TeskError: What was missed cannot be read.
        """
        with self._lock:
            others = self._followers.keys() - {subscription}
        if len(others) >= _MAX_SUBSCRIPTIONS:
            raise ResourceExhaustedError(
                f"{_MAX_SUBSCRIPTIONS} different lists of tasks are followed here now; "
                "try again later"
            )
        user = subscription.caller.user
        if sum(each.caller.user == user for each in others) >= _MAX_OF_USER:
            raise ResourceExhaustedError(
                f"{user} follows {_MAX_OF_USER} different lists of tasks here now; "
                "end some, or try again later"
            )
        return ChangeStream(self, subscription, self._missed(subscription, known))

    def add(self, sink: Sink, subscription: Subscription, position: _Position) -> None:
        """Tell ``sink`` what comes after a position."""
        with self._lock:
            self._followers.setdefault(subscription, {})[sink] = position
            self._rounds.begin()

    def remove(self, sink: Sink, subscription: Subscription) -> None:
        """Tell ``sink`` nothing more."""
        with self._lock:
            sinks = self._followers.get(subscription, {})
            sinks.pop(sink, None)
            if not sinks:
                self._followers.pop(subscription, None)

    def _missed(self, subscription: Subscription, known: str) -> _Missed:
        until = self._clock.monotonic() + _MAX_READING
        data, cursor = b"", known
        while True:
            page = self._tasks.list_changes([subscription], cursor, limit=_CHANGES)
            if page.is_expired:
                data += expired_block(page.next_cursor)
            data += b"".join(map(change_block, page.changes))
            cursor = page.next_cursor
            is_enough = len(data) > _MAX_MISSED or self._clock.monotonic() > until
            if not page.has_more or is_enough:
                data += position_block(cursor)
                position = _Position(page.next_number, cursor)
                return _Missed(data, position, page.has_more)

    def _look(self) -> None:
        has_more = True
        while has_more:
            with self._lock:
                asked = list(self._followers)
                sinks = self._followers.values()
                start = min(
                    (min(each.values()) for each in sinks), default=_Position(0, "")
                )
            if not asked:
                return
            page = self._tasks.list_changes(asked, start.cursor, limit=_CHANGES)
            with self._lock:
                self._tell(asked, start, page)
            has_more = page.has_more

    def _beat(self) -> None:
        for followers in self._followers.values():
            for sink, position in followers.items():
                sink.send(position_block(position.cursor))

    def _tell(
        self, asked: Sequence[Subscription], start: _Position, page: ChangePage
    ) -> None:
        end = _Position(page.next_number, page.next_cursor)
        found: list[list[tuple[int, bytes]]] = [[] for _ in asked]
        for change in page.changes:
            block = change_block(change)
            for index in change.matched:
                found[index].append((change.number, block))
        for subscription, blocks in zip(asked, found, strict=True):
            sinks = self._followers.get(subscription, {})
            if page.is_expired:
                _restart(sinks, end)
            else:
                _tell_sinks(sinks, blocks, start, end)


class ChangeStream:
    """The changes of one subscription for one client; satisfies ``Stream``."""

    def __init__(
        self, hub: ChangeHub, subscription: Subscription, missed: _Missed
    ) -> None:
        self._hub = hub
        self._subscription = subscription
        self._missed: _Missed | None = missed
        self._close: Callable[[], None] = lambda: None

    def open(self, sink: Sink) -> None:
        """Send what was missed, and go on there; or end, if that is not all."""
        missed, self._missed = self._missed, None  # needed no longer
        if missed is None:
            return
        sink.send(missed.data)
        if missed.has_more:
            sink.end()
            return
        self._hub.add(sink, self._subscription, missed.position)
        self._close = lambda: self._hub.remove(sink, self._subscription)

    def close(self) -> None:
        """End."""
        self._close()


def _tell_sinks(
    sinks: dict[Sink, _Position],
    blocks: Sequence[tuple[int, bytes]],
    start: _Position,
    end: _Position,
) -> None:
    """Tell followers of one subscription what they have not been told."""
    joined: dict[int, bytes] = {}
    for sink, position in sinks.items():
        number = position.number
        # Who came while this was read may be further behind: the next look is his.
        if not start.number <= number < end.number:
            continue
        if number not in joined:
            joined[number] = b"".join(block for each, block in blocks if each > number)
        if joined[number]:
            sink.send(joined[number])
        sinks[sink] = end


def _restart(sinks: dict[Sink, _Position], end: _Position) -> None:
    """Tell that something was missed, and go on from the end of the feed."""
    block = expired_block(end.cursor)
    for sink in sinks:
        sink.send(block)
        sinks[sink] = end
