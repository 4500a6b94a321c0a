"""One connection: what it waits for, until when, and what it holds.

Everything here runs in the thread of the event loop. A request is given away
when it is complete, so that no thread is ever held by a peer that sends, or
takes, slowly.
"""

import asyncio
import socket
import struct
from collections.abc import Callable
from datetime import timedelta
from http import HTTPStatus
from typing import Protocol, cast

from tesk_runtime.http.limits import HttpLimits
from tesk_runtime.http.parsing import Phase, RefusedError, Request, RequestReader
from tesk_runtime.http.wsgi import ConnectionAddresses, Response, encode

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_NO_LINGER = struct.pack("ii", 1, 0)
# Bodies up to this size are bounded by the number of connections.
_SMALL_BODY = 64 * 1024


class ConnectionOwner(Protocol):
    """The server, as a connection sees it."""

    @property
    def limits(self) -> HttpLimits:
        """The bounds."""

    @property
    def draining(self) -> bool:
        """Whether a connection ends with its present request."""

    def now(self) -> float:
        """Return the time of the loop."""

    def opened(self, connection: "Connection") -> None:
        """Count a connection in."""

    def closed(self, connection: "Connection") -> None:
        """Count it out."""

    def may_hold(self, size: int) -> bool:
        """Count so many bytes of bodies more, or fewer; False if they are too many."""

    def slowed(self, connection: "Connection") -> None:
        """Hear that its reader is slower than its answer."""

    def handle(
        self,
        request: Request,
        addresses: ConnectionAddresses,
        deliver: Callable[[Response], None],
    ) -> None:
        """Have a request answered, now or later."""

    def refuse(self, status: HTTPStatus, message: str) -> Response:
        """Return the answer to what is not served."""


class Connection(asyncio.Protocol):
    """Reads requests, and writes their answers in order.

    Attributes:
        deadline: When it is closed, if nothing comes of it before; None while
            a request is being answered.
        since: When it began to wait for what it waits for.
        served: How many requests have been answered.
    """

    def __init__(self, owner: ConnectionOwner) -> None:
        """Wait for ``connection_made``."""
        self._owner = owner
        self._limits = owner.limits
        self._reader = RequestReader(owner.limits)
        self._transport: asyncio.Transport
        self._addresses: ConnectionAddresses
        self._phase: Phase | None = Phase.NOTHING
        self._current: Request | None = None
        self._refusal: RefusedError | None = None
        self._held = 0
        self._paused = False  # we do not read
        self._blocked = False  # the peer does not
        self._ended = False  # the peer sends no more
        self._lingering = False  # we do not either
        self.deadline: float | None = None
        self.since = 0.0
        self.served = 0

    @property
    def waiting(self) -> bool:
        """Whether it can be closed without a loss of ours."""
        return self._current is None

    @property
    def unsent(self) -> int:
        """Bytes of answers that wait for the peer."""
        return self._transport.get_write_buffer_size()

    # What the loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=0)
        remote = transport.get_extra_info("peername") or ("", 0)
        local = transport.get_extra_info("sockname") or ("", 0)
        self._addresses = ConnectionAddresses(*map(str, (*remote[:2], *local[:2])))
        self._wait(self._limits.head_time)
        self._owner.opened(self)

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        if self._refusal is not None or self._lingering:
            return
        try:
            self._reader.feed(data)
        except RefusedError as refusal:
            self._refusal = refusal
        self._count_bodies()
        self._advance()

    def eof_received(self) -> bool:
        """Answer what was asked before; then close."""
        self._ended = True
        if self._lingering:
            self._transport.close()
        else:
            self._advance()
        return True

    def pause_writing(self) -> None:
        """Give the peer time to take its answer."""
        self._blocked = True
        self._wait(self._limits.send_time)
        self._owner.slowed(self)

    def resume_writing(self) -> None:
        """Go on: the answer is with the kernel."""
        self._blocked = False
        if self._lingering:
            self._wait(self._limits.linger_time)
        else:
            self._advance()

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - asyncio's
        """Let go of everything."""
        self.deadline = None
        self._lingering = True
        self._reader.close()
        self._owner.may_hold(-self._held)
        self._held = 0
        self._owner.closed(self)

    # What the server calls.

    def expire(self) -> None:
        """Close, since the deadline has passed."""
        if self._lingering or self._blocked:
            self.evict()
        elif self._phase is Phase.NOTHING:
            self._transport.close()
        else:
            self._refusal = RefusedError(
                HTTPStatus.REQUEST_TIMEOUT, "the request did not come in time"
            )
            self._advance()

    def evict(self) -> None:
        """Close at once; what is unsent is dropped by the kernel, too."""
        line = self._transport.get_extra_info("socket")
        if line is not None and self._blocked:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self._transport.abort()

    def drain(self) -> None:
        """Close if nothing is on the way."""
        if self._lingering or (self.waiting and self._phase is Phase.NOTHING):
            self._transport.close()

    # Between the two.

    def _advance(self) -> None:
        """Do the next thing that can be done."""
        ahead = bool(self._reader.ready) or self._reader.phase is not Phase.NOTHING
        if self._current is not None or self._blocked:
            # What is sent ahead of answers stays with the kernel.
            self._read(on=not ahead)
        elif self._reader.ready:
            self._dispatch(self._reader.ready.popleft())
        elif self._refusal is not None:
            refusal = self._owner.refuse(self._refusal.status, self._refusal.message)
            self._transport.write(encode(refusal, None, close=True))
            self._linger()
        elif self._ended or (self._owner.draining and not ahead):
            self._transport.close()
        else:
            self._read(on=True)
            self._await_more()

    def _await_more(self) -> None:
        phase = self._reader.phase
        if self._reader.expects:
            self._reader.expects = False
            self._transport.write(_CONTINUE)
        if phase is self._phase:
            return
        self._phase = phase
        if phase is Phase.BODY:
            self._wait(self._limits.body_time)
        elif phase is Phase.NOTHING:
            self._wait(self._limits.idle_time)
        elif self.served:
            self._wait(self._limits.head_time)
        # The first head has its time since the connection was opened.

    def _dispatch(self, request: Request) -> None:
        self._current = request
        self.deadline = None
        self._phase = None
        self._owner.handle(request, self._addresses, self._answer)

    def _answer(self, response: Response) -> None:
        request = self._current
        self._current = None
        if request is None or self._transport.is_closing():
            return
        self.served += 1
        close = not request.keep_alive or self._owner.draining
        self._transport.write(encode(response, request, close=close))
        self._count_bodies()
        if close:
            self._linger()
        else:
            self._advance()

    def _linger(self) -> None:
        """Say no more, and read on for a while.

        Closed with bytes unread, the kernel would tell the peer of a broken
        connection, often before it has read the answer.
        """
        self._lingering = True
        self._refusal = None
        self._renew_reader()
        self._count_bodies()
        if self._ended:
            self._transport.close()
        else:
            self._transport.write_eof()
            self._read(on=True)
        if not self._blocked:
            self._wait(self._limits.linger_time)

    def _count_bodies(self) -> None:
        """Keep count of what large bodies hold; refuse this one if it is too much."""
        size = self._reader.body_bytes
        for request in self._reader.ready:
            size += len(request.body)
        if self._current is not None:
            size += len(self._current.body)
        large = max(0, size - _SMALL_BODY)
        if large == self._held:
            return
        if self._owner.may_hold(large - self._held):
            self._held = large
            return
        self._renew_reader()
        self._refusal = RefusedError(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "too many large requests are on their way; try again later",
        )
        self._count_bodies()

    def _renew_reader(self) -> None:
        self._reader.close()
        self._reader = RequestReader(self._limits)

    def _read(self, *, on: bool) -> None:
        if on and self._paused:
            self._transport.resume_reading()
        elif not on and not self._paused:
            self._transport.pause_reading()
        self._paused = not on

    def _wait(self, time: timedelta) -> None:
        self.since = self._owner.now()
        self.deadline = self.since + time.total_seconds()
