"""Bounds on what clients can use of an HTTP server."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpLimits:
    """Bounds of one process that serves HTTP.

    Attributes:
        connections: Maximum of open connections; for a new one, those that are idle
            longest are closed.
        streams: Maximum of responses that go on; others get 503.
        requests: Maximum of complete requests that wait for a thread; others get 503
            at once.
        pipelined: Maximum of requests that a connection sends ahead.
        head_bytes: Maximum of bytes of a request line with its headers, and of the
            trailers of a body.
        headers: Maximum of headers of one request.
        body_bytes: Maximum of bytes of a body.
        memory: Maximum of bytes of all large bodies in memory, and, apart from these,
            of all responses whose clients read slowly.
        head_time: From the first byte of a request, or from the opening of a
            connection, to the end of the headers.
        body_time: From there to the end of the body.
        queue_time: From the end of the body to a free thread; later, 503.
        send_time: To read a response, from the moment when it does not fit into the
            kernel's buffers.
        idle_time: Between a response and the next request.
        linger_time: To read a response before the connection is closed, for a client
            that is still sending.
    """

    connections: int = 2048
    streams: int = 1024
    requests: int = 1024
    pipelined: int = 16
    head_bytes: int = 64 * 1024
    headers: int = 100
    body_bytes: int = 16 * 1024 * 1024
    memory: int = 128 * 1024 * 1024
    head_time: timedelta = timedelta(seconds=10)
    body_time: timedelta = timedelta(seconds=30)
    queue_time: timedelta = timedelta(seconds=5)
    send_time: timedelta = timedelta(seconds=60)
    # Longer than load balancers keep theirs, so that they close first.
    idle_time: timedelta = timedelta(seconds=75)
    linger_time: timedelta = timedelta(seconds=3)
