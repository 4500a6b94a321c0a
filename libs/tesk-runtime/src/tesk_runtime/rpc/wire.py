"""Converts tasks between the wire (``tesk.v1``) and the domain (``tesk_model``).

``task_from_wire(task_to_wire(task)) == task``.
"""

from datetime import timedelta

from google.protobuf.duration_pb2 import Duration

from tesk.v1 import task_pb2 as pb
from tesk_model.states import TaskState
from tesk_model.task import Input, InputSize, Output, Task, TaskView
from tesk_runtime.rpc.documents import (
    EnumMembers,
    enum_to_wire,
    field_error,
    reader,
    writer,
)

state_to_wire = enum_to_wire(TaskState, pb.TaskState.DESCRIPTOR).__getitem__
state_from_wire = EnumMembers("state", TaskState, pb.TaskState.DESCRIPTOR).__getitem__
_VIEWS = enum_to_wire(TaskView, pb.TaskView.DESCRIPTOR)
view_to_wire = _VIEWS.__getitem__
_VIEW_OF = {number: view for view, number in _VIEWS.items()}

# A whole task, and its parts that are sent alone.
task_to_wire = writer(Task, pb.Task)
task_from_wire = reader(Task, pb.Task)
input_to_wire = writer(Input, pb.Input)
output_to_wire = writer(Output, pb.Output)
input_from_wire = reader(Input, pb.Input)
output_from_wire = reader(Output, pb.Output)
input_size_to_wire = writer(InputSize, pb.InputSize)
input_size_from_wire = reader(InputSize, pb.InputSize)


def view_from_wire(view: "pb.TaskView.ValueType") -> TaskView:
    """Convert a view; one that is unspecified or unknown here is MINIMAL."""
    return _VIEW_OF.get(view, TaskView.MINIMAL)


def duration_from_wire(duration: Duration) -> timedelta:
    """Convert a duration.

    Raises:
        InvalidRequestError: It is out of range.
    """
    try:
        return duration.ToTimedelta()
    except (ValueError, OverflowError) as error:
        raise field_error("duration", "is out of range") from error
