"""Stored tasks as messages, without a detour through dataclasses.

Listing 256 tasks must take milliseconds, so columns are merged into the parsed
document directly.
"""

from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from tesk.v1 import task_pb2 as pb
from tesk.v1 import task_service_pb2 as service_pb
from tesk_model.fields import document_fields
from tesk_model.quantities import gib_from_bytes
from tesk_model.states import TaskState
from tesk_model.task import Resources, Task, TaskView
from tesk_runtime.rpc.wire import state_to_wire
from tesk_scheduler.domain.bounds import outputs_left_out
from tesk_scheduler.domain.callers import Caller
from tesk_scheduler.domain.quota import Demand
from tesk_scheduler.domain.records import (
    Document,
    Glimpse,
    Micros,
    StoredExecutorLog,
    StoredTask,
)
from tesk_scheduler.domain.transfers import Declared, Target

_STATES = {state: state_to_wire(state) for state in TaskState}
_READ_ONLY: list[Any] = [
    field.name for field in document_fields(Task) if field.read_only
]
_MILLION = 1_000_000


def caller_from_wire(message: service_pb.Caller) -> Caller:
    """Convert who asks."""
    return Caller(message.user, tuple(message.groups), message.admin)


def document_of(task: pb.Task) -> Document:
    """Serialize what a client may say of a task; the rest is dropped."""
    for name in _READ_ONLY:
        task.ClearField(name)
    return Document(task.SerializeToString())


def declared_of(document: Document) -> Declared:
    """Read what of a task concerns its transfers."""
    task = pb.Task.FromString(document)
    return Declared(
        ignores_error=[each.ignore_error for each in task.executors],
        targets=[Target(each.path, each.url) for each in task.outputs],
    )


def amounts_of(task: pb.Task) -> Resources | None:
    """Convert only what admission needs to know of the resources."""
    if not task.HasField("resources"):
        return None
    wire = task.resources
    return Resources(
        cpu_cores=wire.cpu_cores if wire.HasField("cpu_cores") else None,
        ram_gb=wire.ram_gb if wire.HasField("ram_gb") else None,
        disk_gb=wire.disk_gb if wire.HasField("disk_gb") else None,
    )


def fill_in_resources(task: pb.Task, demand: Demand) -> None:
    """Say, in place, what was charged where the client left it open."""
    wire = task.resources
    if not wire.HasField("cpu_cores"):
        wire.cpu_cores = demand.cpu_millis / 1000
    if not wire.HasField("ram_gb"):
        wire.ram_gb = gib_from_bytes(demand.ram)
    if not wire.disk_gb:  # 0 counts as left open, see ``demand_of``
        wire.disk_gb = gib_from_bytes(demand.disk)


def shown_task(task: Glimpse | StoredTask, view: TaskView) -> pb.Task:
    """Build the message of ``view``."""
    if isinstance(task, Glimpse):
        return pb.Task(id=task.id, state=_STATES[task.state])
    message = pb.Task.FromString(task.document)
    message.id = task.id
    message.state = _STATES[task.state]
    _set_time(message.creation_time, task.created)
    full = view is TaskView.FULL
    if full:
        message.reason = task.reason.text
        message.reason_code = task.reason.code
    else:
        without_contents(message)
    if task.attempt or (task.lines and task.state.is_final):
        _add_log(message.logs.add(), task, full=full)
    return message


def without_contents(message: pb.Task) -> pb.Task:
    """Drop the contents of inputs, in place; a content stays known as one."""
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


def _set_time(stamp: Timestamp, micros: Micros) -> None:
    stamp.seconds, rest = divmod(micros, _MILLION)
    stamp.nanos = rest * 1000
