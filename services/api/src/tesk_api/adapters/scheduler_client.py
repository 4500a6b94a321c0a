"""Calls the scheduler over gRPC: the api's ``TaskGateway``.

Creates and reads are sent in batches. While the scheduler is unavailable (a restart, a
failover) calls are retried within their deadline, so that clients do not notice. Every
create carries an idempotency key, of the client or of this process, so that a call
whose outcome is unknown can be retried without creating a task twice: an error must
mean "not created".
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

import grpc
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

# The limit of BatchCreateTasks and BatchGetTasks.
_MAX_ITEMS = 256
# Far below the message limit, which one task alone may come near.
_MAX_BATCH_BYTES = 16 * 1024 * 1024
# A full task may hold megabytes of content; most hold a few kilobytes.
_FULL_TASK_BYTES = 256 * 1024
_MAX_CALLS = 2
# Longer than a read takes, unless it is large or the scheduler is busy. Creates have
# none: the scheduler gathers them itself, while those before are written.
_EXTRA_READ_DELAY = timedelta(seconds=0.05)
# For the result of a request, and the part of it without which a call is not sent.
# Clients repeat a create after 5 s, so that it must have failed by then.
_TIMEOUT = timedelta(seconds=3.75)
_MIN_CALL_TIME = timedelta(seconds=0.75)
_CHECK_TIMEOUT = timedelta(seconds=1)
# Share of the remaining time that one attempt of a create takes at most: a scheduler
# that does not answer may be gone.
_CREATE_ATTEMPT_SHARE = 0.6

RequestT = TypeVar("RequestT")
ResponseT = TypeVar("ResponseT")


class SchedulerClient:
    """Implements ``TaskGateway[tesk.v1.Task]``."""

    def __init__(self, channel: grpc.Channel, *, new_key: Callable[[], str]) -> None:
        """Use an open channel, which must belong to this process.

        Args:
            channel: To the scheduler, with the internal token.
            new_key: Returns a unique idempotency key.
        """
        self._stub = rpc_grpc.TaskServiceStub(channel)
        self._check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        self._new_key = new_key
        limits = BatchLimits(
            max_items=_MAX_ITEMS,
            max_bytes=_MAX_BATCH_BYTES,
            max_calls=_MAX_CALLS,
            extra_call_delay=timedelta(),
            timeout=_TIMEOUT,
            min_call_time=_MIN_CALL_TIME,
        )
        self._creates: Batcher[rpc.CreateTaskRequest, str] = Batcher(
            self._send_creates, limits
        )
        self._gets: Batcher[rpc.GetTaskRequest, pb.Task] = Batcher(
            self._send_gets, replace(limits, extra_call_delay=_EXTRA_READ_DELAY)
        )

    def create(self, caller: Caller, new: NewTask) -> TaskId:
        """See ``TaskGateway``."""
        request = rpc.CreateTaskRequest(
            caller=_caller(caller),
            task=task_to_wire(new.task),
            idempotency_key=new.idempotency_key or self._new_key(),
            warnings=new.warnings,
        )
        return TaskId(self._creates.call(request, size=request.ByteSize()))

    def get(self, caller: Caller, task_id: TaskId, view: TaskView) -> pb.Task:
        """See ``TaskGateway``."""
        request = rpc.GetTaskRequest(
            caller=_caller(caller), task_id=task_id, view=view_to_wire(view)
        )
        size = _FULL_TASK_BYTES if view is TaskView.FULL else 0
        return self._gets.call(request, size=size)

    def list_page(self, caller: Caller, query: TaskQuery) -> Page[pb.Task]:
        """See ``TaskGateway``."""
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
        answer = _call_with_retries(self._stub.ListTasks, request, _TIMEOUT)
        return Page(answer.tasks, answer.next_page_token)

    def cancel(self, caller: Caller, task_id: TaskId) -> None:
        """See ``TaskGateway``."""
        request = rpc.CancelTaskRequest(caller=_caller(caller), task_id=task_id)
        _call_with_retries(self._stub.CancelTask, request, _TIMEOUT)

    def check(self) -> None:
        """See ``TaskGateway``."""
        request = health_pb2.HealthCheckRequest(service=SERVICE)
        answer = _call(self._check, request, timeout=_CHECK_TIMEOUT)
        if answer.status != health_pb2.HealthCheckResponse.SERVING:
            raise UnavailableError("the scheduler does not take calls now")

    def _send_creates(
        self, requests: Sequence[rpc.CreateTaskRequest], timeout: timedelta
    ) -> Sequence[str | TeskError]:
        batch = rpc.BatchCreateTasksRequest(requests=requests)
        try:
            # Same keys: what an earlier attempt created is found, not created again.
            answer = _call_with_retries(
                self._stub.BatchCreateTasks,
                batch,
                timeout,
                attempt_share=_CREATE_ATTEMPT_SHARE,
            )
        except UnavailableError as error:
            raise UnavailableError(
                f"{error.message}; unless it answers later, no task was created",
                error.retry_after,
            ) from error
        return [_id_or_error(result) for result in answer.results]

    def _send_gets(
        self, requests: Sequence[rpc.GetTaskRequest], timeout: timedelta
    ) -> Sequence[pb.Task | TeskError]:
        try:
            return self._get_batch(requests, timeout)
        except ResourceExhaustedError:
            # The tasks together are larger than a message may be: one by one.
            if len(requests) == 1:
                raise
        return [self._get_one(request, timeout) for request in requests]

    def _get_batch(
        self, requests: Sequence[rpc.GetTaskRequest], timeout: timedelta
    ) -> Sequence[pb.Task | TeskError]:
        batch = rpc.BatchGetTasksRequest(requests=requests)
        answer = _call_with_retries(self._stub.BatchGetTasks, batch, timeout)
        return [_task_or_error(result) for result in answer.results]

    def _get_one(
        self, request: rpc.GetTaskRequest, timeout: timedelta
    ) -> pb.Task | TeskError:
        try:
            return self._get_batch([request], timeout)[0]
        except TeskError as error:
            return error


def _call_with_retries(
    method: UnaryMethod[RequestT, ResponseT],
    request: RequestT,
    timeout: timedelta,
    *,
    attempt_share: float = 1.0,
) -> ResponseT:
    """Call the scheduler, with retries while it is unavailable.

    Args:
        method: An idempotent method.
        request: Sent with each attempt.
        timeout: Time for all attempts.
        attempt_share: Share of the remaining time that one attempt may take.
    """
    return call_with_retries(
        lambda left: _call(method, request, timeout=left),
        timeout,
        attempt_share=attempt_share,
    )


def _call(
    method: UnaryMethod[RequestT, ResponseT], request: RequestT, *, timeout: timedelta
) -> ResponseT:
    """Call the scheduler; clients are not told its address."""
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
        return error_from_status(result.error)
    return result.task_id or InternalError("the scheduler answered no id")


def _task_or_error(result: rpc.GetTaskResult) -> pb.Task | TeskError:
    return error_from_status(result.error) if result.HasField("error") else result.task
