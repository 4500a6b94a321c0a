"""Converts stored tasks to messages, without intermediate dataclasses.

Listing 256 tasks must take milliseconds, so columns are merged into the parsed
document directly.
"""

from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any, NamedTuple

from google.protobuf.timestamp_pb2 import Timestamp

from tesk.v1 import task_pb2 as pb
from tesk.v1 import task_service_pb2 as service_pb
from tesk_model import devices
from tesk_model.errors import Violation
from tesk_model.fields import document_fields
from tesk_model.states import TaskState
from tesk_model.task import Task, TaskView, TransferStatus
from tesk_runtime.rpc.documents import writer
from tesk_runtime.rpc.wire import input_size_to_wire, state_to_wire
from tesk_scheduler.domain.bounds import outputs_left_out
from tesk_scheduler.domain.callers import Caller
from tesk_scheduler.domain.dimensions import CHARGED
from tesk_scheduler.domain.quota import Demand
from tesk_scheduler.domain.records import (
    Document,
    Micros,
    StoredExecutorLog,
    StoredTask,
    TaskSummary,
)
from tesk_scheduler.domain.transfers import DeclaredOutput, TaskDeclaration
from tesk_scheduler.servicer.waits import wait_to_wire

_transfer_to_wire = writer(TransferStatus, pb.TransferStatus)
_STATES = {state: state_to_wire(state) for state in TaskState}
_READ_ONLY: list[Any] = [
    field.name for field in document_fields(Task) if field.read_only
]
_MILLION = 1_000_000
# Those that the contract has a field for; of the others each task has the default.
_ASKED = [
    each
    for each in CHARGED
    if each.field and each.field.name in pb.Resources.DESCRIPTOR.fields_by_name
]
_FIELDS = [each.field for each in _ASKED if each.field]


def caller_from_wire(message: service_pb.Caller) -> Caller:
    """Convert the caller."""
    return Caller(
        message.user, tuple(message.groups), message.admin, message.request_id[:64]
    )


def document_of(task: pb.Task) -> Document:
    """Serialize the fields that a client may set; others are cleared."""
    for name in _READ_ONLY:
        task.ClearField(name)
    return Document(task.SerializeToString())


def declaration_of(document: Document) -> TaskDeclaration:
    """Read from a task what its transfers need."""
    task = pb.Task.FromString(document)
    return TaskDeclaration(
        ignores_error=[each.ignore_error for each in task.executors],
        outputs=[DeclaredOutput(each.path, each.url) for each in task.outputs],
    )


def tags_of(document: Document) -> Mapping[str, str]:
    """Read the tags of a task."""
    return dict(pb.Task.FromString(document).tags)


def amounts_of(task: pb.Task) -> dict[str, float]:
    """Return what a task asks for, by field.

    A 0 of a field that may be none counts as unset, because clients send it for
    tasks that leave it open.
    """
    wire: Any = task.resources
    return {
        field.name: getattr(wire, field.name)
        for field in _FIELDS
        if wire.HasField(field.name)
        and (getattr(wire, field.name) or not field.may_be_none)
    }


class AskedGpus(NamedTuple):
    """The GPUs that a task asks for: amounts by field, and their type."""

    amounts: Mapping[str, float]
    gpu_type: str
    problems: Sequence[Violation]


def gpus_of(task: pb.Task) -> AskedGpus:
    """Return the GPUs that a task asks for; none if it does so in a wrong way."""
    parameters = task.resources.backend_parameters
    if not parameters:
        return AskedGpus({}, "", ())
    problems = []
    count, gpu_type = 0, ""
    try:
        count = devices.gpu_count(parameters)
    except ValueError as error:
        problems.append(_parameter_problem(devices.GPU, error))
    try:
        gpu_type = devices.gpu_type(parameters)
    except ValueError as error:
        problems.append(_parameter_problem(devices.GPU_TYPE, error))
    return AskedGpus({devices.GPU: count}, gpu_type if count else "", problems)


def _parameter_problem(name: str, error: ValueError) -> Violation:
    return Violation(f"resources.backend_parameters.{name}", str(error))


def fill_in_resources(task: pb.Task, demand: Demand) -> None:
    """Set, in place, what was charged for fields that the client left unset.

    So are those of which more is charged by now, see ``domain.memory_raise``.
    """
    asked = amounts_of(task)
    for each in _ASKED:
        if each.field is None:
            continue
        given = asked.get(each.field.name)
        if given is None or each.unit.parse(given) < demand[each]:
            setattr(task.resources, each.field.name, each.unit.number(demand[each]))


def task_to_wire(
    task: TaskSummary | StoredTask, view: TaskView, *, explain: bool = False
) -> pb.Task:
    """Build the message of ``view``; ``explain`` adds the reason to a smaller one."""
    if isinstance(task, TaskSummary):
        return pb.Task(id=task.id, state=_STATES[task.state])
    message = pb.Task.FromString(task.document)
    message.id = task.id
    message.state = _STATES[task.state]
    _set_time(message.creation_time, task.created)
    full = view is TaskView.FULL
    if full or explain:
        message.reason = task.reason.text
        message.reason_code = task.reason.code
        if wait := wait_to_wire(task):
            message.wait.CopyFrom(wait)
    if full:
        _set_charged(message.charged, task.demand)
        message.transfers.extend(map(_transfer_to_wire, task.transfers))
        # A filer may report what its task does not have.
        known = range(len(message.inputs))
        message.input_sizes.extend(
            input_size_to_wire(each) for each in task.input_sizes if each.index in known
        )
    else:
        without_contents(message)
    if task.attempt or (task.lines and task.state.is_final):
        _add_log(message.logs.add(), task, full=full)
    return message


def _set_charged(charged: pb.Resources, demand: Demand) -> None:
    for each in _ASKED:
        if each.field:
            setattr(charged, each.field.name, each.unit.number(demand[each]))


def without_contents(message: pb.Task) -> pb.Task:
    """Clear the contents of inputs, in place; that there is a content stays known."""
    for entry in message.inputs:
        if entry.HasField("content"):
            entry.ClearField("content")
    return message


def _add_log(log: pb.TaskLog, task: StoredTask, *, full: bool) -> None:
    if task.started is not None:
        _set_time(log.start_time, task.started)
    if task.ended is not None:
        _set_time(log.end_time, task.ended)
    for stored in task.executors:
        _fill(log.logs.add(), stored)
        # TES has no field for it.
        _add_usage(log.metadata, stored)
    for file in task.outputs:
        log.outputs.add(url=file.url, path=file.path, size_bytes=file.size_bytes)
    if task.metadata:
        log.metadata.update(task.metadata)
    if task.unlisted:
        log.metadata["outputs_unlisted"] = str(task.unlisted)
    if task.lines:
        log.system_logs.extend(task.lines)
    if task.unlisted and full:
        log.system_logs.append(outputs_left_out(task.unlisted))


def _fill(entry: pb.ExecutorLog, stored: StoredExecutorLog) -> None:
    if stored.started is not None:
        _set_time(entry.start_time, stored.started)
    if stored.ended is not None:
        _set_time(entry.end_time, stored.ended)
    if stored.exit_code is not None:
        entry.exit_code = stored.exit_code
    if stored.stdout:
        entry.stdout = stored.stdout.decode(errors="replace")
    if stored.stderr:
        entry.stderr = stored.stderr.decode(errors="replace")

    if stored.cpu is not None:
        entry.cpu_seconds = stored.cpu / _MILLION
    if stored.max_memory is not None:
        entry.max_memory_bytes = stored.max_memory


def _add_usage(metadata: MutableMapping[str, str], stored: StoredExecutorLog) -> None:
    name = f"executors[{stored.position}]"
    if stored.cpu is not None:
        metadata[f"{name}.cpu_seconds"] = f"{stored.cpu / _MILLION:.3f}"
    if stored.max_memory is not None:
        metadata[f"{name}.max_memory_bytes"] = str(stored.max_memory)


def _set_time(stamp: Timestamp, micros: Micros) -> None:
    stamp.seconds, rest = divmod(micros, _MILLION)
    stamp.nanos = rest * 1000
