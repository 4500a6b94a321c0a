"""A task as TES 1.1 describes it.

``None`` means that the client did not send the field, so that a task can be
echoed as it was sent. Sequences are tuples; values are never changed in place.

The ``Annotated`` type of a field names the smallest view that shows it, unless that is
BASIC, and its ``FieldRule``. ``tesk_model.fields`` reads these for all converters.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, StrEnum, auto
from typing import Annotated, NewType

from tesk_model.states import TaskState

TaskId = NewType("TaskId", str)


class FileType(StrEnum):
    """tesFileType."""

    FILE = "FILE"
    DIRECTORY = "DIRECTORY"


class TaskView(StrEnum):
    """How much of a task is shown (TES ``view``), from least to most."""

    MINIMAL = "MINIMAL"
    BASIC = "BASIC"
    FULL = "FULL"


class FieldRule(Enum):
    """Properties of a field, beside its type."""

    REQUIRED = auto()
    """TES requires it of what is returned: shown also when empty."""
    READ_ONLY = auto()
    """The server alone sets it; ignored in what a client sends."""
    EXTENSION = auto()
    """Not part of TES: no TES view shows it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """tesInput. The source is ``content`` if it is non-empty, else ``url``.

    ``content=""`` without url is an empty file.
    """

    path: str
    url: str | None = None
    content: Annotated[str | None, TaskView.FULL] = None
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
    command: Annotated[tuple[str, ...], FieldRule.REQUIRED]
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
    """tesExecutorLog. Without ``exit_code`` the executor is still running.

    Attributes:
        cpu_seconds: Of all processes of the command; None if it is not known.
        max_memory_bytes: The most that one of its processes had; likewise.
    """

    start_time: datetime | None = None
    end_time: datetime | None = None
    stdout: Annotated[str, TaskView.FULL] = ""
    stderr: Annotated[str, TaskView.FULL] = ""
    exit_code: Annotated[int | None, FieldRule.REQUIRED] = None
    cpu_seconds: Annotated[float | None, FieldRule.EXTENSION] = None
    max_memory_bytes: Annotated[int | None, FieldRule.EXTENSION] = None


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
    logs: Annotated[tuple[ExecutorLog, ...], FieldRule.REQUIRED] = ()
    outputs: Annotated[tuple[OutputFileLog, ...], FieldRule.REQUIRED] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    system_logs: Annotated[tuple[str, ...], TaskView.FULL] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferStatus:
    """How far a transfer is that runs now; not part of TES.

    Attributes:
        direction: ``inputs`` or ``outputs``.
        files_total: 0 while unknown.
        bytes_total: 0 while unknown.
        bytes_per_second: Rate of the last seconds; 0 also if unknown.
        path: Of the file that has been moving for the longest time, in the container;
            "" if none moves. Long ones are elided.
        url: Of that file, likewise, without credentials.
    """

    direction: str
    files_done: int = 0
    files_total: int = 0
    bytes_done: int = 0
    bytes_total: int = 0
    bytes_per_second: int = 0
    path: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSize:
    """What arrived of one input; not part of TES.

    Attributes:
        index: Of the input in its task.
        files: How many; 1 unless it is a directory.
        size_bytes: Of all of them.
    """

    index: int
    files: int
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitNodes:
    """How many nodes do not take a pod for one cause: ``Insufficient cpu``."""

    cause: str
    nodes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitHead:
    """The first queued task of an owner, behind which others wait.

    Attributes:
        since: Since when it waits for that.
    """

    id: str
    reason: str
    reason_code: str
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitTime:
    """For how long a queued task has waited for one cause.

    Attributes:
        reason_code: Of the cause.
        seconds: In all.
        reason: The last sentence about it; "" if there was none.
    """

    reason_code: str
    seconds: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """What a task waits for, as data, beside the sentence; not part of TES.

    None, or empty, where there is no such thing. Amounts are in the units of
    ``Resources``.

    Attributes:
        since: Since when it waits for this.
        remedy: What must happen, for people.
        scope: Whose limit it is, see ``waits.WaitScope``.
        subject: Name of the user, group, namespace or queue of that.
        dimension: ``running``, ``cpu``, ``ram_gb``, ``disk_gb``, …
        used: What is in use of it.
        limit: The most that may be; of a node, what the largest has.
        needed: What this task adds.
        nodes: Why no node takes its pod.
        queued_since: When it was queued.
        position: Of a queued task among those of its owner; 1 comes next.
        position_is_least: It was not counted further.
        place: About the how-many-th it is of all queued tasks: an estimate.
        head: The first of its owner, if it is behind that.
        spent: What a queued task has waited for so far.
    """

    since: datetime | None = None
    remedy: str | None = None
    scope: str | None = None
    subject: str | None = None
    dimension: str | None = None
    used: float | None = None
    limit: float | None = None
    needed: float | None = None
    nodes: tuple[WaitNodes, ...] = ()
    queued_since: datetime | None = None
    position: int | None = None
    position_is_least: bool | None = None
    place: int | None = None
    head: WaitHead | None = None
    spent: tuple[WaitTime, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """tesTask. Server-side fields are unset in what a client submits.

    Attributes:
        reason: Why the task is where it is, for people; not part of TES.
        reason_code: The code of that, see ``reasons.ReasonCode``.
        transfers: Those that run now.
        wait: What it waits for, if it waits.
        charged: What it is charged: cores and GiB, also where the client left them open.
        input_sizes: What arrived of its inputs; empty until all have.
    """

    executors: Annotated[tuple[Executor, ...], FieldRule.REQUIRED] = ()
    id: Annotated[
        TaskId | None, TaskView.MINIMAL, FieldRule.READ_ONLY, FieldRule.REQUIRED
    ] = None
    state: Annotated[
        TaskState | None, TaskView.MINIMAL, FieldRule.READ_ONLY, FieldRule.REQUIRED
    ] = None
    name: str | None = None
    description: str | None = None
    inputs: tuple[Input, ...] = ()
    outputs: tuple[Output, ...] = ()
    resources: Resources | None = None
    volumes: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    logs: Annotated[tuple[TaskLog, ...], FieldRule.READ_ONLY] = ()
    creation_time: Annotated[datetime | None, FieldRule.READ_ONLY] = None
    reason: Annotated[str, FieldRule.READ_ONLY, FieldRule.EXTENSION] = ""
    reason_code: Annotated[str, FieldRule.READ_ONLY, FieldRule.EXTENSION] = ""
    transfers: Annotated[
        tuple[TransferStatus, ...], FieldRule.READ_ONLY, FieldRule.EXTENSION
    ] = ()
    wait: Annotated[Wait | None, FieldRule.READ_ONLY, FieldRule.EXTENSION] = None
    charged: Annotated[Resources | None, FieldRule.READ_ONLY, FieldRule.EXTENSION] = (
        None
    )
    input_sizes: Annotated[
        tuple[InputSize, ...], FieldRule.READ_ONLY, FieldRule.EXTENSION
    ] = ()
