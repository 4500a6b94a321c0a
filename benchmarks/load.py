"""A closed-loop HTTP load: N connections, each sends its next request at once.

Plain asyncio streams: a client library would cost more CPU per request than
the server that is measured on the same cores.
"""

import asyncio
import statistics
import time
from dataclasses import dataclass
from math import inf
from typing import NamedTuple


class Request(NamedTuple):
    """One request; ``body`` is JSON or empty."""

    method: str
    path: str
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What came of a load.

    Attributes:
        latencies: Seconds of each request, sorted.
        seconds: From the first request to the last answer.
        failures: Answers that were not 200.
    """

    latencies: list[float]
    seconds: float
    failures: int

    @property
    def per_second(self) -> float:
        """Answers per second."""
        return len(self.latencies) / self.seconds

    def percentile(self, percent: int) -> float:
        """Return a latency in milliseconds."""
        cut = statistics.quantiles(self.latencies, n=100, method="inclusive")
        return cut[percent - 1] * 1000


def run_load(
    port: int,
    request: Request,
    *,
    connections: int,
    requests: int,
    per_second: float = inf,
) -> Load:
    """Send ``request`` so often, over ``connections`` connections to localhost.

    Args:
        port: Of the server.
        request: The same each time.
        connections: Each sends one request after the other.
        requests: Of all connections together.
        per_second: At most so many.
    """
    every = 0.0 if per_second == inf else 1 / per_second
    return asyncio.run(_run(port, _encode(request), connections, (requests, every)))


async def _run(
    port: int, request: bytes, connections: int, requests: tuple[int, float]
) -> Load:
    count, every = requests
    numbers = iter(range(count))
    latencies: list[float] = []
    failures = 0

    async def work() -> None:
        nonlocal failures
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**26)
        for number in numbers:
            if (early := first + number * every - time.perf_counter()) > 0:
                await asyncio.sleep(early)
            started = time.perf_counter()
            writer.write(request)
            status = await _read_answer(reader)
            latencies.append(time.perf_counter() - started)
            failures += status != 200
        writer.close()

    first = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(connections)))
    seconds = time.perf_counter() - first
    return Load(latencies=sorted(latencies), seconds=seconds, failures=failures)


def _encode(request: Request) -> bytes:
    head = (
        f"{request.method} {request.path} HTTP/1.1\r\nHost: localhost\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(request.body)}\r\n\r\n"
    )
    return head.encode() + request.body


async def _read_answer(reader: asyncio.StreamReader) -> int:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
    await reader.readexactly(length)
    return int(head.split(b" ", 2)[1])
