"""A harness for tests of an engine: makes runs, completes them, restarts the engine."""

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from builders.tasks import make_executor
from tesk_model.names import Attempt
from tesk_model.task import TaskId
from tesk_taskmaster.domain.executor_run import ExecutorRun, HostMount
from tesk_taskmaster.domain.plan import ExecutorStep, Mount
from tesk_taskmaster.domain.termination import StepResult
from tesk_taskmaster.ports import Engine

GENEROUS = timedelta(seconds=60)
GRACE = timedelta(seconds=1)


@dataclass(slots=True)
class EngineHarness:
    """One engine under test.

    Attributes:
        open_engine: Opens it as a new process would, with nothing remembered.
        home: ``TESK_HOME``; a run's folder is where the local runtime has it.
        image: An image with a shell and the usual tools, present already.
    """

    open_engine: Callable[[], Engine]
    home: Path
    image: str
    engine: Engine = field(init=False)
    _count: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.engine = self.open_engine()
        self.volume.mkdir(parents=True, exist_ok=True)
        self.volume.chmod(0o777)

    @property
    def attempt(self) -> Attempt:
        """The attempt of all runs, found again by the home alone.

        Homes of tests at the same time share an engine, where names are global.
        """
        mark = hashlib.sha256(bytes(self.home)).hexdigest()[:12]
        return Attempt(TaskId(f"contract-{mark}"), 1)

    @property
    def attempt_folder(self) -> Path:
        return self.home / "tasks" / self.attempt.name

    @property
    def volume(self) -> Path:
        return self.attempt_folder / "volume"

    def make_run(
        self,
        *command: str,
        mounts: Sequence[str] = (),
        files: Sequence[str] = (),
        collect: Sequence[str] = (),
        **fields: Any,
    ) -> ExecutorRun:
        """Make a run; ``mounts`` are directories and ``files`` exist already."""
        index, self._count = self._count, self._count + 1
        for path in mounts:
            folder = self.volume / path.lstrip("/")
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o777)
        seen = [(path, False) for path in mounts] + [(path, True) for path in files]
        folder = self.attempt_folder / "steps" / f"x{index}"
        folder.mkdir(parents=True, exist_ok=True)
        return ExecutorRun(
            name=f"{self.attempt.name}-x{index}",
            attempt=self.attempt,
            step=ExecutorStep(
                index=index,
                executor=make_executor(image=self.image, command=command, **fields),
                mounts=tuple(Mount(path=path, is_file=one) for path, one in seen),
                collect=tuple(collect),
            ),
            mounts=tuple(
                HostMount(
                    source=self.volume / path.lstrip("/"), target=path, is_file=one
                )
                for path, one in seen
            ),
            folder=folder,
            volume=self.volume,
            cpu_cores=1,
            ram=256 * 1024**2,
        )

    def start(self, *command: str, **fields: Any) -> ExecutorRun:
        run = self.make_run(*command, **fields)
        self.engine.start(run, lambda _reason: None)
        return run

    def finish(self, run: ExecutorRun) -> StepResult:
        result = self.engine.wait(run, GENEROUS)
        assert result is not None, "it did not end"
        return result

    def complete(self, *command: str, **fields: Any) -> "CompletedRun":
        """Run a command to its end."""
        run = self.start(*command, **fields)
        result = self.finish(run)
        tails = self.engine.tails(run)
        return CompletedRun(run, result, tails.stdout, tails.stderr)

    def wait_for_line(self, fifo: Path) -> str:
        """Wait until the command writes a line into a pipe in the volume."""
        with fifo.open(encoding="utf-8") as pipe:
            return pipe.readline()

    def make_fifo(self, path: str) -> Path:
        """Make a named pipe in the volume, writable by anyone."""
        fifo = self.volume / path.lstrip("/")
        fifo.parent.mkdir(parents=True, exist_ok=True)
        os.mkfifo(fifo)
        fifo.chmod(0o666)
        return fifo


@dataclass(frozen=True, slots=True)
class CompletedRun:
    """A run that has ended."""

    run: ExecutorRun
    result: StepResult
    stdout: bytes
    stderr: bytes
