"""Converts what calls about tasks send and receive."""

from tesk.v1 import task_pb2 as pb
from tesk.v1 import task_service_pb2 as rpc
from tesk_api.domain.requests import TaskQuery
from tesk_model.errors import InternalError, TeskError
from tesk_runtime.rpc.status import error_from_status
from tesk_runtime.rpc.wire import state_to_wire


def query_state(query: TaskQuery) -> "pb.TaskState.ValueType":
    """Return the state that a query wants; unspecified for any."""
    return state_to_wire(query.state) if query.state else pb.TASK_STATE_UNSPECIFIED


def query_tags(query: TaskQuery) -> list[rpc.TagFilter]:
    """Return the tags that a query wants."""
    return [rpc.TagFilter(key=tag.key, value=tag.value) for tag in query.tags]


def id_or_error(result: rpc.CreateTaskResult) -> str | TeskError:
    """Return the id of a created task, or why there is none."""
    if result.HasField("error"):
        return error_from_status(result.error)
    return result.task_id or InternalError("the scheduler answered no id")


def task_or_error(result: rpc.GetTaskResult) -> pb.Task | TeskError:
    """Return a task, or why there is none."""
    return error_from_status(result.error) if result.HasField("error") else result.task
