"""A fake scheduler that keeps tasks in memory and never runs them.

``MemoryScheduler`` is the servicer; it is served over gRPC, or reached without
a socket through ``InProcessChannel``. Tests move tasks along by editing the
stored messages.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import grpc
from grpc_health.v1 import health_pb2

from tesk.v1 import task_pb2 as pb
from tesk.v1 import task_service_pb2 as rpc
from tesk.v1 import task_service_pb2_grpc as rpc_grpc
from tesk_model.errors import (
    InternalError,
    InvalidRequestError,
    NotFoundError,
    TeskError,
    UnavailableError,
    Violation,
)
from tesk_runtime.rpc.status import CODES, status_from_error

FINAL = (
    pb.TASK_STATE_COMPLETE,
    pb.TASK_STATE_EXECUTOR_ERROR,
    pb.TASK_STATE_SYSTEM_ERROR,
    pb.TASK_STATE_CANCELED,
)


class MemoryScheduler(rpc_grpc.TaskServiceServicer):
    """Keeps tasks, newest last, with their owner.

    Attributes:
        error: Each call raises it while it is set.
        refusal: The result of each create while it is set.
        gate: Calls wait while it is clear.
        lost: Number of further creates whose responses are lost.
        batches: Number of items of each batch call, in order.
        created: All create requests, in order.
    """

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        self.gate.set()
        self.error: TeskError | None = None
        self.lost = 0
        self.refusal: TeskError | None = None
        self.batches: list[int] = []
        self.created: list[rpc.CreateTaskRequest] = []
        self.tasks: dict[str, pb.Task] = {}
        self.owners: dict[str, str] = {}
        self._keys: dict[tuple[str, str], str] = {}

    def BatchCreateTasks(  # noqa: N802 - gRPC names it
        self, request: rpc.BatchCreateTasksRequest, _context: object
    ) -> rpc.BatchCreateTasksResponse:
        self._enter(len(request.requests))
        results = [self._create(item) for item in request.requests]
        if self.lost:
            self.lost -= 1
            raise UnavailableError("the scheduler is shutting down")
        return rpc.BatchCreateTasksResponse(results=results)

    def BatchGetTasks(  # noqa: N802 - gRPC names it
        self, request: rpc.BatchGetTasksRequest, _context: object
    ) -> rpc.BatchGetTasksResponse:
        self._enter(len(request.requests))
        return rpc.BatchGetTasksResponse(
            results=[self._get(item) for item in request.requests]
        )

    def ListTasks(  # noqa: N802 - gRPC names it
        self, request: rpc.ListTasksRequest, _context: object
    ) -> rpc.ListTasksResponse:
        self._enter(1)
        found = [
            task
            for task in reversed(self.tasks.values())
            if self._visible(task.id, request.caller) and _matches(task, request)
        ]
        start = self._offset(request)
        size = request.page_size or 256
        page = found[start : start + size]
        more = start + size < len(found)
        return rpc.ListTasksResponse(
            tasks=[_in_view(task, request.view) for task in page],
            next_page_token=f"{start + size}/{_filters(request)}" if more else "",
        )

    def CancelTask(  # noqa: N802 - gRPC names it
        self, request: rpc.CancelTaskRequest, _context: object
    ) -> rpc.CancelTaskResponse:
        self._enter(1)
        task = self._find(request.task_id, request.caller)
        if task.state == pb.TASK_STATE_QUEUED:
            task.state = pb.TASK_STATE_CANCELED
        elif task.state not in FINAL:
            task.state = pb.TASK_STATE_CANCELING
        return rpc.CancelTaskResponse()

    def _enter(self, items: int) -> None:
        with self.lock:
            self.batches.append(items)
        self.gate.wait()
        if self.error:
            raise self.error

    def _create(self, request: rpc.CreateTaskRequest) -> rpc.CreateTaskResult:
        with self.lock:
            self.created.append(request)
            if self.refusal:
                return rpc.CreateTaskResult(error=status_from_error(self.refusal))
            key = (request.caller.user, request.idempotency_key)
            if key in self._keys:
                return rpc.CreateTaskResult(task_id=self._keys[key])
            task = pb.Task()
            task.CopyFrom(request.task)
            task.id = f"t-{len(self.tasks) + 1}"
            task.state = pb.TASK_STATE_QUEUED
            task.creation_time.GetCurrentTime()
            self.tasks[task.id] = task
            self.owners[task.id] = request.caller.user
            if request.idempotency_key:
                self._keys[key] = task.id
            return rpc.CreateTaskResult(task_id=task.id)

    def _get(self, request: rpc.GetTaskRequest) -> rpc.GetTaskResult:
        try:
            task = self._find(request.task_id, request.caller)
        except NotFoundError as error:
            return rpc.GetTaskResult(error=status_from_error(error))
        return rpc.GetTaskResult(task=_in_view(task, request.view))

    def _find(self, task_id: str, caller: rpc.Caller) -> pb.Task:
        if task_id not in self.tasks or not self._visible(task_id, caller):
            raise NotFoundError("there is no such task")
        return self.tasks[task_id]

    def _visible(self, task_id: str, caller: rpc.Caller) -> bool:
        return caller.admin or self.owners[task_id] == caller.user

    def _offset(self, request: rpc.ListTasksRequest) -> int:
        if not request.page_token:
            return 0
        offset, _, filters = request.page_token.partition("/")
        if not offset.isascii() or not offset.isdigit() or filters != _filters(request):
            problem = Violation("page_token", "was not issued for this list")
            raise InvalidRequestError([problem])
        return int(offset)


class InProcessChannel:
    """Reaches a servicer as a ``grpc.Channel`` would, without a socket."""

    def __init__(self, scheduler: MemoryScheduler) -> None:
        self._scheduler = scheduler

    def unary_unary(self, method: str, **_: Any) -> Callable[..., Any]:
        name = method.rpartition("/")[2]
        if method.startswith("/grpc.health.v1.Health/"):
            return self._check
        inner = getattr(self._scheduler, name)

        def call(request: Any, **_timeout: float | None) -> Any:
            with _as_rpc_errors():
                return inner(request, None)

        return call

    def _check(self, _request: Any, **_timeout: float | None) -> Any:
        with _as_rpc_errors():
            if self._scheduler.error:
                raise self._scheduler.error
            return health_pb2.HealthCheckResponse(
                status=health_pb2.HealthCheckResponse.SERVING
            )


class _RaisedRpcError(grpc.RpcError):
    def __init__(self, error: TeskError) -> None:
        super().__init__(error.message)
        self._error = error

    def code(self) -> grpc.StatusCode:
        return CODES[self._error.kind]

    def details(self) -> str:
        return self._error.message

    def trailing_metadata(self) -> Any:
        details = status_from_error(self._error).SerializeToString()
        return (_Metadatum("grpc-status-details-bin", details),)


class _Metadatum(NamedTuple):
    key: str
    value: bytes


@contextmanager
def _as_rpc_errors() -> Iterator[None]:
    try:
        yield
    except TeskError as error:
        raise _RaisedRpcError(error) from error
    except Exception as error:
        raise _RaisedRpcError(InternalError("internal error")) from error


def _matches(task: pb.Task, request: rpc.ListTasksRequest) -> bool:
    return (
        task.name.startswith(request.name_prefix)
        and request.state in (pb.TASK_STATE_UNSPECIFIED, task.state)
        and all(
            tag.key in task.tags and tag.value in ("", task.tags[tag.key])
            for tag in request.tags
        )
    )


def _filters(request: rpc.ListTasksRequest) -> str:
    tags = [(tag.key, tag.value) for tag in request.tags]
    return repr((request.name_prefix, request.state, tags))


def _in_view(task: pb.Task, view: "pb.TaskView.ValueType") -> pb.Task:
    """Return the task with the fields of a view."""
    if view in (pb.TASK_VIEW_UNSPECIFIED, pb.TASK_VIEW_MINIMAL):
        return pb.Task(id=task.id, state=task.state)
    shown = pb.Task()
    shown.CopyFrom(task)
    if view == pb.TASK_VIEW_BASIC:
        shown.reason = ""
        for entry in shown.inputs:
            entry.ClearField("content")
        for log in shown.logs:
            log.ClearField("system_logs")
            for executor in log.logs:
                executor.stdout = executor.stderr = ""
    return shown
