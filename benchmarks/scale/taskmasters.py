"""Simulated taskmasters: they call a scheduler as real ones do, and run nothing.

All of them are coroutines of one process. A task runs on average for as many seconds as the
last word of its command says, by an exponential distribution, so that as many end in each
second, whenever they began.
"""

import asyncio
import multiprocessing
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.duration_pb2 import Duration

from scale.scheduler import names_in, note
from tesk.v1 import assignment_service_pb2 as pb
from tesk.v1 import assignment_service_pb2_grpc as pb_grpc

SLOTS = 20
_WAIT = 10  # seconds of a long poll
_CALL_SECONDS = 30.0
_REPORT_EVERY = 0.2
_PROBE_EVERY = 2.0
_Key = tuple[str, int]


@dataclass(slots=True)
class Figures:
    """What happened since it was last asked for; seconds."""

    reports: list[float] = field(default_factory=list)
    syncs: list[float] = field(default_factory=list)
    begun: int = 0
    ended: int = 0
    failures: int = 0
    # Of each task that began: its name, and when, by the clock of the machine.
    begins: list[tuple[str, float]] = field(default_factory=list)


@dataclass(slots=True)
class Orders:
    """What all of them are told: whether tasks end at once."""

    at_once: bool = False
    figures: Figures = field(default_factory=Figures)


class _Taskmaster:
    def __init__(
        self,
        stub: "pb_grpc.AssignmentServiceAsyncStub",
        name: str,
        told: Orders,
        file: Path,
    ) -> None:
        self._stub = stub
        self._file = file
        self._name = name
        self._told = told
        self._held: dict[_Key, pb.Assignment] = {}
        self._until: dict[_Key, float] = {}
        self._started: list[pb.TaskEvent] = []

    async def live(self) -> None:
        """Call for ever."""
        await asyncio.gather(self._sync_always(), self._report_always(), self._probe())

    async def _sync(self, wait: int) -> pb.SyncResponse:
        request = pb.SyncRequest(
            taskmaster_id=self._name,
            held=[each.attempt for each in self._held.values()],
            slots=SLOTS,
            wait=Duration(seconds=wait),
        )
        return await self._stub.Sync(request, timeout=_CALL_SECONDS)

    async def _sync_always(self) -> None:
        while True:
            try:
                response = await self._sync(_WAIT)
                if response.exit:
                    note(self._file, f"-{self._name}")
                    return
                self._take(response)
            except grpc.RpcError:
                self._told.figures.failures += 1
                await asyncio.sleep(_REPORT_EVERY)

    async def _probe(self) -> None:
        """Measure calls that are answered at once."""
        while True:
            await asyncio.sleep(_PROBE_EVERY)
            began = time.perf_counter()
            try:
                self._take(await self._sync(0))
            except grpc.RpcError:
                continue
            self._told.figures.syncs.append(time.perf_counter() - began)

    def _take(self, response: pb.SyncResponse) -> None:
        now = time.monotonic()
        for assignment in response.run:
            key = assignment.attempt.task_id, assignment.attempt.number
            if key in self._held:
                continue
            self._held[key] = assignment
            own = float(assignment.task.executors[0].command[-1])
            self._until[key] = now + own * random.expovariate(1.0)
            self._told.figures.begun += 1
            self._told.figures.begins.append((assignment.task.name, time.time()))
            self._started.append(
                pb.TaskEvent(
                    attempt=assignment.attempt,
                    sequence=assignment.last_sequence + 1,
                    executor_started=pb.ExecutorStarted(index=0),
                )
            )
        for stop in response.stop:
            key = stop.attempt.task_id, stop.attempt.number
            if key in self._held:
                self._until[key] = 0.0

    def _is_over(self, key: _Key, now: float) -> bool:
        return self._told.at_once or now >= self._until[key]

    async def _report_always(self) -> None:
        while True:
            now = time.monotonic()
            over = [key for key in self._held if self._is_over(key, now)]
            events = [*self._started]
            self._started.clear()
            for key in over:
                events += _end(self._held[key])
            if not events:
                await asyncio.sleep(_REPORT_EVERY)
                continue
            await self._report(events)
            for key in over:
                del self._held[key], self._until[key]
            self._told.figures.ended += len(over)
            if not self._told.at_once:
                await asyncio.sleep(_REPORT_EVERY)

    async def _report(self, events: list[pb.TaskEvent]) -> None:
        request = pb.ReportRequest(taskmaster_id=self._name, events=events)
        while True:
            began = time.perf_counter()
            try:
                await self._stub.Report(request, timeout=_CALL_SECONDS)
            except grpc.RpcError:
                self._told.figures.failures += 1
                await asyncio.sleep(_REPORT_EVERY)
            else:
                self._told.figures.reports.append(time.perf_counter() - began)
                return


def _end(held: pb.Assignment) -> list[pb.TaskEvent]:
    first = held.last_sequence + 1
    ended = pb.ExecutorEnded(index=0, stdout="hello\n")
    finished = pb.Finished(outcome=pb.OUTCOME_COMPLETE)
    return [
        pb.TaskEvent(attempt=held.attempt, sequence=first + 1, executor_ended=ended),
        pb.TaskEvent(attempt=held.attempt, sequence=first + 2, finished=finished),
        pb.TaskEvent(attempt=held.attempt, sequence=first + 3, released=pb.Released()),
    ]


async def _simulate(file: Path, address: str, token: str, link: Connection) -> None:
    metadata = (("authorization", f"Bearer {token}"),)
    told = Orders()
    known: dict[str, asyncio.Task[None]] = {}
    options = [("grpc.service_config", '{"loadBalancingConfig":[{"round_robin":{}}]}')]
    interceptors = [_Token(metadata)]
    async with grpc.aio.insecure_channel(
        address, options=options, interceptors=interceptors
    ) as channel:
        stub: pb_grpc.AssignmentServiceAsyncStub = pb_grpc.AssignmentServiceStub(
            channel
        )
        while True:
            names = names_in(file)
            for name in names - known.keys():
                taskmaster = _Taskmaster(stub, name, told, file)
                known[name] = asyncio.create_task(taskmaster.live())
            for name in known.keys() - names:
                known.pop(name).cancel()
            while link.poll():
                message = link.recv()
                if message is Figures:
                    link.send(told.figures)
                    told.figures = Figures()
                else:
                    told.at_once = message
            await asyncio.sleep(0.05)


class _Token(grpc.aio.UnaryUnaryClientInterceptor):
    def __init__(self, metadata: tuple[tuple[str, str], ...]) -> None:
        self._metadata = metadata

    async def intercept_unary_unary(
        self, continuation: Any, details: Any, request: Any
    ) -> Any:
        """Add the token."""
        return await continuation(details._replace(metadata=self._metadata), request)


def _main(file: Path, address: str, token: str, link: Connection) -> None:
    asyncio.run(_simulate(file, address, token, link))


@dataclass(frozen=True, slots=True)
class Taskmasters:
    """The taskmasters of a file, in a process of their own."""

    link: "Connection[object, Figures]"

    def end_at_once(self, *, at_once: bool) -> None:
        """Let all tasks end at once, or go on as each says."""
        self.link.send(at_once)

    def figures(self) -> Figures:
        """Return what happened since the last call."""
        self.link.send(Figures)
        return self.link.recv()


@contextmanager
def simulated(file: Path, address: str, token: str) -> Iterator[Taskmasters]:
    """Simulate those that ``file`` names or will name, until the end of the block."""
    context = multiprocessing.get_context("spawn")
    link, other = context.Pipe()
    process = context.Process(
        target=_main, args=(file, address, token, other), daemon=True
    )
    process.start()
    try:
        yield Taskmasters(link)
    finally:
        process.kill()
        process.join()
