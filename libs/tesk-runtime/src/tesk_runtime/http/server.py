"""The HTTP server: its connections, their limits, and its threads."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING

from tesk_runtime.http.connection import Connection
from tesk_runtime.http.limits import HttpLimits
from tesk_runtime.http.parsing import Request
from tesk_runtime.http.pool import WorkerPool
from tesk_runtime.http.wsgi import (
    QUEUE_SECONDS,
    ConnectionAddresses,
    Response,
    call,
    environ_of,
    plain_response,
)

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

_DEADLINE_CHECK_SECONDS = 0.25
_BACKLOG = 1024
_AT_ONCE = 64
_URGENT_THREADS = 2
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What an HTTP server serves.

    Attributes:
        app: Called with complete requests, each in a thread.
        threads: Number of requests that are answered at once.
        urgent: Targets such as ``/healthz`` that have threads of their own.
        refuse: Makes the response to requests that are not passed to ``app``.
    """

    app: "WSGIApplication"
    threads: int
    urgent: frozenset[bytes] = frozenset()
    refuse: Callable[[HTTPStatus, str], Response] = plain_response


class HttpServer:
    """Serves one application from one event loop; satisfies ``ConnectionOwner``.

    Attributes:
        limits: Limits of connections and requests.
        draining: Whether connections end with their present request.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, service: Service, limits: HttpLimits
    ) -> None:
        """Start the threads, and nothing else yet."""
        self.limits = limits
        self.draining = False
        self.now = loop.time
        self._loop = loop
        self._service = service
        self._connections: dict[Connection, None] = {}
        self._held = 0
        self._slow: dict[Connection, None] = {}
        self._streams: set[Connection] = set()
        self._done = asyncio.Event()
        self._pool: WorkerPool[Response] = WorkerPool(
            loop,
            name="request",
            threads=service.threads,
            waiting=limits.requests,
        )
        self._urgent: WorkerPool[Response] = WorkerPool(
            loop,
            name="urgent",
            threads=_URGENT_THREADS,
            waiting=limits.requests,
        )

    async def serve(
        self, listener: socket.socket, stop: asyncio.Event, drain: timedelta
    ) -> None:
        """Serve until ``stop``; then finish open requests within ``drain``."""
        server = await self._loop.create_server(
            lambda: Connection(self), sock=listener, backlog=_AT_ONCE
        )
        # asyncio accepts as many at once, before any can be closed for them.
        listener.listen(_BACKLOG)
        watch = self._loop.create_task(self._watch())
        await stop.wait()
        server.close()
        self.draining = True
        for connection in list(self._connections):
            connection.drain()
        if self._connections:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._done.wait(), drain.total_seconds())
        watch.cancel()
        for connection in list(self._connections):
            connection.evict()

    async def _watch(self) -> None:
        """Close connections after their deadlines."""
        while True:
            await asyncio.sleep(_DEADLINE_CHECK_SECONDS)
            now = self.now()
            for connection in list(self._connections):
                if connection.deadline is not None and connection.deadline <= now:
                    connection.expire()
                elif self.draining:
                    connection.drain()

    # Called by connections.

    def add_connection(self, connection: Connection) -> None:
        """Register a connection; close those idle longest if there are too many."""
        self._connections[connection] = None
        if len(self._connections) > self.limits.connections:
            few = max(1, self.limits.connections // 16)
            for evicted in choose_evictions(self._connections, few):
                evicted.evict()
                self._connections.pop(evicted, None)

    def remove_connection(self, connection: Connection) -> None:
        """Unregister a connection."""
        self._connections.pop(connection, None)
        self._slow.pop(connection, None)
        self._streams.discard(connection)
        if self.draining and not self._connections:
            self._done.set()

    def call_soon(self, function: Callable[..., None], *arguments: object) -> None:
        """Call a function in the thread of the loop; without effect after its end."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(function, *arguments)

    def add_stream(self, connection: Connection) -> bool:
        """Count a response that goes on, unless there are too many."""
        if len(self._streams) >= self.limits.streams:
            return False
        self._streams.add(connection)
        return True

    def reserve_memory(self, size: int) -> bool:
        """Reserve memory for large bodies, or free it."""
        if size > 0 and self._held + size > self.limits.memory:
            return False
        self._held += size
        return True

    def note_slow_reader(self, connection: Connection) -> None:
        """Close the slowest readers if unsent responses use too much memory."""
        self._slow.pop(connection, None)
        self._slow[connection] = None
        unsent = sum(slow.unsent for slow in self._slow)
        for slow in list(self._slow):
            if unsent <= self.limits.memory:
                return
            unsent -= slow.unsent
            self._slow.pop(slow)
            slow.evict()

    def handle(
        self,
        request: Request,
        addresses: ConnectionAddresses,
        deliver: Callable[[Response], None],
    ) -> None:
        """Answer in a thread; 503 at once if too many requests wait."""
        urgent = request.target in self._service.urgent
        pool = self._urgent if urgent else self._pool

        def work(waited: float) -> Response:
            if waited > self.limits.queue_time.total_seconds():
                return self._busy()
            return self._respond(request, addresses, waited)

        if not pool.submit(work, deliver):
            deliver(self._busy())

    def refuse(self, status: HTTPStatus, message: str) -> Response:
        """Return the response to a request that is refused."""
        return self._service.refuse(status, message)

    def _respond(
        self, request: Request, addresses: ConnectionAddresses, waited: float
    ) -> Response:
        try:
            environ = environ_of(request, addresses)
        except ValueError:
            return self.refuse(
                HTTPStatus.BAD_REQUEST, "the request target is not a valid URL"
            )
        environ[QUEUE_SECONDS] = waited
        try:
            return call(self._service.app, environ)
        except Exception:
            _logger.exception("request failed")
            return self.refuse(HTTPStatus.INTERNAL_SERVER_ERROR, "internal error")

    def _busy(self) -> Response:
        return self.refuse(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "too many requests wait to be served; try again later",
        )


def choose_evictions(
    connections: Iterable[Connection], number: int
) -> list[Connection]:
    """Return the connections to close for new ones.

    Those without any request come first; among equals those that are idle longest.
    """
    waiting = [connection for connection in connections if connection.waiting]
    waiting.sort(key=lambda connection: (connection.served > 0, connection.since))
    return waiting[:number]
