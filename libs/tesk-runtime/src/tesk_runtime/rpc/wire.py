"""A task on the wire (``tesk.v1``) and in the domain (``tesk_model``).

The one place that converts, in both directions:
``task_from_wire(task_to_wire(task)) == task``.
"""

from datetime import UTC, datetime, timedelta

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from tesk.v1 import task_pb2 as pb
from tesk_model.errors import InvalidRequestError, Violation
from tesk_model.states import TaskState
from tesk_model.task import (
    Executor,
    ExecutorLog,
    FileType,
    Input,
    Output,
    OutputFileLog,
    Resources,
    Task,
    TaskId,
    TaskLog,
    TaskView,
)

_STATE_PREFIX = "TASK_STATE_"


def state_to_wire(state: TaskState) -> "pb.TaskState.ValueType":
    """Convert a state; every one has a value on the wire."""
    return pb.TaskState.Value(_STATE_PREFIX + state.value)


def state_from_wire(state: "pb.TaskState.ValueType") -> TaskState:
    """Convert a state.

    Raises:
        InvalidRequestError: The state is unspecified or unknown here.
    """
    try:
        return TaskState(pb.TaskState.Name(state).removeprefix(_STATE_PREFIX))
    except ValueError as error:
        raise _refuse("state", f"{state} is not a state of a task") from error


def view_to_wire(view: TaskView) -> "pb.TaskView.ValueType":
    """Convert a view."""
    return pb.TaskView.Value("TASK_VIEW_" + view.value)


def view_from_wire(view: "pb.TaskView.ValueType") -> TaskView:
    """Convert a view; unspecified is MINIMAL."""
    if view == pb.TASK_VIEW_FULL:
        return TaskView.FULL
    return TaskView.BASIC if view == pb.TASK_VIEW_BASIC else TaskView.MINIMAL


def timestamp_to_wire(time: datetime) -> Timestamp:
    """Convert an aware time."""
    stamp = Timestamp()
    stamp.FromDatetime(time)
    return stamp


def timestamp_from_wire(stamp: Timestamp) -> datetime:
    """Convert to an aware time in UTC.

    Raises:
        InvalidRequestError: It is beyond what a calendar has.
    """
    try:
        return stamp.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise _refuse("time", "is beyond the years 1 to 9999") from error


def duration_from_wire(duration: Duration) -> timedelta:
    """Convert a span of time.

    Raises:
        InvalidRequestError: It is longer than can be counted.
    """
    try:
        return duration.ToTimedelta()
    except (ValueError, OverflowError) as error:
        raise _refuse("duration", "is longer than can be counted") from error


def task_to_wire(task: Task) -> pb.Task:
    """Convert a whole task."""
    message = pb.Task(
        id=task.id or "",
        state=state_to_wire(task.state) if task.state else pb.TASK_STATE_UNSPECIFIED,
        name=task.name,
        description=task.description,
        inputs=[_input_to_wire(entry) for entry in task.inputs],
        outputs=[_output_to_wire(entry) for entry in task.outputs],
        resources=_resources_to_wire(task.resources) if task.resources else None,
        executors=[_executor_to_wire(entry) for entry in task.executors],
        volumes=task.volumes,
        tags=task.tags,
        logs=[task_log_to_wire(entry) for entry in task.logs],
        reason=task.reason,
        reason_code=task.reason_code,
    )
    if task.creation_time:
        message.creation_time.FromDatetime(task.creation_time)
    return message


def task_from_wire(message: pb.Task) -> Task:
    """Convert a whole task.

    Raises:
        InvalidRequestError: An enum is unspecified or unknown here.
    """
    return Task(
        id=TaskId(message.id) if message.id else None,
        state=state_from_wire(message.state) if message.state else None,
        name=message.name if message.HasField("name") else None,
        description=message.description if message.HasField("description") else None,
        inputs=tuple(input_from_wire(entry) for entry in message.inputs),
        outputs=tuple(output_from_wire(entry) for entry in message.outputs),
        resources=_resources_from_wire(message.resources)
        if message.HasField("resources")
        else None,
        executors=tuple(_executor_from_wire(entry) for entry in message.executors),
        volumes=tuple(message.volumes),
        tags=dict(message.tags),
        logs=tuple(task_log_from_wire(entry) for entry in message.logs),
        creation_time=timestamp_from_wire(message.creation_time)
        if message.HasField("creation_time")
        else None,
        reason=message.reason,
        reason_code=message.reason_code,
    )


def input_from_wire(message: pb.Input) -> Input:
    """Convert one input."""
    return Input(
        path=message.path,
        url=message.url if message.HasField("url") else None,
        content=message.content if message.HasField("content") else None,
        type=_type_from_wire(message.type),
        name=message.name if message.HasField("name") else None,
        description=message.description if message.HasField("description") else None,
        streamable=message.streamable if message.HasField("streamable") else None,
    )


def output_from_wire(message: pb.Output) -> Output:
    """Convert one output."""
    return Output(
        path=message.path,
        url=message.url,
        path_prefix=message.path_prefix if message.HasField("path_prefix") else None,
        type=_type_from_wire(message.type),
        name=message.name if message.HasField("name") else None,
        description=message.description if message.HasField("description") else None,
    )


def task_log_to_wire(log: TaskLog) -> pb.TaskLog:
    """Convert the log of a task."""
    message = pb.TaskLog(
        logs=[executor_log_to_wire(entry) for entry in log.logs],
        outputs=[
            pb.OutputFileLog(
                url=entry.url, path=entry.path, size_bytes=entry.size_bytes
            )
            for entry in log.outputs
        ],
        metadata=log.metadata,
        system_logs=log.system_logs,
    )
    _set_times(message, log)
    return message


def task_log_from_wire(message: pb.TaskLog) -> TaskLog:
    """Convert the log of a task."""
    return TaskLog(
        start_time=timestamp_from_wire(message.start_time)
        if message.HasField("start_time")
        else None,
        end_time=timestamp_from_wire(message.end_time)
        if message.HasField("end_time")
        else None,
        logs=tuple(_executor_log_from_wire(entry) for entry in message.logs),
        outputs=tuple(
            OutputFileLog(url=entry.url, path=entry.path, size_bytes=entry.size_bytes)
            for entry in message.outputs
        ),
        metadata=dict(message.metadata),
        system_logs=tuple(message.system_logs),
    )


def executor_log_to_wire(log: ExecutorLog) -> pb.ExecutorLog:
    """Convert the log of one executor."""
    message = pb.ExecutorLog(
        stdout=log.stdout, stderr=log.stderr, exit_code=log.exit_code
    )
    _set_times(message, log)
    return message


def _executor_log_from_wire(message: pb.ExecutorLog) -> ExecutorLog:
    return ExecutorLog(
        start_time=timestamp_from_wire(message.start_time)
        if message.HasField("start_time")
        else None,
        end_time=timestamp_from_wire(message.end_time)
        if message.HasField("end_time")
        else None,
        stdout=message.stdout,
        stderr=message.stderr,
        exit_code=message.exit_code if message.HasField("exit_code") else None,
    )


def _set_times(
    message: pb.TaskLog | pb.ExecutorLog, log: TaskLog | ExecutorLog
) -> None:
    if log.start_time:
        message.start_time.FromDatetime(log.start_time)
    if log.end_time:
        message.end_time.FromDatetime(log.end_time)


def _input_to_wire(entry: Input) -> pb.Input:
    return pb.Input(
        path=entry.path,
        url=entry.url,
        content=entry.content,
        type=_type_to_wire(entry.type),
        name=entry.name,
        description=entry.description,
        streamable=entry.streamable,
    )


def _output_to_wire(entry: Output) -> pb.Output:
    return pb.Output(
        path=entry.path,
        url=entry.url,
        path_prefix=entry.path_prefix,
        type=_type_to_wire(entry.type),
        name=entry.name,
        description=entry.description,
    )


def _executor_to_wire(entry: Executor) -> pb.Executor:
    return pb.Executor(
        image=entry.image,
        command=entry.command,
        workdir=entry.workdir,
        stdin=entry.stdin,
        stdout=entry.stdout,
        stderr=entry.stderr,
        env=entry.env,
        ignore_error=entry.ignore_error,
    )


def _executor_from_wire(message: pb.Executor) -> Executor:
    return Executor(
        image=message.image,
        command=tuple(message.command),
        workdir=message.workdir if message.HasField("workdir") else None,
        stdin=message.stdin if message.HasField("stdin") else None,
        stdout=message.stdout if message.HasField("stdout") else None,
        stderr=message.stderr if message.HasField("stderr") else None,
        env=dict(message.env),
        ignore_error=message.ignore_error if message.HasField("ignore_error") else None,
    )


def _resources_to_wire(entry: Resources) -> pb.Resources:
    return pb.Resources(
        cpu_cores=entry.cpu_cores,
        ram_gb=entry.ram_gb,
        disk_gb=entry.disk_gb,
        preemptible=entry.preemptible,
        zones=entry.zones,
        backend_parameters=entry.backend_parameters,
        backend_parameters_strict=entry.backend_parameters_strict,
    )


def _resources_from_wire(message: pb.Resources) -> Resources:
    return Resources(
        cpu_cores=message.cpu_cores if message.HasField("cpu_cores") else None,
        ram_gb=message.ram_gb if message.HasField("ram_gb") else None,
        disk_gb=message.disk_gb if message.HasField("disk_gb") else None,
        preemptible=message.preemptible if message.HasField("preemptible") else None,
        zones=tuple(message.zones),
        backend_parameters=dict(message.backend_parameters),
        backend_parameters_strict=message.backend_parameters_strict
        if message.HasField("backend_parameters_strict")
        else None,
    )


def _type_to_wire(kind: FileType) -> "pb.FileType.ValueType":
    return pb.FILE_TYPE_FILE if kind is FileType.FILE else pb.FILE_TYPE_DIRECTORY


def _type_from_wire(kind: "pb.FileType.ValueType") -> FileType:
    if kind == pb.FILE_TYPE_FILE:
        return FileType.FILE
    if kind == pb.FILE_TYPE_DIRECTORY:
        return FileType.DIRECTORY
    raise _refuse("type", f"{kind} is not a file type")


def _refuse(path: str, message: str) -> InvalidRequestError:
    return InvalidRequestError([Violation(path, message)])
