"""Streams of responses: watches and logs.

A reader may wait for minutes; ``close`` from another thread wakes it by shutting the
socket down for reading. The reader closes the connection itself: two threads in one
buffered socket would block each other.
"""

import contextlib
import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, Self, TypeVar

import msgspec
import urllib3
from urllib3.exceptions import ReadTimeoutError

from tesk_kubernetes.api import (
    ApiUnavailableError,
    EventType,
    JsonObject,
    KubernetesError,
    WatchEvent,
)
from tesk_kubernetes.refusals import error_of

T = TypeVar("T")

_CHUNK = 64 * 1024


class ResponseStream(Generic[T]):
    """Splits a response into items as it arrives."""

    def __init__(
        self,
        response: urllib3.BaseHTTPResponse,
        split: Callable[[bytes], "list[T | KubernetesError]"],
    ) -> None:
        """Take ownership of a response.

        Args:
            response: Not read yet.
            split: Called with each chunk; returns the items that it completes.
        """
        self._response = response
        self._chunks = response.stream(_CHUNK, decode_content=False)
        self._split = split
        self._items: deque[T | KubernetesError] = deque()
        self._closed = False
        self._reading = threading.Lock()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        with self._reading:
            try:
                while not self._closed and not self._items:
                    self._items.extend(self._split(self._next_chunk()))
                if not self._closed:
                    return _item_of(self._items.popleft())
            except BaseException:
                self._closed = True
                raise
            finally:
                if self._closed:
                    self._response.close()
        raise StopIteration

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End it; a thread that waits for an item gets StopIteration."""
        self._closed = True
        # If it is over already: the connection was returned to its pool.
        with contextlib.suppress(OSError, RuntimeError, ValueError):
            self._response.shutdown()
        if self._reading.acquire(blocking=False):
            try:
                self._response.close()
            finally:
                self._reading.release()

    def _next_chunk(self) -> bytes:
        try:
            return next(self._chunks)
        except ReadTimeoutError as error:
            raise ApiUnavailableError("the API server stopped sending") from error
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            if self._closed:
                raise StopIteration from error
            message = "the connection to the API server broke"
            raise ApiUnavailableError(message) from error


def _item_of(item: T | KubernetesError) -> T:
    if isinstance(item, KubernetesError):
        raise item
    return item


def log_stream(response: urllib3.BaseHTTPResponse) -> ResponseStream[bytes]:
    """Return the chunks of a log."""
    return ResponseStream(response, lambda chunk: [chunk] if chunk else [])


def watch_stream(response: urllib3.BaseHTTPResponse) -> ResponseStream[WatchEvent]:
    """Return the events of a watch."""
    return ResponseStream(response, _EventSplitter())


class _Event(msgspec.Struct, frozen=True):
    type: str
    object: JsonObject


class _EventSplitter:
    """Splits a watch into its lines, each an event."""

    def __init__(self) -> None:
        self._partial: list[bytes] = []
        self._decoder = msgspec.json.Decoder(_Event)

    def __call__(self, chunk: bytes) -> list[WatchEvent | KubernetesError]:
        first, *others = chunk.split(b"\n")
        self._partial.append(first)
        lines = []
        for other in others:
            lines.append(b"".join(self._partial))
            self._partial = [other]
        return [self._event_of(line) for line in lines if line.strip()]

    def _event_of(self, line: bytes) -> WatchEvent | KubernetesError:
        try:
            event = self._decoder.decode(line)
            if event.type == "ERROR":
                status = msgspec.json.encode(event.object)
                return error_of(int(event.object.get("code", 0)) or 500, status)
            return WatchEvent(EventType(event.type), event.object)
        except (msgspec.MsgspecError, ValueError):
            return ApiUnavailableError("the API server sent an invalid watch event")
