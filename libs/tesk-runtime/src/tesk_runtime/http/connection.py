"""The state machine of one HTTP connection: requests, responses and deadlines.

Everything here runs in the thread of the event loop. A request is passed on when it is
complete, so that no thread ever waits for a client that sends or reads slowly.
"""

import asyncio
import socket
import struct
from contextlib import suppress
from datetime import timedelta
from http import HTTPStatus
from typing import cast

from tesk_runtime.http.connection_owner import ConnectionOwner
from tesk_runtime.http.parsing import Phase, RefusedError, Request, RequestReader
from tesk_runtime.http.streaming import OpenStream, Stream
from tesk_runtime.http.wsgi import ConnectionAddresses, Response, encode

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_NO_LINGER = struct.pack("ii", 1, 0)
# Bodies up to this size are bounded by the number of connections.
_SMALL_BODY = 64 * 1024


class Connection(asyncio.Protocol):
    """Reads requests, and writes their responses in order.

    Attributes:
        deadline: When it is closed unless it proceeds; None while a request is being
            answered.
        since: When the present wait began.
        served: Number of requests that were answered.
    """

    def __init__(self, owner: "ConnectionOwner[Connection]") -> None:
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
        self._paused = False  # reading is paused
        self._blocked = False  # the client does not read
        self._ended = False  # the client sends no more
        self._lingering = False  # nor does the server
        self._stream: OpenStream | None = None
        self.deadline: float | None = None
        self.since = 0.0
        self.served = 0

    @property
    def waiting(self) -> bool:
        """Whether no request is being answered."""
        return self._current is None and self._stream is None

    @property
    def unsent(self) -> int:
        """Bytes of responses that the client has not read."""
        return self._transport.get_write_buffer_size()

    # Called by the loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start to wait for a request."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=0)
        remote = transport.get_extra_info("peername") or ("", 0)
        local = transport.get_extra_info("sockname") or ("", 0)
        self._addresses = ConnectionAddresses(*map(str, (*remote[:2], *local[:2])))
        self._wait(self._limits.head_time)
        self._owner.add_connection(self)

    def data_received(self, data: bytes) -> None:
        """Parse received bytes."""
        if self._refusal is not None or self._lingering or self._stream:
            return
        try:
            self._reader.feed(data)
        except RefusedError as refusal:
            self._refusal = refusal
        self._count_bodies()
        self._advance()

    def eof_received(self) -> bool:
        """Answer the requests received before; then close."""
        self._ended = True
        if self._lingering or self._stream:
            self._transport.close()
        else:
            self._advance()
        return True

    def pause_writing(self) -> None:
        """Give the client time to read its response."""
        self._blocked = True
        self._wait(self._limits.send_time)
        self._owner.note_slow_reader(self)

    def resume_writing(self) -> None:
        """Continue: the response is in the kernel's buffers."""
        self._blocked = False
        if self._stream:
            self.deadline = None
        elif self._lingering:
            self._wait(self._limits.linger_time)
        else:
            self._advance()

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - asyncio's
        """Free all memory and unregister."""
        self.deadline = None
        self._lingering = True
        if self._stream:
            self._stream.close()
            self._stream = None
        self._reader.close()
        self._owner.reserve_memory(-self._held)
        self._held = 0
        self._owner.remove_connection(self)

    # Called by the server.

    def expire(self) -> None:
        """Close after the deadline."""
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
        """Close at once; the kernel drops unsent bytes, too."""
        line = self._transport.get_extra_info("socket")
        if line is not None and self._blocked:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self._transport.abort()

    def drain(self) -> None:
        """Close if no request is in progress; a stream is continued elsewhere."""
        if (
            self._stream
            or self._lingering
            or (self.waiting and self._phase is Phase.NOTHING)
        ):
            self._transport.close()

    # Internals.

    def _advance(self) -> None:
        """Take the next possible step."""
        ahead = bool(self._reader.ready) or self._reader.phase is not Phase.NOTHING
        if self._current is not None or self._blocked:
            # Requests that are sent ahead stay in the kernel's buffers.
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
        if response.stream is not None and request.method != "HEAD":
            self._begin_stream(response, response.stream, request)
            return
        close = not request.keep_alive or self._owner.draining
        self._transport.write(encode(response, request, close=close))
        self._count_bodies()
        if close:
            self._linger()
        else:
            self._advance()

    def _begin_stream(
        self, response: Response, stream: Stream, request: Request
    ) -> None:
        """Write the headers, and then what the stream sends, until one of both ends.

        Of what the client still sends nothing is read but its end.
        """
        if self._ended or self._owner.draining or not self._owner.add_stream(self):
            message = "too many clients listen here; try again later"
            busy = self._owner.refuse(HTTPStatus.SERVICE_UNAVAILABLE, message)
            self._transport.write(encode(busy, request, close=True))
            self._linger()
            return
        self._stream = OpenStream(stream, self._transport, evict=self.evict)
        self._renew_reader()
        self._count_bodies()
        self._transport.write(encode(response, request, close=True))
        self._read(on=True)
        if not self._blocked:
            self.deadline = None
        self._stream.open(self._owner.call_soon)

    def _linger(self) -> None:
        """Shut down for writing, and read on for a while.

        If it is closed with bytes unread, the kernel resets the connection, often
        before the client has read the response.
        """
        self._lingering = True
        self._refusal = None
        self._renew_reader()
        self._count_bodies()
        if self._ended:
            self._transport.close()
        else:
            # Who has reset the connection since is told of by ``connection_lost``.
            with suppress(OSError):
                self._transport.write_eof()
            self._read(on=True)
        if not self._blocked:
            self._wait(self._limits.linger_time)

    def _count_bodies(self) -> None:
        """Reserve memory for large bodies; refuse the request if there is none."""
        size = self._reader.body_bytes
        for request in self._reader.ready:
            size += len(request.body)
        if self._current is not None:
            size += len(self._current.body)
        large = max(0, size - _SMALL_BODY)
        if large == self._held:
            return
        if self._owner.reserve_memory(large - self._held):
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
