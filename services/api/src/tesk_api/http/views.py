"""Renders tasks in TES views: converts ``tesk.v1`` messages to responses.

The converter is compiled from the fields of ``tesk_model.task``. It reads directly
from the message: a page of 256 full tasks is read often, and intermediate objects
would cost.

Fields that the client did not send are left out, except ``type``: typed clients refuse
them. TES views do not show executors that still run.
"""

from collections.abc import Callable, Iterable
from dataclasses import is_dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.timestamp_pb2 import Timestamp
from msgspec import UNSET, Struct

from tesk.v1 import task_pb2 as pb
from tesk_api.http.responses import (
    SUMMARY_EXTENSIONS,
    TASK_EXTENSIONS,
    LiveExecutor,
    LiveSummary,
    LiveTask,
    TaskResponse,
    document_type,
)
from tesk_model.fields import DocumentField, Shape, document_fields
from tesk_model.states import TaskState
from tesk_model.task import ExecutorLog, OutputFileLog, Task, TaskView
from tesk_runtime.rpc.documents import (
    MessagePart,
    Wire,
    enum_to_wire,
    message_reader,
    reader,
)

Json = dict[str, Any]
Render = Callable[[Any], Any]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _names(kind: type[Enum], wire: Wire) -> dict[int, str]:
    numbers = enum_to_wire(kind, wire)
    # The first member stands for an unspecified value.
    return {0: next(iter(kind)).value} | {
        number: member.value for member, number in numbers.items()
    }


_STATES = _names(TaskState, pb.TaskState.DESCRIPTOR)


class TaskViews:
    """Renders tasks."""

    def __init__(self, *, queued_as_initializing: bool = False) -> None:
        """Compile the views.

        Args:
            queued_as_initializing: Show QUEUED as INITIALIZING, for clients that
                treat QUEUED as final (Galaxy's).
        """
        states = dict(_STATES)
        if queued_as_initializing:
            states[pb.TASK_STATE_QUEUED] = TaskState.INITIALIZING.value
        self._states = states
        self._renderers = {
            TaskView.MINIMAL: self._minimal,
            TaskView.BASIC: _renderer(Task, pb.Task.DESCRIPTOR, TaskView.BASIC, states),
            TaskView.FULL: _renderer(Task, pb.Task.DESCRIPTOR, TaskView.FULL, states),
        }

    def renderer(self, view: TaskView) -> Callable[[pb.Task], Struct]:
        """Return the function that renders a task in ``view``."""
        return self._renderers[view]

    def _minimal(self, task: pb.Task) -> Struct:
        return TaskResponse(id=task.id, state=self._states[task.state])


def live_view(task: pb.Task) -> Struct:
    """Render the present state: with running executors and the reason."""
    log = task.logs[0] if task.logs else pb.TaskLog()
    return LiveTask(
        id=task.id,
        state=_STATES[task.state],
        **_live_extensions(task),
        metadata=dict(log.metadata),
        executors=[
            LiveExecutor(index=index, **_live_executor(entry))
            for index, entry in enumerate(log.logs)
        ],
        outputs=[_live_output(entry) for entry in log.outputs],
        system_logs=list(log.system_logs),
    )


def live_summary(task: pb.Task) -> Struct:
    """Render a task of a list: its reason, and what it waits for."""
    return LiveSummary(
        id=task.id,
        state=_STATES[task.state],
        name=task.name if task.HasField("name") else UNSET,
        creation_time=_time(task.creation_time),
        **_summary_extensions(task),
    )


def _renderer(
    document: type, wire: Wire, view: TaskView, states: dict[int, str]
) -> Render:
    """Return the function that renders a message in ``view``."""
    parts = _parts(document, wire, view, states)
    return message_reader(document_type(document, wire), wire, parts)


def _parts(
    document: type, wire: Wire, view: TaskView, states: dict[int, str]
) -> list[MessagePart]:
    return [
        _part(field, wire, view, states)
        for field in document_fields(document)
        if field.is_in(view)
    ]


def _live_parts(document: type, wire: Wire) -> list[MessagePart]:
    """Return the parts of all fields, those that TES does not have as well."""
    return [
        _part(field, wire, TaskView.FULL, _STATES)
        for field in document_fields(document)
    ]


def _part(
    field: DocumentField, wire: Wire, view: TaskView, states: dict[int, str]
) -> MessagePart:
    render = _field_renderer(field, wire.fields_by_name[field.name], view, states)
    is_always = field.always and not field.optional
    return MessagePart(field.name, render, () if is_always else (UNSET,))


def _field_renderer(
    field: DocumentField, wire: Wire, view: TaskView, states: dict[int, str]
) -> Render | None:
    if wire.enum_type:
        names = (
            states if field.type is TaskState else _names(field.type, wire.enum_type)
        )
        return names.__getitem__
    if field.type is datetime:
        return _time
    if is_dataclass(field.type):
        return _within(field, wire.message_type, view, states)
    if field.shape is not Shape.SINGLE:
        return list if field.shape is Shape.REPEATED else dict
    if wire.cpp_type == FieldDescriptor.CPPTYPE_INT64:
        return str
    return _number if field.type is float else None


def _within(
    field: DocumentField, wire: Wire, view: TaskView, states: dict[int, str]
) -> Render:
    """Return the function that renders messages within another."""
    render = _renderer(field.type, wire, view, states)
    if field.shape is Shape.SINGLE:
        return render
    # TES requires these fields: an entry without them is not shown yet.
    needed = [
        each.name
        for each in document_fields(field.type)
        if each.required and each.optional
    ]
    if not needed:
        return lambda entries: list(map(render, entries))
    return lambda entries: [
        render(entry) for entry in entries if all(map(entry.HasField, needed))
    ]


def _number(number: float) -> float:
    # Typed clients read cpu_cores as an integer and refuse 2.0.
    return int(number) if number.is_integer() else number


def _time(stamp: Timestamp) -> datetime:
    """Return an aware time, which msgspec writes as RFC 3339 with ``Z``."""
    return _EPOCH + timedelta(seconds=stamp.seconds, microseconds=stamp.nanos // 1000)


def _extensions(fields: Iterable[DocumentField]) -> Callable[[pb.Task], Json]:
    return message_reader(
        dict,
        pb.Task.DESCRIPTOR,
        [
            _part(field, pb.Task.DESCRIPTOR, TaskView.FULL, _STATES)._replace(
                absent=(UNSET,) if field.optional else ()
            )
            for field in fields
        ],
    )


_live_extensions = _extensions(TASK_EXTENSIONS)
_summary_extensions = _extensions(SUMMARY_EXTENSIONS)
_live_executor: Callable[[pb.ExecutorLog], Json] = message_reader(
    dict,
    pb.ExecutorLog.DESCRIPTOR,
    _live_parts(ExecutorLog, pb.ExecutorLog.DESCRIPTOR),
)
_live_output = _renderer(
    OutputFileLog, pb.OutputFileLog.DESCRIPTOR, TaskView.FULL, _STATES
)

read_task: Callable[[pb.Task], Task] = reader(Task, pb.Task)
"""Returns a task with all that TESK knows of it, for what is no view of TES."""
