"""Defines snapshots: what the command shows of a task at one moment."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tesk_model.states import TaskState
from tesk_model.task import TransferStatus, Wait


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorSnapshot:
    """One executor that has started.

    Attributes:
        index: Its place in the task, from 0.
        exit_code: None while it runs.
        stdout: The end of what it printed, as the server keeps it.
        stderr: Likewise.
    """

    index: int
    exit_code: int | None = None
    stdout: str = ""
    stderr: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputSnapshot:
    """One file that was uploaded; ``size`` in bytes."""

    url: str
    path: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One task at one moment; executors in the order in which they started.

    Attributes:
        reason: Why it waits or ended, for people.
        reason_code: The same for programs.
        transfers: Those that run now.
        wait: What it waits for, as data; None if it does not, or if that is not known.
    """

    id: str
    state: TaskState
    reason: str = ""
    reason_code: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    executors: tuple[ExecutorSnapshot, ...] = ()
    outputs: tuple[OutputSnapshot, ...] = ()
    system_logs: tuple[str, ...] = ()
    transfers: tuple[TransferStatus, ...] = ()
    wait: Wait | None = field(default=None, compare=False)
