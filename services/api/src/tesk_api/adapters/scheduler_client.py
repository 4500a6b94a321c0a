"""Calls the scheduler over gRPC: the api's ``TaskGateway``.

Creates and reads are sent in batches. While the scheduler is unavailable (a restart, a
failover) calls are retried within their deadline, so that clients do not notice. Every
create carries an idempotency key, of the client or of this process, so that a call
whose outcome is unknown can be retried without creating a task twice: an error must
mean "not created".
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

import grpc
from grpc_health.v1 import health_pb2

from tesk.v1 import task_pb2 as pb
from tesk.v1 import task_service_pb2 as rpc
from tesk.v1 import task_service_pb2_grpc as rpc_grpc
from tesk_api.adapters.batching import Batcher, BatchLimits
from tesk_api.adapters.callers import caller_to_wire
from tesk_api.adapters.check_wire import read_outlook
from tesk_api.adapters.scheduler_calls import (
    call_of_this_release,
    call_once,
    call_scheduler,
)
from tesk_api.adapters.state_changes import changes_from_wire
from tesk_api.adapters.task_wire import (
    id_or_error,
    query_state,
    query_tags,
    task_or_error,
)
from tesk_api.domain.requests import (
    Caller,
    CanceledPage,
    ChangePage,
    NewTask,
    Page,
    Subscription,
    TaskQuery,
)
from tesk_api.domain.task_checks import Outlook
from tesk_model.call_cache import CacheExplanation
from tesk_model.errors import (
    ResourceExhaustedError,
    TeskError,
    UnavailableError,
)
from tesk_model.task import TaskId, TaskView
from tesk_runtime.rpc.documents import reader
from tesk_runtime.rpc.wire import task_to_wire, view_to_wire

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

_read_explanation = reader(CacheExplanation, rpc.ExplainCallCacheResponse)

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
        request = self._create_request(caller, new)
        return TaskId(self._creates.call(request, size=request.ByteSize()))

    def create_all(
        self, caller: Caller, tasks: Sequence[NewTask]
    ) -> Sequence[TaskId | TeskError]:
        """See ``TaskGateway``."""
        results: list[TaskId | TeskError] = []
        for requests in _calls([self._create_request(caller, new) for new in tasks]):
            try:
                found = self._send_creates(requests, _TIMEOUT)
            except TeskError as error:
                results.extend([error] * len(requests))
                continue
            results.extend(
                each if isinstance(each, TeskError) else TaskId(each) for each in found
            )
        return results

    def check_task(self, caller: Caller, new: NewTask) -> Outlook:
        """See ``TaskGateway``."""
        request = rpc.CheckTaskRequest(
            caller=caller_to_wire(caller), task=task_to_wire(new.task)
        )
        answer = call_of_this_release(
            self._stub.CheckTask,
            request,
            _TIMEOUT,
            "the scheduler is of an earlier release, which checks no tasks",
        )
        return read_outlook(answer)

    def get(self, caller: Caller, task_id: TaskId, view: TaskView) -> pb.Task:
        """See ``TaskGateway``."""
        request = rpc.GetTaskRequest(
            caller=caller_to_wire(caller), task_id=task_id, view=view_to_wire(view)
        )
        size = _FULL_TASK_BYTES if view is TaskView.FULL else 0
        return self._gets.call(request, size=size)

    def get_many(
        self, wanted: Sequence[tuple[Caller, TaskId]], view: TaskView
    ) -> Sequence[pb.Task | TeskError]:
        """See ``TaskGateway``."""
        requests = [
            rpc.GetTaskRequest(
                caller=caller_to_wire(caller), task_id=task_id, view=view_to_wire(view)
            )
            for caller, task_id in wanted
        ]
        most = _MAX_BATCH_BYTES // _FULL_TASK_BYTES
        return [
            task
            for first in range(0, len(requests), most)
            for task in self._send_gets(requests[first : first + most], _TIMEOUT)
        ]

    def list_page(self, caller: Caller, query: TaskQuery) -> Page[pb.Task]:
        """See ``TaskGateway``."""
        request = rpc.ListTasksRequest(
            caller=caller_to_wire(caller),
            view=view_to_wire(query.view),
            name_prefix=query.name_prefix,
            state=query_state(query),
            tags=query_tags(query),
            page_size=query.page_size,
            page_token=query.page_token,
            explain=query.explain,
        )
        answer = call_scheduler(self._stub.ListTasks, request, _TIMEOUT)
        return Page(answer.tasks, answer.next_page_token)

    def list_changes(
        self, subscriptions: Sequence[Subscription], after: str, *, limit: int
    ) -> ChangePage:
        """See ``TaskGateway``."""
        request = rpc.ListStateChangesRequest(
            subscriptions=[
                rpc.StateChangeSubscription(
                    caller=caller_to_wire(each.caller),
                    name_prefix=each.query.name_prefix,
                    state=query_state(each.query),
                    tags=query_tags(each.query),
                )
                for each in subscriptions
            ],
            after=after,
            limit=limit,
        )
        answer = call_of_this_release(
            self._stub.ListStateChanges,
            request,
            _TIMEOUT,
            "the scheduler is of an earlier release, which tells no changes",
        )
        return changes_from_wire(answer)

    def explain_call_cache(self, caller: Caller, task_id: TaskId) -> CacheExplanation:
        """See ``TaskGateway``."""
        request = rpc.ExplainCallCacheRequest(
            caller=caller_to_wire(caller), task_id=task_id
        )
        answer = call_of_this_release(
            self._stub.ExplainCallCache,
            request,
            _TIMEOUT,
            "the scheduler is of an earlier release, which has no call cache",
        )
        return _read_explanation(answer)

    def cancel(self, caller: Caller, task_id: TaskId) -> None:
        """See ``TaskGateway``."""
        request = rpc.CancelTaskRequest(caller=caller_to_wire(caller), task_id=task_id)
        call_scheduler(self._stub.CancelTask, request, _TIMEOUT)

    def cancel_page(
        self, caller: Caller, query: TaskQuery, *, dry_run: bool
    ) -> CanceledPage:
        """See ``TaskGateway``."""
        request = rpc.CancelMatchingTasksRequest(
            caller=caller_to_wire(caller),
            name_prefix=query.name_prefix,
            state=query_state(query),
            tags=query_tags(query),
            dry_run=dry_run,
            page_token=query.page_token,
        )
        answer = call_scheduler(self._stub.CancelMatchingTasks, request, _TIMEOUT)
        return CanceledPage(answer.task_ids, answer.next_page_token)

    def check(self) -> None:
        """See ``TaskGateway``."""
        request = health_pb2.HealthCheckRequest(service=SERVICE)
        answer = call_once(self._check, request, timeout=_CHECK_TIMEOUT)
        if answer.status != health_pb2.HealthCheckResponse.SERVING:
            raise UnavailableError("the scheduler does not take calls now")

    def _create_request(self, caller: Caller, new: NewTask) -> rpc.CreateTaskRequest:
        return rpc.CreateTaskRequest(
            caller=caller_to_wire(caller),
            task=task_to_wire(new.task),
            idempotency_key=new.idempotency_key or self._new_key(),
            warnings=new.warnings,
        )

    def _send_creates(
        self, requests: Sequence[rpc.CreateTaskRequest], timeout: timedelta
    ) -> Sequence[str | TeskError]:
        batch = rpc.BatchCreateTasksRequest(requests=requests)
        try:
            # Same keys: what an earlier attempt created is found, not created again.
            answer = call_scheduler(
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
        return [id_or_error(result) for result in answer.results]

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
        answer = call_scheduler(self._stub.BatchGetTasks, batch, timeout)
        return [task_or_error(result) for result in answer.results]

    def _get_one(
        self, request: rpc.GetTaskRequest, timeout: timedelta
    ) -> pb.Task | TeskError:
        try:
            return self._get_batch([request], timeout)[0]
        except TeskError as error:
            return error


def _calls(
    requests: Sequence[rpc.CreateTaskRequest],
) -> Iterator[Sequence[rpc.CreateTaskRequest]]:
    """Cut requests into calls within the limits of number and size."""
    call: list[rpc.CreateTaskRequest] = []
    size = 0
    for request in requests:
        more = request.ByteSize()
        if call and (len(call) == _MAX_ITEMS or size + more > _MAX_BATCH_BYTES):
            yield call
            call, size = [], 0
        call.append(request)
        size += more
    if call:
        yield call
