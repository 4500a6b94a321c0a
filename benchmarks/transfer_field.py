"""Files that a filer and the common tools move, and what it takes each of them."""

import itertools
import os
import resource
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fakes.filer_process import FilerRun
from fakes.filer_scheduler import TransferRecord
from processes import PeakMemory
from tesk_model.schemes import SCHEMES, Use
from tesk_model.task import FileType, Input, Output
from transfer_server import Server
from transfer_tools import Job, Tool

MIB = 1024 * 1024
_TIMEOUT = 3600  # seconds of one transfer


@dataclass(frozen=True)
class Load:
    """Files that are moved together."""

    name: str
    count: int
    size: int


@dataclass(frozen=True)
class Run:
    """How a transfer went.

    Attributes:
        memory: Its peak, in MiB.
        cpu: Seconds, user and system.
        responses: Of HTTP, that it got; None: nobody counted.
    """

    seconds: float
    memory: float
    cpu: float
    responses: int | None


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
        # What came before is on the disk: nobody waits for what another one wrote.
        os.sync()
        self._count()
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
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
            _, log = process.communicate(timeout=_TIMEOUT)
        seconds = time.perf_counter() - started
        if process.returncode:
            name = who.name if who else "TESK"
            message = f"{name} failed: {log[-2000:]}"
            raise RuntimeError(message)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return Run(seconds, peak.mib, cpu, self._count())

    def _count(self) -> int | None:
        """Return how many responses of HTTP came since the last call."""
        count = self._server.responses
        return count() if count else None
