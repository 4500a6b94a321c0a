"""Implements TaskService, which the api calls."""

import grpc

from tesk.v1 import task_service_pb2 as pb
from tesk.v1 import task_service_pb2_grpc as pb_grpc
from tesk_model.errors import TeskError
from tesk_model.task import TaskId
from tesk_runtime.rpc.status import status_from_error
from tesk_runtime.rpc.wire import state_from_wire, view_from_wire
from tesk_scheduler.servicer.call_wire import explanation_to_wire
from tesk_scheduler.servicer.checks import check_to_wire
from tesk_scheduler.servicer.state_changes import (
    filters_from_wire,
    page_to_wire,
    subscription_from_wire,
)
from tesk_scheduler.servicer.wire import (
    amounts_of,
    caller_from_wire,
    document_of,
    gpus_of,
    task_to_wire,
)
from tesk_scheduler.usecases.acceptance import Draft
from tesk_scheduler.usecases.call_explanation import CallExplanation
from tesk_scheduler.usecases.cancellation import Cancellation
from tesk_scheduler.usecases.dry_run import DryRun
from tesk_scheduler.usecases.mass_cancellation import CancelFilter, MassCancellation
from tesk_scheduler.usecases.reading import Reading, ReadRequest
from tesk_scheduler.usecases.state_changes import StateChanges
from tesk_scheduler.usecases.submission import Submission


class TaskServicer(pb_grpc.TaskServiceServicer):
    """See ``task_service.proto``."""

    def __init__(  # noqa: PLR0913 - one use case for each group of calls
        self,
        *,
        submission: Submission,
        reading: Reading,
        cancellation: Cancellation,
        mass_cancellation: MassCancellation,
        dry_run: DryRun,
        state_changes: StateChanges,
        call_explanation: CallExplanation,
    ) -> None:
        self._submission = submission
        self._reading = reading
        self._cancellation = cancellation
        self._mass_cancellation = mass_cancellation
        self._dry_run = dry_run
        self._state_changes = state_changes
        self._call_explanation = call_explanation

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

    def CheckTask(
        self, request: pb.CheckTaskRequest, context: grpc.ServicerContext
    ) -> pb.CheckTaskResponse:
        """Tell what would come of a task."""
        wanted = pb.CreateTaskRequest(caller=request.caller, task=request.task)
        return check_to_wire(self._dry_run.of(_draft(wanted)))

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
            filters_from_wire(request),
            size=request.page_size,
            token=request.page_token,
            view=view,
            explain=request.explain,
        )
        return pb.ListTasksResponse(
            tasks=[
                task_to_wire(task, view, explain=request.explain) for task in page.tasks
            ],
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

    def CancelMatchingTasks(
        self, request: pb.CancelMatchingTasksRequest, context: grpc.ServicerContext
    ) -> pb.CancelMatchingTasksResponse:
        """Cancel one page of tasks."""
        page = self._mass_cancellation.cancel(
            caller_from_wire(request.caller),
            CancelFilter(
                state=state_from_wire(request.state) if request.state else None,
                tags=tuple((tag.key, tag.value) for tag in request.tags),
                name_prefix=request.name_prefix,
            ),
            request.page_token,
            dry_run=request.dry_run,
        )
        return pb.CancelMatchingTasksResponse(
            task_ids=[each.task_id for each in page.results],
            next_page_token=page.next_cursor,
        )

    def ListStateChanges(
        self, request: pb.ListStateChangesRequest, context: grpc.ServicerContext
    ) -> pb.ListStateChangesResponse:
        """Read changes of states."""
        page = self._state_changes.read(
            list(map(subscription_from_wire, request.subscriptions)),
            request.after,
            request.limit,
        )
        return page_to_wire(page, self._state_changes.cursor)

    def ExplainCallCache(
        self, request: pb.ExplainCallCacheRequest, context: grpc.ServicerContext
    ) -> pb.ExplainCallCacheResponse:
        """Explain what the call cache did for a task."""
        found = self._call_explanation.explain(
            caller_from_wire(request.caller), TaskId(request.task_id)
        )
        return explanation_to_wire(found)


def _draft(request: pb.CreateTaskRequest) -> Draft:
    task = request.task
    gpus = gpus_of(task)
    return Draft(
        caller=caller_from_wire(request.caller),
        name=task.name if task.HasField("name") else None,
        tags=dict(task.tags),
        resources={**amounts_of(task), **gpus.amounts},
        gpu_type=gpus.gpu_type,
        problems=gpus.problems,
        executors=len(task.executors),
        document=document_of(task),
        idempotency_key=request.idempotency_key,
        warnings=tuple(request.warnings),
        parameters=dict(task.resources.backend_parameters),
    )
