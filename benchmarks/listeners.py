"""What it costs to tell of tasks, and how soon a line that is printed is seen.

Tasks are created by gRPC, past the api: what that uses goes to listeners alone.
"""

import asyncio
import json
import resource
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from processes import cpu_seconds, memory_mib
from programs.stack import Stack
from programs.waiting import eventually
from server import block, fill, measured_server, services

Row = tuple[str, ...]
HEADER: Row = ("listeners", "result", "target")
_MANY = 1000
_LISTS = 250  # of one user, who may follow 256 at once
_SOME = 100
_CONNECTIONS = {"TESK_API_CONNECTIONS": str(2 * _MANY + 100)}
_IDLE = 10.0  # seconds
_PRINT = "i=0; while [ $i -lt {count} ]; do date +%s%N; sleep 0.23; i=$((i+1)); done"


class Listeners:
    """Connections that count the events that they are told.

    Attributes:
        told: How many, of all together.
        lines: Those with data, of a listener that keeps them, with the time of each.
    """

    def __init__(self, port: int) -> None:
        self.told = 0
        self.connected = 0
        self.lines: list[tuple[int, bytes]] = []
        self._port = port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @contextmanager
    def listening(
        self, paths: Sequence[str], *, keep: bool = False
    ) -> Iterator["Listeners"]:
        """Listen, one connection to each path."""
        self._thread.start()
        running = [
            asyncio.run_coroutine_threadsafe(self._listen(path, keep=keep), self._loop)
            for path in paths
        ]
        try:
            eventually(lambda: self.connected == len(paths), what="all connections")
            yield self
        finally:
            for each in running:
                each.cancel()
            asyncio.run_coroutine_threadsafe(_ended(), self._loop).result()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    async def _listen(self, path: str, *, keep: bool) -> None:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self._port, limit=2**22
        )
        writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        status = await reader.readline()
        assert b" 200 " in status, status
        while (await reader.readline()).strip():
            pass
        self.connected += 1
        if keep:
            while line := await reader.readline():
                if line.startswith(b"data: "):
                    self.lines.append((time.time_ns(), line.removeprefix(b"data: ")))
            return
        await self._count(reader)

    async def _count(self, reader: asyncio.StreamReader) -> None:
        rest = b""
        while data := await reader.read(2**16):
            data = rest + data
            self.told += data.count(b"event: change\n")
            rest = data[data.rfind(b"\n") + 1 :]


async def _ended() -> None:
    """Wait for all other tasks of the loop, which are canceled."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    await asyncio.gather(*others, return_exceptions=True)


def rows(*, quick: bool) -> Iterator[Row]:
    """Measure, and give each row."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 3 * _MANY), hard))
    with measured_server(environ=_CONNECTIONS) as stack:
        yield from _printed(stack, count=20 if quick else 100)
        block(stack)
        yield from _changes(stack, count=1024 if quick else 5120)
        yield from _silent(stack)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _changes(stack: Stack, *, count: int) -> Iterator[Row]:
    pids = services(stack)
    alone = _cpu_of(stack, pids["scheduler"], count)
    with Listeners(stack.port).listening(["/tesk/v1/events"] * _SOME) as listeners:
        before = cpu_seconds(pids["api"]), cpu_seconds(pids["scheduler"])
        began = time.perf_counter()
        fill(stack, count, count)
        wanted = count * _SOME
        eventually(lambda: listeners.told >= wanted, every=0.01, what="all events")
        seconds = time.perf_counter() - began
        api = cpu_seconds(pids["api"]) - before[0]
        scheduler = cpu_seconds(pids["scheduler"]) - before[1]
    name = f"{_SOME} of one list, {count:,} tasks are created"
    yield f"{name}: events told", f"{wanted / seconds:,.0f}/s", ""
    yield f"{name}: CPU of the api, each event", f"{api / wanted * 1e6:.1f} µs", ""
    ratio = f"{scheduler / alone:.2f} of that without listeners"
    yield f"{name}: CPU of the scheduler", ratio, ""


def _cpu_of(stack: Stack, pids: Sequence[int], count: int) -> float:
    before = cpu_seconds(pids)
    fill(stack, count, 0)
    return cpu_seconds(pids) - before


def _silent(stack: Stack) -> Iterator[Row]:
    """Let many listen to many lists, of which nothing is to be told."""
    pids = services(stack)
    before = memory_mib(pids["api"]), _threads(pids["api"])
    paths = [
        f"/tesk/v1/events?tag_key=none-{number % _LISTS}" for number in range(_MANY)
    ]
    with Listeners(stack.port).listening(paths):
        used = cpu_seconds(pids["api"]), cpu_seconds(pids["scheduler"])
        time.sleep(_IDLE)
        api = cpu_seconds(pids["api"]) - used[0]
        scheduler = cpu_seconds(pids["scheduler"]) - used[1]
        each = (memory_mib(pids["api"]) - before[0]) * 1024 / _MANY
        threads = _threads(pids["api"]) - before[1]
    name = f"{_MANY:,} of {_LISTS:,} lists, nothing happens"
    yield f"{name}: memory of the api, each", f"{each:.1f} KiB", "< 100 KiB"
    yield f"{name}: threads of the api", f"{threads} more", "none for each"
    cores = f"{api / _IDLE:.1%} and {scheduler / _IDLE:.1%} of a core"
    yield f"{name}: CPU of api and scheduler", cores, ""


def _threads(pids: Sequence[int]) -> int:
    return sum(len(list(Path(f"/proc/{pid}/task").iterdir())) for pid in pids)


def _printed(stack: Stack, *, count: int) -> Iterator[Row]:
    """Let a task print the time, and see when a listener is told."""
    command = ["sh", "-c", _PRINT.format(count=count)]
    task_id = stack.create({"executors": [{"image": "busybox", "command": command}]})
    path = f"/tesk/v1/tasks/{task_id}/events"
    with Listeners(stack.port).listening([path], keep=True) as listeners:
        eventually(
            lambda: any(b"COMPLETE" in line for _, line in listeners.lines),
            what="the end of the task",
        )
    delays = sorted(_delays(listeners.lines))
    assert len(delays) > count / 2, f"{len(delays)} of {count} lines were told"
    cut = statistics.quantiles(delays, n=100, method="inclusive")
    result = f"{cut[49]:.0f} ms (p99: {cut[98]:.0f})"
    yield "1, a line printed to the line seen: p50", result, "< 1,000 ms"


def _delays(lines: Sequence[tuple[int, bytes]]) -> Iterator[float]:
    """Give the milliseconds of each line of the task's output.

    The first event has what was printed before anybody listened.
    """
    for at, line in lines:
        event = json.loads(line)
        if "index" in event and "stdout" in event and "start_time" not in event:
            for printed in event["stdout"].split():
                yield (at - int(printed)) / 1e6
