"""One task whose executors run one by one in containers of a real engine."""

import os
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

from builders.tasks import make_executor
from tesk_model.names import Attempt
from tesk_model.reasons import Reason
from tesk_model.task import TaskId
from tesk_taskmaster.adapters.container.engine import ContainerEngine
from tesk_taskmaster.domain.executor_run import ExecutorRun, HostMount
from tesk_taskmaster.domain.plan import ExecutorStep, Mount
from tesk_taskmaster.domain.termination import StepResult
from tesk_taskmaster.ports import Tails

LONG = timedelta(seconds=60)


MIB = 1024**2


def silent(_: Reason) -> None:
    """Nobody listens."""


class Workplace:
    """A home of one TESK with one task, whose executors are run one by one."""

    def __init__(self, home: Path, engine: ContainerEngine) -> None:
        self.home = home
        self.engine = engine
        self.attempt = Attempt(TaskId(f"t{uuid4().hex[:12]}"), 1)
        self.volume = home / "volume"
        self.volume.mkdir()
        self.volume.chmod(0o777)

    def make_run(self, *command: str, index: int = 0, **fields: object) -> ExecutorRun:
        """Return a run of busybox that sees /work, unless ``fields`` say else."""
        collect = fields.pop("collect", ())
        outputs = fields.pop("outputs", ())
        ram = fields.pop("ram", 256 * MIB)
        assert isinstance(collect, tuple)
        assert isinstance(outputs, tuple)
        assert isinstance(ram, int)
        work, folder = self.volume / "work", self.home / f"x{index}"
        work.mkdir(exist_ok=True)
        work.chmod(0o777)
        folder.mkdir(exist_ok=True)
        return ExecutorRun(
            name=f"{self.attempt.name}-x{index}",
            attempt=self.attempt,
            step=ExecutorStep(
                index=index,
                executor=make_executor(command=command, **fields),
                mounts=(Mount(path="/work"),),
                collect=collect,
            ),
            mounts=(HostMount(source=work, target="/work", is_file=False),),
            folder=folder,
            volume=self.volume,
            cpu_cores=1,
            ram=ram,
            outputs=outputs,
        )

    def make_fifo(self, name: str) -> Path:
        """Make a pipe in /work; reading and writing wait for the other end."""
        fifo = self.volume / "work" / name
        os.mkfifo(fifo)
        fifo.chmod(0o666)
        return fifo

    def finish(self, run: ExecutorRun) -> tuple[StepResult, Tails]:
        """Run to the end."""
        self.engine.start(run, silent)
        result = self.engine.wait(run, LONG)
        assert result is not None
        return result, self.engine.tails(run)
