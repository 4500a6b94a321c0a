"""A task as TES 1.1 describes it.

``None`` means that the client did not send the field, so that a task can be
echoed as it was sent. Sequences are tuples; values are never changed in place.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NewType

from tesk_model.states import TaskState

TaskId = NewType("TaskId", str)


class FileType(StrEnum):
    """tesFileType."""

    FILE = "FILE"
    DIRECTORY = "DIRECTORY"


class TaskView(StrEnum):
    """How much of a task is shown (TES ``view``)."""

    MINIMAL = "MINIMAL"
    BASIC = "BASIC"
    FULL = "FULL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """tesInput. The source is ``content`` if it is non-empty, else ``url``.

    ``content=""`` without url is an empty file.
    """

    path: str
    url: str | None = None
    content: str | None = None
    type: FileType = FileType.FILE
    name: str | None = None
    description: str | None = None
    streamable: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """tesOutput. ``url`` is a directory if ``path`` is a pattern."""

    path: str
    url: str
    path_prefix: str | None = None
    type: FileType = FileType.FILE
    name: str | None = None
    description: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Executor:
    """tesExecutor: one command, which replaces the image's ENTRYPOINT."""

    image: str
    command: tuple[str, ...]
    workdir: str | None = None
    stdin: str | None = None
    stdout: str | None = None
    stderr: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    ignore_error: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """tesResources; ``ram_gb`` and ``disk_gb`` count GiB."""

    cpu_cores: float | None = None
    ram_gb: float | None = None
    disk_gb: float | None = None
    preemptible: bool | None = None
    zones: tuple[str, ...] = ()
    backend_parameters: Mapping[str, str] = field(default_factory=dict)
    backend_parameters_strict: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorLog:
    """tesExecutorLog. Without ``exit_code`` the executor is still running."""

    start_time: datetime | None = None
    end_time: datetime | None = None
    stdout: str = ""
    stderr: str = ""
    exit_code: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputFileLog:
    """tesOutputFileLog: one file that was uploaded; size in bytes."""

    url: str
    path: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskLog:
    """tesTaskLog of the attempt that counts; executor logs in order."""

    start_time: datetime | None = None
    end_time: datetime | None = None
    logs: tuple[ExecutorLog, ...] = ()
    outputs: tuple[OutputFileLog, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    system_logs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """tesTask. Server-side fields are unset in what a client submits.

    Attributes:
        reason: Why the task is where it is, for people; not part of TES.
        reason_code: The code of that, see ``reasons.ReasonCode``.
    """

    executors: tuple[Executor, ...] = ()
    id: TaskId | None = None
    state: TaskState | None = None
    name: str | None = None
    description: str | None = None
    inputs: tuple[Input, ...] = ()
    outputs: tuple[Output, ...] = ()
    resources: Resources | None = None
    volumes: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    logs: tuple[TaskLog, ...] = ()
    creation_time: datetime | None = None
    reason: str = ""
    reason_code: str = ""
