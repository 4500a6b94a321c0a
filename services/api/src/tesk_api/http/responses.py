"""Declares the JSON of responses as types; msgspec encodes them and their schemas.

They have no additional fields, and absent values are left out: typed clients fail on
unknown keys and on null. The types of a task follow from ``tesk_model.task``.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import is_dataclass
from datetime import datetime
from functools import cache
from types import GenericAlias
from typing import Annotated, Any

import msgspec
from flask import Response
from google.protobuf.descriptor import FieldDescriptor
from msgspec import UNSET, Meta, Struct, UnsetType

from tesk.v1 import task_pb2 as pb
from tesk_model.fields import DocumentField, Shape, document_fields
from tesk_model.states import TaskState
from tesk_model.task import ExecutorLog, OutputFileLog, Task, TaskView
from tesk_runtime.rpc.documents import Wire

# JSON numbers lose digits; large ones are strings in the specification.
_Digits = Annotated[str, Meta(pattern="^[0-9]+$")]
_Time = Annotated[datetime, Meta(tz=True)]


_encode = msgspec.json.Encoder().encode


def json_response(document: Any) -> Response:
    """Return 200 with ``document``; dates become RFC 3339."""
    return Response(_encode(document), mimetype="application/json")


class ResponseBody(Struct, frozen=True, forbid_unknown_fields=True):
    """An object of a response."""


class Nothing(ResponseBody, frozen=True):
    """The response of CancelTask."""


class Health(ResponseBody, frozen=True, kw_only=True):
    """The process lives, or tasks can be served."""

    status: str


class CreatedTask(ResponseBody, frozen=True, kw_only=True):
    """tesCreateTaskResponse."""

    id: str


class ServiceType(ResponseBody, frozen=True, kw_only=True):
    """The implemented specification."""

    group: str
    artifact: str
    version: str


class Organization(ResponseBody, frozen=True, kw_only=True):
    """The organization that runs the service."""

    name: str
    url: str


class ServiceInfo(ResponseBody, frozen=True, kw_only=True, rename="camel"):
    """tesServiceInfo."""

    id: str
    name: str
    type: ServiceType
    organization: Organization
    version: str
    description: str | UnsetType = UNSET
    contact_url: str | UnsetType = UNSET
    documentation_url: str | UnsetType = UNSET
    created_at: _Time | UnsetType = UNSET
    updated_at: _Time | UnsetType = UNSET
    environment: str | UnsetType = UNSET
    storage: tuple[str, ...] | UnsetType = UNSET
    backend_parameters: tuple[str, ...] | UnsetType = msgspec.field(
        default=UNSET, name="tesResources_backend_parameters"
    )


class FieldProblem(ResponseBody, frozen=True, kw_only=True):
    """A problem of one field, with its path."""

    path: str
    message: str


class Problem(ResponseBody, frozen=True, kw_only=True):
    """An error (RFC 9457); ``message`` repeats ``detail`` for clients of TES."""

    type: str
    title: str
    status: int
    detail: str
    message: str
    request_id: str | UnsetType = UNSET
    errors: tuple[FieldProblem, ...] | UnsetType = UNSET


class BatchItem(ResponseBody, frozen=True, kw_only=True):
    """The result of one task of a batch: its id, or why it is not created."""

    id: str | UnsetType = UNSET
    error: Problem | UnsetType = UNSET


class BatchResult(ResponseBody, frozen=True, kw_only=True):
    """The results of a batch, in the order of its tasks."""

    results: tuple[BatchItem, ...]


class CanceledTasks(ResponseBody, frozen=True, kw_only=True):
    """One page of tasks that were canceled, or would be."""

    ids: tuple[str, ...]
    next_page_token: str | UnsetType = UNSET


class TaskChange(ResponseBody, frozen=True, kw_only=True):
    """A task came into a state."""

    id: str
    state: TaskState
    attempt: int
    time: _Time
    name: str | UnsetType = UNSET
    reason_code: str | UnsetType = UNSET


class ExpiredEvent(ResponseBody, frozen=True, kw_only=True):
    """Some changes were missed."""

    message: str


@cache
def document_type(document: type, wire: Wire) -> type[Struct]:
    """Return the type of a document of ``tesk_model.task`` in TES views."""
    fields = document_fields(document)
    smallest = next(
        view for view in TaskView if any(field.is_in(view) for field in fields)
    )
    members = _members(
        document, wire, required=lambda field: field.always and field.is_in(smallest)
    )
    summary = (document.__doc__ or "").partition("\n")[0]
    return _define(document.__name__, members, summary=summary)


def _define(name: str, members: Iterable[Any], *, summary: str) -> type[Struct]:
    return msgspec.defstruct(
        name,
        list(members),
        bases=(ResponseBody,),
        namespace={"__doc__": summary},
        frozen=True,
        kw_only=True,
    )


def _members(
    document: type,
    wire: Wire,
    *,
    required: Callable[[DocumentField], bool],
    extended: bool = False,
) -> Iterator[Any]:
    for field in document_fields(document):
        if field.view is None and not extended:
            continue
        kind = _json_type(field, wire.fields_by_name[field.name])
        if required(field):
            yield field.name, kind
        else:
            yield field.name, kind | UnsetType, UNSET


def _json_type(field: DocumentField, wire: Wire) -> Any:
    kind: Any = field.type
    if is_dataclass(kind):
        kind = document_type(field.type, wire.message_type)
    elif wire.cpp_type == FieldDescriptor.CPPTYPE_INT64:
        kind = _Digits
    elif kind is datetime:
        kind = _Time
    if field.shape is Shape.REPEATED:
        return GenericAlias(list, (kind,))
    return GenericAlias(dict, (str, kind)) if field.shape is Shape.MAP else kind


def _list_of(kind: type[Struct]) -> Any:
    return GenericAlias(list, (kind,))


TaskResponse = document_type(Task, pb.Task.DESCRIPTOR)
TaskList = _define(
    "TaskList",
    [("tasks", _list_of(TaskResponse)), ("next_page_token", str | UnsetType, UNSET)],
    summary="tesListTasksResponse.",
)
# Fields of a task that TES does not have.
TASK_EXTENSIONS = [field for field in document_fields(Task) if field.view is None]


def _extension(field: DocumentField) -> Any:
    """Return the member of an extension; it is left out only if it is optional."""
    kind = _json_type(field, pb.Task.DESCRIPTOR.fields_by_name[field.name])
    return (
        (field.name, kind | UnsetType, UNSET) if field.optional else (field.name, kind)
    )


# Those that a list has, too.
SUMMARY_EXTENSIONS = [
    field
    for field in TASK_EXTENSIONS
    if field.name in {"reason", "reason_code", "wait"}
]
LiveExecutor = _define(
    "LiveExecutor",
    [
        ("index", int),
        *_members(
            ExecutorLog,
            pb.ExecutorLog.DESCRIPTOR,
            required=lambda field: field.always and not field.optional,
            extended=True,
        ),
    ],
    summary="An executor that has started; without exit_code it runs.",
)
LiveTask = _define(
    "LiveTask",
    [
        ("id", str),
        ("state", TaskState),
        *map(_extension, TASK_EXTENSIONS),
        ("metadata", dict[str, str]),
        ("executors", _list_of(LiveExecutor)),
        (
            "outputs",
            _list_of(document_type(OutputFileLog, pb.OutputFileLog.DESCRIPTOR)),
        ),
        ("system_logs", list[str]),
    ],
    summary="The present state of a task.",
)

LiveSummary = _define(
    "LiveSummary",
    [
        ("id", str),
        ("state", TaskState),
        ("name", str | UnsetType, UNSET),
        ("creation_time", _Time | UnsetType, UNSET),
        *map(_extension, SUMMARY_EXTENSIONS),
    ],
    summary="A task of a list, and what it waits for.",
)
LiveTaskList = _define(
    "LiveTaskList",
    [("tasks", _list_of(LiveSummary)), ("next_page_token", str | UnsetType, UNSET)],
    summary="Tasks, newest first.",
)

DOCUMENTED = (
    *(TaskResponse, TaskList, CreatedTask, Nothing),
    *(LiveTask, LiveTaskList, BatchResult, CanceledTasks),
    *(TaskChange, ExpiredEvent),
    *(ServiceInfo, Health, Problem),
)
