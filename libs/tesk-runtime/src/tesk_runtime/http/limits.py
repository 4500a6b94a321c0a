"""How much of a server its peers can take, and for how long."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpLimits:
    """Bounds of one process that serves HTTP.

    Attributes:
        connections: Most open connections; for a newer one, those that have
            waited longest without a request are closed.
        requests: Most complete requests that wait for a thread; further ones
            are 503 at once.
        pipelined: Most requests that a connection sends ahead.
        head_bytes: Most bytes of a request line with its headers, and of the
            trailers of a body.
        headers: Most headers of one request.
        body_bytes: Most bytes of a body.
        memory: Bytes of all large bodies that are held, and, apart from these,
            of all answers whose readers are slow.
        head_time: From the first byte of a request, or from the opening of a
            connection, to the end of the headers.
        body_time: From there to the end of the body, however it drips.
        queue_time: From the end of the body to a free thread; later it is 503.
        send_time: To take an answer, from the moment when it does not fit into
            the kernel's buffers.
        idle_time: Between an answer and the next request.
        linger_time: To read an answer before the connection is closed, for
            one who is still sending.
    """

    connections: int = 2048
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
