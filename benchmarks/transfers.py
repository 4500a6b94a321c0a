"""How fast a filer moves files, beside the common tool of each scheme.

Both move the same files to and from the same server, in turns, by processes of their
own; what each takes to start, and for one file of a byte, is measured apart and taken
off. A tool that is not on the PATH has a row that says so.
"""

import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from cloud_servers import azure_service, gs_service
from fakes.filer_scheduler import TransferRecord, transfer_server
from transfer_field import MIB, Field, Load, Run
from transfer_server import Serve, delayed
from transfer_servers import (
    folder_server,
    ftp_service,
    http_service,
    problem,
    s3_service,
    sftp_service,
)
from transfer_tools import (
    AWS,
    CP,
    CURL,
    LFTP,
    RCLONE,
    RCLONE_AZURE,
    RCLONE_GS,
    S5CMD,
    SFTP,
    Tool,
)

Row = tuple[str, ...]
HEADER = (
    *("files", "way", "latency, ms", "TESK, s", "tools, s", "ratio", "MiB"),
    *("CPU, s", "tools, CPU s", "CPU ms a file", "responses a file"),
)
TESK = "TESK"
LATENCIES = (0, 20, 100)
# Latency hides what the processor limits, and takes long: fewer files show as much.
FEWER = {20: 4, 100: 10}
_IN_MEMORY = 300 * MIB  # that emulators of clouds hold; "1 of 4 GiB" is left out there

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


@dataclass(frozen=True)
class Contest:
    """A scheme, its server, and who else moves files there.

    Attributes:
        most: Bytes that the server holds; of larger loads, those of ``QUICK`` are taken.
    """

    scheme: str
    serve: Serve
    tools: tuple[Tool, ...]
    most: int = sys.maxsize

    def loads(self, *, quick: bool) -> Sequence[Load]:
        """Return what is moved."""
        return tuple(
            small if quick or large.count * large.size > self.most else large
            for small, large in zip(QUICK, FULL, strict=True)
        )


CONTESTS = (
    Contest("s3", s3_service, (RCLONE, S5CMD, AWS)),
    Contest("http", http_service, (CURL,)),
    Contest("file", folder_server, (CP,)),
    Contest("ftp", ftp_service, (LFTP,)),
    Contest("sftp", sftp_service, (SFTP,)),
    Contest("gs", gs_service, (RCLONE_GS,), _IN_MEMORY),
    Contest("azure", azure_service, (RCLONE_AZURE,), _IN_MEMORY),
)


def tables(
    table: Callable[[str, Row, Iterator[Row]], str],
    *,
    quick: bool,
    runs: int,
    schemes: Sequence[str],
    latencies: Sequence[int],
) -> Iterator[str]:
    """Measure transfers by each of ``schemes``, or all, and give each table."""
    title = f", {' and '.join(map(str, latencies))} ms" if latencies else ""
    for contest in CONTESTS:
        if contest.scheme in (schemes or (contest.scheme,)):
            found = rows(
                contest, quick=quick, runs=runs, latencies=latencies or LATENCIES
            )
            yield table(f"Transfers by {contest.scheme}{title}", HEADER, found)


def rows(
    contest: Contest, *, quick: bool, runs: int, latencies: Sequence[int] = LATENCIES
) -> Iterator[Row]:
    """Measure a scheme: every load, each way, at each latency."""
    missing = [tool.name for tool in contest.tools if not tool.is_there]
    reason = problem(contest.serve)
    if reason:
        yield _remark(reason)
        return
    if missing:
        yield _remark(f"not on this machine: {', '.join(missing)}")
    players = [None, *(tool for tool in contest.tools if tool.is_there)]
    loads = contest.loads(quick=quick)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(contest.serve(folder))
        record = stack.enter_context(transfer_server(TransferRecord()))
        for latency in latencies if server.port else (0,):
            with delayed(server, latency) as reached:
                field = Field(folder, reached, record)
                yield from _at_latency(field, players, (latency, loads), runs)


def _at_latency(
    field: Field,
    players: Sequence[Tool | None],
    conditions: tuple[int, Sequence[Load]],
    runs: int,
) -> Iterator[Row]:
    latency, loads = conditions
    starts: dict[str, Mapping[str, Run]] = {}
    for load in (ONE_BYTE, *loads):
        fewer = FEWER.get(latency, 1) if load.count >= 1000 else 1
        done = Load(load.name, max(load.count // fewer, 1), load.size)
        name = load.name if fewer == 1 else f"{done.count:,} of {_size(load)}"
        for way, results in _measure(field, players, done, runs).items():
            found = {name: _median(each) for name, each in results.items()}
            if load is ONE_BYTE:
                starts[way] = found
                cells = _cells(found, done.count)
            else:
                start = starts[way]
                left = {name: _without(run, start[name]) for name, run in found.items()}
                is_told = left[TESK].seconds > start[TESK].seconds / 5
                cells = _cells(left, done.count, is_told=is_told)
            yield (name, way, str(latency), *cells)


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


def _median(runs: Sequence[Run]) -> Run:
    """Return the medians of times and responses, and the maximum of memory."""
    counted = [run.responses for run in runs if run.responses is not None]
    return Run(
        seconds=statistics.median(run.seconds for run in runs),
        memory=max(run.memory for run in runs),
        cpu=statistics.median(run.cpu for run in runs),
        responses=statistics.median_low(counted) if counted else None,
    )


def _without(run: Run, start: Run) -> Run:
    """Return what a run took beside its start."""
    return Run(
        seconds=max(run.seconds - start.seconds, 0.01),
        memory=run.memory,
        cpu=max(run.cpu - start.cpu, 0.0),
        responses=run.responses,
    )


def _cells(runs: Mapping[str, Run], count: int, *, is_told: bool = True) -> Row:
    """Return a row of ``count`` files; no ratio if most of it was the start."""
    own = runs[TESK]
    others = {name: run for name, run in runs.items() if name != TESK}
    fastest = min((run.seconds for run in others.values()), default=0.0)
    ratio = f"{fastest / own.seconds:.2f}" if is_told else "too short"
    # Nobody counts, or it is no HTTP.
    responses = f"{own.responses / count:.2f}" if own.responses else "-"
    return (
        f"{own.seconds:.2f}",
        ", ".join(f"{name} {run.seconds:.2f}" for name, run in others.items()) or "-",
        ratio if others else "-",
        f"{own.memory:.0f}",
        f"{own.cpu:.2f}",
        ", ".join(f"{name} {run.cpu:.2f}" for name, run in others.items()) or "-",
        f"{own.cpu / count * 1000:.2f}",
        responses,
    )


def _size(load: Load) -> str:
    return f"{load.size // 1024} KiB"


def _remark(text: str) -> Row:
    return (text, *("-" for _ in HEADER[1:]))
