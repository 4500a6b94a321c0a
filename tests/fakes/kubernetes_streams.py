"""Watches and logs of the fake API: iterators that tests can cut."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Generic, Self, TypeVar

from fakes.kubernetes_selectors import matches
from tesk_kubernetes.api import (
    ApiUnavailableError,
    EventType,
    ExpiredError,
    JsonObject,
    KubernetesError,
    Resource,
    WatchEvent,
)

T = TypeVar("T")


class FakeStream(Generic[T]):
    """Items that others put in; ``error`` ends it, ``end`` ends it in peace."""

    def __init__(self, items: Iterable[T] = ()) -> None:
        self._items = list(items)
        self._error: KubernetesError | None = None
        self._ended = False
        self._change = threading.Condition()

    def put(self, item: T) -> None:
        with self._change:
            self._items.append(item)
            self._change.notify_all()

    def end(self, error: KubernetesError | None = None) -> None:
        with self._change:
            self._error, self._ended = error, True
            self._change.notify_all()

    def close(self) -> None:
        with self._change:
            self._items.clear()
        self.end()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        with self._change:
            self._change.wait_for(lambda: self._items or self._ended)
            if self._items:
                return self._items.pop(0)
            if self._error is not None:
                raise self._error
            raise StopIteration

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass(frozen=True)
class Change:
    """One change of one object, before and after."""

    version: int
    resource: Resource
    namespace: str
    type: EventType
    old: JsonObject | None
    new: JsonObject

    def seen_with(self, labels: str) -> WatchEvent | None:
        """Return the change as a watch with this selector sees it."""
        before = self.old is not None and matches(self.old, labels=labels)
        after = self.type is not EventType.DELETED and matches(self.new, labels=labels)
        if after:
            seen = EventType.MODIFIED if before else EventType.ADDED
            return WatchEvent(seen, self.new)
        return WatchEvent(EventType.DELETED, self.new) if before else None


@dataclass(frozen=True)
class _Watcher:
    resource: Resource
    namespace: str
    labels: str
    stream: FakeStream[WatchEvent] = field(default_factory=FakeStream)

    def tell(self, change: Change) -> None:
        is_there = self.namespace in ("", change.namespace)
        if change.resource == self.resource and is_there:
            event = change.seen_with(self.labels)
            if event is not None:
                self.stream.put(event)


class Watches:
    """The history of all changes, and who listens. Guarded by its owner's lock."""

    def __init__(self) -> None:
        self._history: list[Change] = []
        self._watchers: list[_Watcher] = []
        self._oldest = 0
        self._muted = False

    @property
    def count(self) -> int:
        return len(self._watchers)

    def tell(self, change: Change) -> None:
        self._history.append(change)
        if not self._muted:
            for watcher in self._watchers:
                watcher.tell(change)

    def open(
        self, resource: Resource, namespace: str, labels: str, since: int
    ) -> FakeStream[WatchEvent]:
        if since < self._oldest:
            raise ExpiredError("too old resource version")
        watcher = _Watcher(resource, namespace, labels)
        for change in self._history:
            if change.version > since:
                watcher.tell(change)
        self._watchers.append(watcher)
        return watcher.stream

    def bookmark(self, version: int) -> None:
        body = {"metadata": {"resourceVersion": str(version)}}
        for watcher in self._watchers:
            watcher.stream.put(WatchEvent(EventType.BOOKMARK, body))

    def forget(self, version: int) -> None:
        self._oldest = version
        self._history.clear()

    def cut(self) -> None:
        self.end(ApiUnavailableError("the connection was cut"))

    def mute(self) -> None:
        self._muted = True

    def end(self, error: KubernetesError | None = None) -> None:
        watchers, self._watchers, self._muted = self._watchers, [], False
        for watcher in watchers:
            watcher.stream.end(error)
