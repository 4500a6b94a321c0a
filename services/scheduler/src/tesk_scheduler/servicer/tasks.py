"""Implements TaskService, which the api calls."""

import grpc

from tesk.v1 import task_service_pb2 as pb
from tesk.v1 import task_service_pb2_grpc as pb_grpc
from tesk_model.errors import TeskError
from tesk_model.task import TaskId
from tesk_runtime.rpc.status import status_from_error
from tesk_runtime.rpc.wire import state_from_wire, view_from_wire
from tesk_scheduler.servicer.wire import (
    amounts_of,
    caller_from_wire,
    document_of,
    task_to_wire,
)
from tesk_scheduler.usecases.cancellation import Cancellation
from tesk_scheduler.usecases.reading import Filters, Reading, ReadRequest
from tesk_scheduler.usecases.submission import Draft, Submission


class TaskServicer(pb_grpc.TaskServiceServicer):
    """See ``task_service.proto``."""

    def __init__(
        self, *, submission: Submission, reading: Reading, cancellation: Cancellation
    ) -> None:
        self._submission = submission
        self._reading = reading
        self._cancellation = cancellation

    def BatchCreateTasks(
        self, request: pb.BatchCreateTasksRequest, context: grpc.ServicerContext
    ) -> pb.BatchCreateTasksResponse:
        """Create tasks."""
        results = self._submission.submit([_draft(each) for each in request.requests])
        return pb.BatchCreateTasksResponse(
            results=[
                pb.CreateTaskResult(error=status_from_error(result))
                if isinstance(result, TeskError)
                else pb.CreateTaskResult(task_id=result)
                for result in results
            ]
        )

    def BatchGetTasks(
        self, request: pb.BatchGetTasksRequest, context: grpc.ServicerContext
    ) -> pb.BatchGetTasksResponse:
        """Read tasks."""
        wanted = [
            ReadRequest(
                caller_from_wire(each.caller),
                TaskId(each.task_id),
                view_from_wire(each.view),
            )
            for each in request.requests
        ]
        found = self._reading.read(wanted)
        return pb.BatchGetTasksResponse(
            results=[
                pb.GetTaskResult(error=status_from_error(task))
                if isinstance(task, TeskError)
                else pb.GetTaskResult(task=task_to_wire(task, each.view))
                for each, task in zip(wanted, found, strict=True)
            ]
        )

    def ListTasks(
        self, request: pb.ListTasksRequest, context: grpc.ServicerContext
    ) -> pb.ListTasksResponse:
        """List tasks."""
        view = view_from_wire(request.view)
        page = self._reading.list(
            caller_from_wire(request.caller),
            Filters(
                name_prefix=request.name_prefix,
                state=state_from_wire(request.state) if request.state else None,
                tags=tuple((tag.key, tag.value) for tag in request.tags),
            ),
            size=request.page_size,
            token=request.page_token,
            view=view,
        )
        return pb.ListTasksResponse(
            tasks=[task_to_wire(task, view) for task in page.tasks],
            next_page_token=page.next_token,
        )

    def CancelTask(
        self, request: pb.CancelTaskRequest, context: grpc.ServicerContext
    ) -> pb.CancelTaskResponse:
        """Cancel a task."""
        self._cancellation.cancel(
            caller_from_wire(request.caller), TaskId(request.task_id)
        )
        return pb.CancelTaskResponse()


def _draft(request: pb.CreateTaskRequest) -> Draft:
    task = request.task
    return Draft(
        caller=caller_from_wire(request.caller),
        name=task.name if task.HasField("name") else None,
        tags=dict(task.tags),
        resources=amounts_of(task),
        executors=len(task.executors),
        document=document_of(task),
        idempotency_key=request.idempotency_key,
        warnings=tuple(request.warnings),
    )
