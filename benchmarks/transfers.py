"""How fast a filer moves files, beside the common tool of each scheme.

Both move the same files to and from the same server, in turns, by processes of their
own; what each takes to start, and for one file of a byte, is measured apart and taken
off. A tool that is not on the PATH has a row that says so.
"""

import itertools
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from fakes.filer_process import FilerRun
from fakes.filer_scheduler import TransferRecord, transfer_server
from processes import PeakMemory
from tesk_model.schemes import SCHEMES, Use
from tesk_model.task import FileType, Input, Output
from transfer_servers import (
    Serve,
    Server,
    delayed,
    folder_server,
    ftp_service,
    http_service,
    problem,
    s3_service,
    sftp_service,
)
from transfer_tools import AWS, CP, CURL, LFTP, RCLONE, S5CMD, SFTP, Job, Tool

Row = tuple[str, ...]
HEADER = ("files", "way", "latency, ms", "TESK, s", "tools, s", "ratio", "MiB")
MIB = 1024 * 1024
TIMEOUT = 3600  # seconds of one transfer
TESK = "TESK"


@dataclass(frozen=True)
class Load:
    """Files that are moved together."""

    name: str
    count: int
    size: int


ONE_BYTE = Load("1 file of 1 byte", 1, 1)
FULL = (
    Load("1 of 4 GiB", 1, 4096 * MIB),
    Load("16 of 256 MiB", 16, 256 * MIB),
    Load("10,000 of 16 KiB", 10_000, 16 * 1024),
    Load("100,000 of 1 KiB", 100_000, 1024),
)
QUICK = (
    Load("1 of 256 MiB", 1, 256 * MIB),
    Load("4 of 64 MiB", 4, 64 * MIB),
    Load("1,000 of 16 KiB", 1_000, 16 * 1024),
    Load("2,000 of 1 KiB", 2_000, 1024),
)
LATENCIES = (0, 20, 100)
# Latency hides what the processor limits, and takes long: fewer files show as much.
FEWER = {20: 4, 100: 10}


@dataclass(frozen=True)
class Contest:
    """A scheme, its server, and who else moves files there."""

    scheme: str
    serve: Serve
    tools: tuple[Tool, ...]


CONTESTS = (
    Contest("s3", s3_service, (RCLONE, S5CMD, AWS)),
    Contest("http", http_service, (CURL,)),
    Contest("file", folder_server, (CP,)),
    Contest("ftp", ftp_service, (LFTP,)),
    Contest("sftp", sftp_service, (SFTP,)),
)


@dataclass(frozen=True)
class Run:
    """How a transfer went: seconds, and peak memory in MiB."""

    seconds: float
    memory: float


class Field:
    """Files here and there, and everybody who moves them."""

    def __init__(self, folder: Path, server: Server, record: TransferRecord) -> None:
        self._folder = folder
        self._server = server
        self._record = record
        self._numbers = itertools.count()
        roots = (folder,) if server.base.startswith("file") else ()
        self._filer = FilerRun(folder, roots, environ={**server.environ})

    def make(self, load: Load) -> list[str]:
        """Make the files of a load in the volume, and return their names."""
        source = self._filer.volume / "out"
        shutil.rmtree(source, ignore_errors=True)
        names = [f"d{index // 1000:03}/{index:06}" for index in range(load.count)]
        block = os.urandom(min(load.size, MIB))
        for name in names:
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            with (source / name).open("wb") as file:
                for _ in range(max(load.size // MIB, 1)):
                    file.write(block)
        return names

    def send(self, who: Tool | None, names: Sequence[str]) -> tuple[Run, str]:
        """Send the files by a tool, or by a filer; return where they went, too."""
        path = f"o{next(self._numbers)}"
        folder = self._filer.volume / "out"
        job = Job(self._server, inwards=False, folder=folder, path=path, names=names)
        self._record.outputs = (
            Output(path="/out", url=job.url, type=FileType.DIRECTORY),
        )
        return self._move(who, job), path

    def fetch(self, who: Tool | None, names: Sequence[str], path: str) -> Run:
        """Fetch what lies at ``path``."""
        target = self._filer.volume / "in"
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir()
        job = Job(self._server, inwards=True, folder=target, path=path, names=names)
        if SCHEMES[job.url.partition(":")[0]].allows(Use.DIRECTORY):
            self._record.inputs = (
                Input(path="/in", url=job.url, type=FileType.DIRECTORY),
            )
        else:
            self._record.inputs = tuple(
                Input(path=f"/in/{name}", url=f"{job.url}/{name}") for name in names
            )
        run = self._move(who, job)
        found = sum(len(files) for _, _, files in os.walk(target))
        assert found == len(names), f"{found} of {len(names)} files came"
        shutil.rmtree(target)
        return run

    def forget(self, path: str) -> None:
        """Remove what was sent."""
        self._server.remove(path)

    def _move(self, who: Tool | None, job: Job) -> Run:
        started = time.perf_counter()
        if who is None:
            direction = "inputs" if job.inwards else "outputs"
            process = self._filer.start(self._record, direction)
        else:
            arguments, variables = who.command(job)
            environ = {**os.environ, **variables}
            started = time.perf_counter()
            process = subprocess.Popen(  # noqa: S603 - of a table
                arguments,
                env=environ,
                text=True,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
        with process, PeakMemory(process.pid) as peak:
            _, log = process.communicate(timeout=TIMEOUT)
        seconds = time.perf_counter() - started
        if process.returncode:
            name = who.name if who else TESK
            message = f"{name} failed: {log[-2000:]}"
            raise RuntimeError(message)
        return Run(seconds, peak.mib)


def rows(contest: Contest, *, quick: bool, runs: int) -> Iterator[Row]:
    """Measure a scheme: every load, each way, at each latency."""
    missing = [tool.name for tool in contest.tools if not tool.is_there]
    reason = problem(contest.serve)
    if reason:
        yield _remark(reason)
        return
    if missing:
        yield _remark(f"not on this machine: {', '.join(missing)}")
    players = [None, *(tool for tool in contest.tools if tool.is_there)]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(contest.serve(folder))
        record = stack.enter_context(transfer_server(TransferRecord()))
        for latency in LATENCIES if server.port else (0,):
            with delayed(server, latency) as reached:
                field = Field(folder, reached, record)
                yield from _at_latency(
                    field, players, (latency, QUICK if quick else FULL), runs
                )


def _at_latency(
    field: Field,
    players: Sequence[Tool | None],
    conditions: tuple[int, Sequence[Load]],
    runs: int,
) -> Iterator[Row]:
    latency, loads = conditions
    starts: dict[str, dict[str, float]] = {}
    for load in (ONE_BYTE, *loads):
        fewer = FEWER.get(latency, 1) if load.count >= 1000 else 1
        done = Load(load.name, max(load.count // fewer, 1), load.size)
        for way, results in _measure(field, players, done, runs).items():
            seconds = {
                name: statistics.median(run.seconds for run in all_runs)
                for name, all_runs in results.items()
            }
            if load is ONE_BYTE:
                starts[way] = seconds
            else:
                start = starts[way]
                seconds = {n: max(s - start[n], 0.01) for n, s in seconds.items()}
            memory = max(run.memory for run in results[TESK])
            name = load.name if fewer == 1 else f"{done.count:,} of {_size(load)}"
            cells = _cells(seconds, starts[way][TESK])
            yield (name, way, str(latency), *cells, f"{memory:.0f}")


def _measure(
    field: Field, players: Sequence[Tool | None], load: Load, runs: int
) -> dict[str, dict[str, list[Run]]]:
    """Return all runs by way and name; everybody in turn."""
    names = field.make(load)
    sent: dict[str, list[Run]] = {}
    fetched: dict[str, list[Run]] = {}
    for _ in range(runs):
        for who in players:
            name = who.name if who else TESK
            run, path = field.send(who, names)
            sent.setdefault(name, []).append(run)
            fetched.setdefault(name, []).append(field.fetch(who, names, path))
            field.forget(path)
    return {"in": fetched, "out": sent}


def _cells(seconds: dict[str, float], start: float) -> Row:
    """Return seconds and ratio; none where the start, taken off, is most of it."""
    own = seconds[TESK]
    others = {name: each for name, each in seconds.items() if name != TESK}
    if not others:
        return f"{own:.2f}", "-", "-"
    shown = ", ".join(f"{name} {each:.2f}" for name, each in others.items())
    is_told = own > start / 5
    ratio = f"{min(others.values()) / own:.2f}" if is_told else "too short"
    return f"{own:.2f}", shown, ratio


def _size(load: Load) -> str:
    return f"{load.size // 1024} KiB"


def _remark(text: str) -> Row:
    return (text, *("-" for _ in HEADER[1:]))
