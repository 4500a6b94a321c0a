"""The scheduler over gRPC: the api's ``TaskGateway``.

Creates and reads go in batches. While the scheduler is away (a restart, a
failover) calls are repeated within their deadline, so that clients need not
know of it. Every create carries an idempotency key, the client's or one of
ours, so that a call whose fate is unknown can be repeated without creating a
task twice: an error must mean "not created".
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TypeVar

import grpc
from google.rpc import status_pb2
from grpc_health.v1 import health_pb2

from tesk.v1 import task_pb2 as pb
from tesk.v1 import task_service_pb2 as rpc
from tesk.v1 import task_service_pb2_grpc as rpc_grpc
from tesk_api.adapters.batching import Batcher, BatchLimits
from tesk_api.adapters.retries import call_with_retries
from tesk_api.domain.requests import Caller, NewTask, Page, TaskQuery
from tesk_model.errors import (
    InternalError,
    ResourceExhaustedError,
    TeskError,
    UnavailableError,
    UnreachableError,
)
from tesk_model.task import TaskId, TaskView
from tesk_runtime.rpc.status import UnaryMethod, error_from_status, invoke
from tesk_runtime.rpc.wire import state_to_wire, task_to_wire, view_to_wire

SERVICE = "tesk.v1.TaskService"

# BatchCreateTasks and BatchGetTasks take no more.
_MAX_ITEMS = 256
# Bytes in one call; far below the message limit, which one task may come near.
_MAX_BATCH_BYTES = 16 * 1024 * 1024
# A full task may hold megabytes of content; most hold a few kilobytes.
_FULL_TASK_BYTES = 256 * 1024
_MAX_CALLS = 2
# For reads: longer than one takes, unless it is large or the scheduler is busy.
# The scheduler gathers creates by itself, while those before are written.
_EXTRA_READ_DELAY = timedelta(seconds=0.05)
_CHECK_TIMEOUT = timedelta(seconds=1)
# Of the time that is left, what one try of a create takes at most: a scheduler
# that has fallen silent may be gone.
_CREATE_ATTEMPT_SHARE = 0.6

RequestT = TypeVar("RequestT")
ResponseT = TypeVar("ResponseT")


@dataclass(frozen=True, slots=True, kw_only=True)
class CallTimeouts:
    """How long callers wait at most.

    Clients repeat a create after 5 s, so that it must have failed by then.

    Attributes:
        total: For the result of anything.
        least: What has to be left of it for a call.
    """

    total: timedelta = timedelta(seconds=3.75)
    least: timedelta = timedelta(seconds=0.75)


class SchedulerClient:
    """Implements ``TaskGateway[tesk.v1.Task]``."""

    def __init__(
        self, channel: grpc.Channel, *, times: CallTimeouts, new_key: Callable[[], str]
    ) -> None:
        """Use an open channel; it must belong to this very process.

        Args:
            channel: To the scheduler, with the internal token.
            times: Deadlines.
            new_key: Makes idempotency keys that are never made again.
        """
        self._stub = rpc_grpc.TaskServiceStub(channel)
        self._check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        self._times = times
        self._new_key = new_key
        limits = BatchLimits(
            items=_MAX_ITEMS,
            weight=_MAX_BATCH_BYTES,
            calls=_MAX_CALLS,
            beside=timedelta(),
            time=times.total,
            least=times.least,
        )
        self._creates: Batcher[rpc.CreateTaskRequest, str] = Batcher(
            self._send_creates, limits
        )
        self._gets: Batcher[rpc.GetTaskRequest, pb.Task] = Batcher(
            self._send_gets, replace(limits, beside=_EXTRA_READ_DELAY)
        )

    def create(self, caller: Caller, new: NewTask) -> TaskId:
        """Keep a task durably; see the port."""
        request = rpc.CreateTaskRequest(
            caller=_caller(caller),
            task=task_to_wire(new.task),
            idempotency_key=new.idempotency_key or self._new_key(),
            warnings=new.warnings,
        )
        return TaskId(self._creates.call(request, weight=request.ByteSize()))

    def get(self, caller: Caller, task_id: TaskId, view: TaskView) -> pb.Task:
        """Return a task; see the port."""
        request = rpc.GetTaskRequest(
            caller=_caller(caller), task_id=task_id, view=view_to_wire(view)
        )
        weight = _FULL_TASK_BYTES if view is TaskView.FULL else 0
        return self._gets.call(request, weight=weight)

    def list_page(self, caller: Caller, query: TaskQuery) -> Page[pb.Task]:
        """Return one page; see the port."""
        request = rpc.ListTasksRequest(
            caller=_caller(caller),
            view=view_to_wire(query.view),
            name_prefix=query.name_prefix,
            state=state_to_wire(query.state)
            if query.state
            else pb.TASK_STATE_UNSPECIFIED,
            tags=[rpc.TagFilter(key=tag.key, value=tag.value) for tag in query.tags],
            page_size=query.page_size,
            page_token=query.page_token,
        )
        answer = _call_with_retries(self._stub.ListTasks, request, self._times.total)
        return Page(answer.tasks, answer.next_page_token)

    def cancel(self, caller: Caller, task_id: TaskId) -> None:
        """Ask for a task to be canceled; see the port."""
        request = rpc.CancelTaskRequest(caller=_caller(caller), task_id=task_id)
        _call_with_retries(self._stub.CancelTask, request, self._times.total)

    def check(self) -> None:
        """Return if the scheduler serves; see the port."""
        request = health_pb2.HealthCheckRequest(service=SERVICE)
        answer = _call(self._check, request, timeout=_CHECK_TIMEOUT)
        if answer.status != health_pb2.HealthCheckResponse.SERVING:
            raise UnavailableError("the scheduler does not take calls now")

    def _send_creates(
        self, requests: Sequence[rpc.CreateTaskRequest], within: timedelta
    ) -> Sequence[str | TeskError]:
        batch = rpc.BatchCreateTasksRequest(requests=requests)
        try:
            # Same keys: what one try created is found, not made again.
            answer = _call_with_retries(
                self._stub.BatchCreateTasks, batch, within, share=_CREATE_ATTEMPT_SHARE
            )
        except UnavailableError as error:
            raise UnavailableError(
                f"{error.message}; unless it answers later, no task was created",
                error.retry_after,
            ) from error
        return [_id_or_error(result) for result in answer.results]

    def _send_gets(
        self, requests: Sequence[rpc.GetTaskRequest], within: timedelta
    ) -> Sequence[pb.Task | TeskError]:
        try:
            return self._get_together(requests, within)
        except ResourceExhaustedError:
            # Together larger than a message may be: one by one.
            if len(requests) == 1:
                raise
        return [self._get_alone(request, within) for request in requests]

    def _get_together(
        self, requests: Sequence[rpc.GetTaskRequest], within: timedelta
    ) -> Sequence[pb.Task | TeskError]:
        batch = rpc.BatchGetTasksRequest(requests=requests)
        answer = _call_with_retries(self._stub.BatchGetTasks, batch, within)
        return [_task_or_error(result) for result in answer.results]

    def _get_alone(
        self, request: rpc.GetTaskRequest, within: timedelta
    ) -> pb.Task | TeskError:
        try:
            return self._get_together([request], within)[0]
        except TeskError as error:
            return error


def _call_with_retries(
    method: UnaryMethod[RequestT, ResponseT],
    request: RequestT,
    within: timedelta,
    *,
    share: float = 1.0,
) -> ResponseT:
    """Call the scheduler, again and again while it is away and time is left.

    Args:
        method: Idempotent.
        request: The same each time.
        within: Time for all of it.
        share: Of the time that is left, what one try may take.
    """
    return call_with_retries(
        lambda left: _call(method, request, timeout=left), within, share=share
    )


def _call(
    method: UnaryMethod[RequestT, ResponseT], request: RequestT, *, timeout: timedelta
) -> ResponseT:
    """Call the scheduler; where it was looked for is not for clients to know."""
    try:
        return invoke(method, request, timeout=timeout)
    except UnreachableError as error:
        raise UnavailableError("the scheduler cannot be reached") from error


def _caller(caller: Caller) -> rpc.Caller:
    return rpc.Caller(
        user=caller.user,
        groups=caller.groups,
        admin=caller.admin,
        request_id=caller.request_id,
    )


def _id_or_error(result: rpc.CreateTaskResult) -> str | TeskError:
    if result.HasField("error"):
        return _error(result.error)
    return result.task_id or InternalError("the scheduler answered no id")


def _task_or_error(result: rpc.GetTaskResult) -> pb.Task | TeskError:
    return _error(result.error) if result.HasField("error") else result.task


def _error(status: status_pb2.Status) -> TeskError:
    return error_from_status(status)
