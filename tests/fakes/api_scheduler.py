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

from fakes.scheduler_load import load_of
from tesk.v1 import load_service_pb2, load_service_pb2_grpc
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
CANCELABLE = (
    pb.TASK_STATE_QUEUED,
    pb.TASK_STATE_INITIALIZING,
    pb.TASK_STATE_RUNNING,
)


class MemoryScheduler(
    rpc_grpc.TaskServiceServicer, load_service_pb2_grpc.LoadServiceServicer
):
    """Keeps tasks, newest last, with their owner.

    Attributes:
        error: Each call raises it while it is set.
        refusal: The result of each create while it is set.
        gate: Calls wait while it is clear.
        lost: Number of further creates whose responses are lost.
        batches: Number of items of each batch call, in order.
        created: All create requests, in order.
        checked: All requests to check a task, in order.
        outlook: What is answered to these.
        changes: Of states, as they were found by the calls that ask for them.
        forgotten: How many of the first changes are no longer kept.
        explanations: Of the call cache, by task; for others it was off.
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
        self.checked: list[rpc.CheckTaskRequest] = []
        self.outlook = rpc.CheckTaskResponse(
            forecast=rpc.TaskForecast(placement=rpc.Placement(runtime="machine"))
        )
        self.tasks: dict[str, pb.Task] = {}
        self.owners: dict[str, str] = {}
        self.explanations: dict[str, rpc.ExplainCallCacheResponse] = {}
        self._keys: dict[tuple[str, str], str] = {}
        self._states: dict[str, pb.TaskState.ValueType] = {}
        self.changes: list[rpc.StateChange] = []
        self.forgotten = 0

    def BatchCreateTasks(  # noqa: N802 - gRPC names it
        self, request: rpc.BatchCreateTasksRequest, _context: object
    ) -> rpc.BatchCreateTasksResponse:
        self._enter(len(request.requests))
        results = [self._create(item) for item in request.requests]
        if self.lost:
            self.lost -= 1
            raise UnavailableError("the scheduler is shutting down")
        return rpc.BatchCreateTasksResponse(results=results)

    def CheckTask(  # noqa: N802 - gRPC names it
        self, request: rpc.CheckTaskRequest, _context: object
    ) -> rpc.CheckTaskResponse:
        self._enter(1)
        self.checked.append(request)
        return self.outlook

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
            tasks=[
                _in_view(task, request.view, explain=request.explain) for task in page
            ],
            next_page_token=f"{start + size}/{_filters(request)}" if more else "",
        )

    def CancelTask(  # noqa: N802 - gRPC names it
        self, request: rpc.CancelTaskRequest, _context: object
    ) -> rpc.CancelTaskResponse:
        self._enter(1)
        _cancel(self._find(request.task_id, request.caller))
        return rpc.CancelTaskResponse()

    def CancelMatchingTasks(  # noqa: N802 - gRPC names it
        self, request: rpc.CancelMatchingTasksRequest, _context: object
    ) -> rpc.CancelMatchingTasksResponse:
        self._enter(1)
        if request.state not in (pb.TASK_STATE_UNSPECIFIED, *CANCELABLE):
            problem = Violation("state", "must be QUEUED, INITIALIZING, RUNNING")
            raise InvalidRequestError([problem])
        if request.page_token:
            problem = Violation("page_token", "was not made for these filters")
            raise InvalidRequestError([problem])
        found = [
            task
            for task in reversed(self.tasks.values())
            if self._visible(task.id, request.caller)
            and task.state in CANCELABLE
            and _matches(task, request)
        ]
        if not request.dry_run:
            for task in found:
                _cancel(task)
        return rpc.CancelMatchingTasksResponse(task_ids=[task.id for task in found])

    def GetLoad(  # noqa: N802 - gRPC names it
        self, request: load_service_pb2.GetLoadRequest, _context: object
    ) -> load_service_pb2.GetLoadResponse:
        self._enter(1)
        return load_of(self.tasks.values(), self.owners, request)

    def ListStateChanges(  # noqa: N802 - gRPC names it
        self, request: rpc.ListStateChangesRequest, _context: object
    ) -> rpc.ListStateChangesResponse:
        self._enter(len(request.subscriptions))
        with self.lock:
            self._find_changes()
            end = len(self.changes)
            after = _number_of(request.after or f"c{end}")
            if after is None or not self.forgotten <= after <= end:
                return rpc.ListStateChangesResponse(
                    next_cursor=f"c{end}", next_number=end, expired=True
                )
            page = self.changes[after : after + (request.limit or 1000)]
            following = after + len(page)
            return rpc.ListStateChangesResponse(
                changes=[each for each in map(self._told(request), page) if each],
                next_cursor=f"c{following}",
                next_number=following,
                has_more=following < end,
            )

    def _find_changes(self) -> None:
        for task in self.tasks.values():
            if self._states.get(task.id) == task.state:
                continue
            self._states[task.id] = task.state
            number = len(self.changes) + 1
            change = rpc.StateChange(
                number=number, cursor=f"c{number}", task_id=task.id, state=task.state
            )
            change.name = task.name
            change.time.GetCurrentTime()
            self.changes.append(change)

    def _told(
        self, request: rpc.ListStateChangesRequest
    ) -> Callable[[rpc.StateChange], rpc.StateChange | None]:
        def told(change: rpc.StateChange) -> rpc.StateChange | None:
            task = pb.Task()
            task.CopyFrom(self.tasks[change.task_id])
            task.state = change.state
            matched = [
                index
                for index, each in enumerate(request.subscriptions)
                if self._visible(task.id, each.caller) and _matches(task, each)
            ]
            copy = rpc.StateChange(matched=matched)
            copy.MergeFrom(change)
            return copy if matched else None

        return told

    def ExplainCallCache(  # noqa: N802 - gRPC names it
        self, request: rpc.ExplainCallCacheRequest, _context: object
    ) -> rpc.ExplainCallCacheResponse:
        self._enter(1)
        self._find(request.task_id, request.caller)
        off = rpc.ExplainCallCacheResponse(
            result=rpc.CALL_CACHE_RESULT_OFF,
            explanation="the call cache was off when the task was created",
        )
        return self.explanations.get(request.task_id, off)

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


def _cancel(task: pb.Task) -> None:
    if task.state == pb.TASK_STATE_QUEUED:
        task.state = pb.TASK_STATE_CANCELED
    elif task.state not in FINAL:
        task.state = pb.TASK_STATE_CANCELING


def _number_of(cursor: str) -> int | None:
    return int(cursor[1:]) if cursor[:1] == "c" and cursor[1:].isdecimal() else None


def _matches(
    task: pb.Task,
    request: rpc.ListTasksRequest
    | rpc.CancelMatchingTasksRequest
    | rpc.StateChangeSubscription,
) -> bool:
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


def _in_view(
    task: pb.Task, view: "pb.TaskView.ValueType", *, explain: bool = False
) -> pb.Task:
    """Return the task with the fields of a view."""
    if view in (pb.TASK_VIEW_UNSPECIFIED, pb.TASK_VIEW_MINIMAL):
        return pb.Task(id=task.id, state=task.state)
    shown = pb.Task()
    shown.CopyFrom(task)
    if view == pb.TASK_VIEW_BASIC:
        if not explain:
            shown.reason = ""
            shown.ClearField("wait")
        for entry in shown.inputs:
            entry.ClearField("content")
        for log in shown.logs:
            log.ClearField("system_logs")
            for executor in log.logs:
                executor.stdout = executor.stderr = ""
    return shown
