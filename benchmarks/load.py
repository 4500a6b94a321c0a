"""A closed-loop HTTP load: N connections, each sends its next request at once.

Plain asyncio streams: a client library would cost more CPU per request than
the server that is measured on the same cores.
"""

import asyncio
import statistics
import time
from dataclasses import dataclass
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


def run_load(port: int, request: Request, *, connections: int, requests: int) -> Load:
    """Send ``request`` so often, over ``connections`` connections to localhost."""
    return asyncio.run(_run(port, _encode(request), connections, requests))


async def _run(port: int, request: bytes, connections: int, requests: int) -> Load:
    numbers = iter(range(requests))
    latencies: list[float] = []
    failures = 0

    async def work() -> None:
        nonlocal failures
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**26)
        for _ in numbers:
            started = time.perf_counter()
            writer.write(request)
            status = await _read_answer(reader)
            latencies.append(time.perf_counter() - started)
            failures += status != 200
        writer.close()

    started = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(connections)))
    seconds = time.perf_counter() - started
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
