"""Tells many clients at once what happens to tasks, as server-sent events.

One thread reads the tasks that somebody follows, each once however many follow it, and
compares each with what its followers know. A follower costs a connection and no thread.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from tesk.v1 import task_pb2 as pb
from tesk_api.domain.requests import Caller
from tesk_api.domain.task_events import (
    TaskEvent,
    View,
    events_between,
    is_final,
    version_of,
)
from tesk_api.http.rounds import HEARTBEAT, Rounds, Work
from tesk_api.http.views import live_view
from tesk_api.ports import Clock, TaskGateway
from tesk_model.errors import NotFoundError, TeskError
from tesk_model.task import TaskId, TaskView
from tesk_runtime.http.streaming import Sink

MEDIA_TYPE = "text/event-stream"

_ALIVE = b": still here\n\n"
_encode = msgspec.json.Encoder().encode

_Key = tuple[str, bool, TaskId]


@dataclass(slots=True)
class _Followed:
    """A task that somebody follows, as one caller may see it."""

    caller: Caller
    view: View
    sinks: set[Sink] = field(default_factory=set)


class EventHub:
    """Follows tasks for all clients of a process."""

    def __init__(
        self,
        tasks: TaskGateway[pb.Task],
        clock: Clock,
        *,
        heartbeat: float = HEARTBEAT,
    ) -> None:
        """Start no thread yet: nobody follows anything."""
        self._tasks = tasks
        self._followed: dict[_Key, _Followed] = {}
        self._lock = threading.Lock()
        work = Work(
            run=self._look,
            heartbeat=self._beat,
            is_needed=lambda: bool(self._followed),
            interval=heartbeat,
        )
        self._rounds = Rounds(work, name="events", clock=clock, lock=self._lock)

    def stream(self, caller: Caller, task: pb.Task, *, known: str) -> "TaskStream":
        """Return the events of a task, from the version ``known`` on; "" for none."""
        return TaskStream(self, caller, task, known)

    def add(self, sink: Sink, caller: Caller, task: pb.Task, *, known: str) -> _Key:
        """Tell ``sink`` of a task from now on."""
        key = (caller.user, caller.admin, TaskId(task.id))
        with self._lock:
            followed = self._followed.get(key)
            if followed is None:
                followed = _Followed(replace(caller, request_id=""), _view_of(task))
                self._followed[key] = followed
            followed.sinks.add(sink)
            view = followed.view
            has_it = known == version_of(view)
            events = events_between(view if has_it else None, view)
            _send([sink], events, view)
            self._rounds.begin()
        return key

    def remove(self, sink: Sink, key: _Key) -> None:
        """Tell ``sink`` nothing more."""
        with self._lock:
            followed = self._followed.get(key)
            if followed is not None:
                followed.sinks.discard(sink)
                if not followed.sinks:
                    del self._followed[key]

    def _look(self) -> None:
        with self._lock:
            wanted = [(key, each.caller) for key, each in self._followed.items()]
        found = self._tasks.get_many(
            [(caller, key[2]) for key, caller in wanted], TaskView.FULL
        )
        for (key, _), task in zip(wanted, found, strict=True):
            self._compare(key, task)

    def _beat(self) -> None:
        for followed in self._followed.values():
            for sink in followed.sinks:
                sink.send(_ALIVE)

    def _compare(self, key: _Key, task: pb.Task | TeskError) -> None:
        if isinstance(task, TeskError) and not isinstance(task, NotFoundError):
            return  # the next look may tell
        after = None if isinstance(task, TeskError) else _view_of(task)
        with self._lock:
            followed = self._followed.get(key)
            if followed is None:
                return
            if after is None:  # it ended long ago, and was deleted
                _end(followed.sinks)
                return
            events = events_between(followed.view, after)
            if events:
                followed.view = after
                _send(list(followed.sinks), events, after)


class TaskStream:
    """The events of one task for one client; satisfies ``Stream``."""

    def __init__(
        self, hub: EventHub, caller: Caller, task: pb.Task, known: str
    ) -> None:
        self._hub = hub
        self._caller = caller
        self._task: pb.Task | None = task
        self._known = known
        self._close: Callable[[], None] = lambda: None

    def open(self, sink: Sink) -> None:
        """Begin with the task as it is, unless the client knows it."""
        task, self._task = self._task, None  # its text is needed no longer
        if task is not None:
            key = self._hub.add(sink, self._caller, task, known=self._known)
            self._close = lambda: self._hub.remove(sink, key)

    def close(self) -> None:
        """End."""
        self._close()


def _view_of(task: pb.Task) -> View:
    view: dict[str, Any] = msgspec.to_builtins(live_view(task))
    return view


def _send(sinks: Sequence[Sink], events: Sequence[TaskEvent], view: View) -> None:
    """Send events, of which the last has the id of the view that they lead to."""
    if events:
        blocks = [_block(event) for event in events]
        data = f"id: {version_of(view)}\n".encode() + blocks.pop()
        data = b"".join([*blocks, data])
        for sink in sinks:
            sink.send(data)
    if is_final(view):
        _end(sinks)


def _end(sinks: Sequence[Sink] | set[Sink]) -> None:
    for sink in sinks:
        sink.end()


def _block(event: TaskEvent) -> bytes:
    # JSON has no line ends.
    return f"event: {event.name}\ndata: ".encode() + _encode(event.data) + b"\n\n"
