"""Tasks as TES shows them: ``tesk.v1`` messages to JSON.

The one converter in this direction. It renders straight from the message:
a page of 256 full tasks is read often, and each object in between costs.

No null, and no field that the client did not send, except ``type``: typed
clients refuse both. An executor that still runs is shown by no TES view.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from tesk.v1 import task_pb2 as pb
from tesk_model.task import TaskView

Json = dict[str, Any]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskViews:
    """Renders tasks.

    Attributes:
        queued_as_initializing: Show QUEUED as INITIALIZING, for clients that
            take QUEUED for an end (Galaxy's).
    """

    queued_as_initializing: bool = False

    def renderer(self, view: TaskView) -> Callable[[pb.Task], Json]:
        """Return the function that renders a task in ``view``."""
        if view is TaskView.MINIMAL:
            return self._minimal
        return self._full if view is TaskView.FULL else self._basic

    def _minimal(self, task: pb.Task) -> Json:
        return {"id": task.id, "state": self._state(task)}

    def _basic(self, task: pb.Task) -> Json:
        return self._minimal(task) | _fields(task, full=False)

    def _full(self, task: pb.Task) -> Json:
        return self._minimal(task) | _fields(task, full=True)

    def _state(self, task: pb.Task) -> str:
        state = state_name(task)
        if self.queued_as_initializing and state == "QUEUED":
            return "INITIALIZING"
        return state


def live_view(task: pb.Task) -> Json:
    """Render what happens now: also executors that run, and the reason."""
    log = task.logs[0] if task.logs else pb.TaskLog()
    return {
        "id": task.id,
        "state": state_name(task),
        "reason": task.reason,
        "reason_code": task.reason_code,
        "metadata": dict(log.metadata),
        "executors": [
            {"index": index, **_executor_log(entry, full=True)}
            for index, entry in enumerate(log.logs)
        ],
        "outputs": [_output_file(entry) for entry in log.outputs],
        "system_logs": list(log.system_logs),
    }


def state_name(task: pb.Task) -> str:
    """Return the state as TES spells it."""
    return pb.TaskState.Name(task.state)[len("TASK_STATE_") :]


def _fields(task: pb.Task, *, full: bool) -> Json:
    fields: Json = {}
    _add_texts(fields, task, ("name", "description"))
    if task.HasField("creation_time"):
        fields["creation_time"] = _time(task.creation_time)
    if task.inputs:
        fields["inputs"] = [_input(entry, full=full) for entry in task.inputs]
    if task.outputs:
        fields["outputs"] = [_output(entry) for entry in task.outputs]
    if task.HasField("resources"):
        fields["resources"] = _resources(task.resources)
    fields["executors"] = [_executor(entry) for entry in task.executors]
    if task.volumes:
        fields["volumes"] = list(task.volumes)
    if task.tags:
        fields["tags"] = dict(task.tags)
    if task.logs:
        fields["logs"] = [_task_log(log, full=full) for log in task.logs]
    return fields


def _input(entry: pb.Input, *, full: bool) -> Json:
    fields: Json = {"path": entry.path}
    _add_texts(fields, entry, ("url", "name", "description", "streamable"))
    fields["type"] = _kind(entry.type)
    if full and entry.HasField("content"):
        fields["content"] = entry.content
    return fields


def _output(entry: pb.Output) -> Json:
    fields: Json = {"path": entry.path, "url": entry.url, "type": _kind(entry.type)}
    _add_texts(fields, entry, ("path_prefix", "name", "description"))
    return fields


def _kind(kind: "pb.FileType.ValueType") -> str:
    return "DIRECTORY" if kind == pb.FILE_TYPE_DIRECTORY else "FILE"


def _executor(entry: pb.Executor) -> Json:
    fields: Json = {"image": entry.image, "command": list(entry.command)}
    _add_texts(fields, entry, ("workdir", "stdin", "stdout", "stderr", "ignore_error"))
    if entry.env:
        fields["env"] = dict(entry.env)
    return fields


def _resources(entry: pb.Resources) -> Json:
    fields: Json = {}
    for name in ("cpu_cores", "ram_gb", "disk_gb"):
        if entry.HasField(name):
            number: float = getattr(entry, name)
            # Typed clients read cpu_cores as an integer and refuse 2.0.
            fields[name] = int(number) if number.is_integer() else number
    _add_texts(fields, entry, ("preemptible", "backend_parameters_strict"))
    if entry.zones:
        fields["zones"] = list(entry.zones)
    if entry.backend_parameters:
        fields["backend_parameters"] = dict(entry.backend_parameters)
    return fields


def _task_log(log: pb.TaskLog, *, full: bool) -> Json:
    fields: Json = {}
    _add_times(fields, log)
    fields["logs"] = [
        _executor_log(entry, full=full)
        for entry in log.logs
        if entry.HasField("exit_code")
    ]
    fields["outputs"] = [_output_file(entry) for entry in log.outputs]
    if log.metadata:
        fields["metadata"] = dict(log.metadata)
    if full and log.system_logs:
        fields["system_logs"] = list(log.system_logs)
    return fields


def _executor_log(entry: pb.ExecutorLog, *, full: bool) -> Json:
    fields: Json = {}
    _add_times(fields, entry)
    if entry.HasField("exit_code"):
        fields["exit_code"] = entry.exit_code
    if full:
        fields["stdout"] = entry.stdout
        fields["stderr"] = entry.stderr
    return fields


def _output_file(entry: pb.OutputFileLog) -> Json:
    # The specification makes the size a string, since JSON numbers lose digits.
    return {
        "url": entry.url,
        "path": entry.path,
        "size_bytes": str(entry.size_bytes),
    }


def _add_texts(fields: Json, message: Any, names: tuple[str, ...]) -> None:
    for name in names:
        if message.HasField(name):
            fields[name] = getattr(message, name)


def _add_times(fields: Json, log: pb.TaskLog | pb.ExecutorLog) -> None:
    if log.HasField("start_time"):
        fields["start_time"] = _time(log.start_time)
    if log.HasField("end_time"):
        fields["end_time"] = _time(log.end_time)


def _time(stamp: Timestamp) -> datetime:
    """Return an aware time, which msgspec writes as RFC 3339 with ``Z``."""
    return _EPOCH + timedelta(seconds=stamp.seconds, microseconds=stamp.nanos // 1000)
