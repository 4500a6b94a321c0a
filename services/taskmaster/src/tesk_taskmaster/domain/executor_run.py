"""What an engine of the local runtime needs to run one executor."""

from dataclasses import dataclass
from pathlib import Path

from tesk_model.names import Attempt
from tesk_taskmaster.domain.plan import ExecutorStep


@dataclass(frozen=True, slots=True, kw_only=True)
class HostMount:
    """A path of this machine that is mounted into an executor."""

    source: Path
    target: str
    is_file: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorRun:
    """One executor as an engine of the local runtime runs it.

    Attributes:
        name: ``tesk-<task id>-a<attempt>-x<index>``; unique, deterministic.
        folder: A folder of this run alone, for the engine's own files; not
            visible to the executor.
        volume: Folder of the task volume, the target of ``step.collect``.
        ram: Bytes.
        outputs: See ``Plan.outputs``; for an engine whose executors may have
            another uid than the filer.
        references: Mounted read-only, after ``mounts``; perhaps within one of these.
    """

    name: str
    attempt: Attempt
    step: ExecutorStep
    mounts: tuple[HostMount, ...]
    folder: Path
    volume: Path
    cpu_cores: float
    ram: int
    outputs: tuple[str, ...] = ()
    references: tuple[HostMount, ...] = ()
