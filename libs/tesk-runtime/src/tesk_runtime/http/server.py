"""The server: its connections, their bounds, and the threads that answer."""

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

_DEADLINE_CHECK_SECONDS = 0.25  # seconds between two looks at deadlines
_BACKLOG = 1024
_AT_ONCE = 64
_URGENT_THREADS = 2
_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What is served.

    Attributes:
        app: Answers complete requests, each in a thread.
        threads: How many requests are answered at once.
        urgent: Targets such as ``/healthz`` that have threads of their own.
        refuse: Makes the answer to what does not reach ``app``.
    """

    app: "WSGIApplication"
    threads: int
    urgent: frozenset[bytes] = frozenset()
    refuse: Callable[[HTTPStatus, str], Response] = plain_response


class HttpServer:
    """Serves one application from one event loop; itself the ``Host``.

    Attributes:
        limits: The bounds.
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
        """Serve until ``stop``; then end what has begun, within ``drain``."""
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
        """Close what is late."""
        while True:
            await asyncio.sleep(_DEADLINE_CHECK_SECONDS)
            now = self.now()
            for connection in list(self._connections):
                if connection.deadline is not None and connection.deadline <= now:
                    connection.expire()
                elif self.draining:
                    connection.drain()

    # What connections call.

    def opened(self, connection: Connection) -> None:
        """Count in; close those that have waited longest if they are too many."""
        self._connections[connection] = None
        if len(self._connections) > self.limits.connections:
            few = max(1, self.limits.connections // 16)
            for victim in choose_evictions(self._connections, few):
                victim.evict()
                self._connections.pop(victim, None)

    def closed(self, connection: Connection) -> None:
        """Count out."""
        self._connections.pop(connection, None)
        self._slow.pop(connection, None)
        if self.draining and not self._connections:
            self._done.set()

    def may_hold(self, size: int) -> bool:
        """Count bytes of large bodies."""
        if size > 0 and self._held + size > self.limits.memory:
            return False
        self._held += size
        return True

    def slowed(self, connection: Connection) -> None:
        """Close the slowest readers if unsent answers hold too much."""
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
        """Have a thread answer; 503 at once if too many requests wait."""
        urgent = request.target in self._service.urgent
        pool = self._urgent if urgent else self._pool

        def work(waited: float) -> Response:
            if waited > self.limits.queue_time.total_seconds():
                return self._busy()
            return self._respond(request, addresses, waited)

        if not pool.submit(work, deliver):
            deliver(self._busy())

    def refuse(self, status: HTTPStatus, message: str) -> Response:
        """Return the answer to what is not served."""
        return self._service.refuse(status, message)

    def _respond(
        self, request: Request, addresses: ConnectionAddresses, waited: float
    ) -> Response:
        try:
            environ = environ_of(request, addresses)
        except ValueError:
            return self.refuse(HTTPStatus.BAD_REQUEST, "the target is no URL")
        environ[QUEUE_SECONDS] = waited
        try:
            return call(self._service.app, environ)
        except Exception:
            _LOGGER.exception("request failed")
            return self.refuse(HTTPStatus.INTERNAL_SERVER_ERROR, "internal error")

    def _busy(self) -> Response:
        return self.refuse(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "too many requests wait to be served; try again later",
        )


def choose_evictions(
    connections: Iterable[Connection], number: int
) -> list[Connection]:
    """Return those that may be closed with the least harm.

    Strangers go first, who have never brought a request; among equals those
    that have waited longest.
    """
    waiting = [connection for connection in connections if connection.waiting]
    waiting.sort(key=lambda connection: (connection.served > 0, connection.since))
    return waiting[:number]
