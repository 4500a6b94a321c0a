"""Responses that go on: an application starts one in its thread, and is free then.

The connection writes what is sent to its sink, in the thread of the event loop; no
other thread waits for the client. A client that reads too slowly is cut off.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

# Key of the WSGI environment: the ``Stream`` that follows the response's headers.
STREAM = "tesk.stream"

MAX_UNSENT = 256 * 1024
"""Bytes that a client may be behind."""


class Sink(Protocol):
    """Where a stream is written to; thread-safe."""

    def send(self, data: bytes) -> None:
        """Write; without effect once the client is gone."""

    def end(self) -> None:
        """Close the connection after what was sent."""


class Stream(Protocol):
    """What follows the headers of a response."""

    def open(self, sink: Sink) -> None:
        """Begin; called in the thread of the loop, which it must not hold up."""

    def close(self) -> None:
        """The client is gone, or the server ends; called once, in the same thread."""


class OpenStream:
    """A stream on its connection; all but its sink in the thread of the loop."""

    def __init__(
        self,
        stream: Stream,
        transport: asyncio.Transport,
        *,
        evict: Callable[[], None],
    ) -> None:
        """Prepare; ``evict`` cuts off a client that is too far behind."""
        self._stream = stream
        self._transport = transport
        self._evict = evict

    def open(self, call_soon: Callable[..., object]) -> None:
        """Begin; ``call_soon`` calls a function in the loop, from any thread."""
        self._stream.open(_LoopSink(call_soon, self))

    def write(self, data: bytes) -> None:
        """Write, unless the connection is being closed."""
        if self._transport.is_closing():
            return
        if self._transport.get_write_buffer_size() + len(data) > MAX_UNSENT:
            self._evict()
        else:
            self._transport.write(data)

    def end(self) -> None:
        """Close the connection when all is written."""
        if not self._transport.is_closing():
            self._transport.close()

    def close(self) -> None:
        """Tell the stream that its client is gone."""
        self._stream.close()


class _LoopSink:
    """See ``Sink``."""

    def __init__(self, call_soon: Callable[..., object], to: OpenStream) -> None:
        self._call_soon = call_soon
        self._to = to

    def send(self, data: bytes) -> None:
        """See ``Sink``."""
        self._call_soon(self._to.write, data)

    def end(self) -> None:
        """See ``Sink``."""
        self._call_soon(self._to.end)
