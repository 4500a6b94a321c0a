"""Serves the TES operations on tasks."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

from flask import Blueprint, Response, request
from msgspec import UNSET
from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType

from tesk.v1 import task_pb2 as pb
from tesk_api.http.identity import Identify
from tesk_api.http.json_bodies import estimate_memory
from tesk_api.http.middleware import TASK_ID
from tesk_api.http.queries import (
    parse_idempotency_key,
    parse_query,
    parse_view,
)
from tesk_api.http.responses import CreatedTask, Nothing, TaskList, json_response
from tesk_api.http.task_parsing import TaskParser
from tesk_api.http.views import TaskViews
from tesk_api.ports import Semaphore, TaskGateway
from tesk_model.errors import NotFoundError, UnavailableError
from tesk_model.names import is_task_id
from tesk_model.task import TaskId, TaskView
from tesk_runtime.http.wsgi import QUEUE_SECONDS

_SMALL = 1024 * 1024
# Seconds; together with what the scheduler may take, less than 5.
_MAX_CREATE_WAIT = 0.75


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyReader:
    """Reads bodies of requests within limits.

    Attributes:
        limit: Bytes of the largest body.
        memory: Bounds the memory of all bodies together.
    """

    limit: int
    memory: Semaphore

    def read(self) -> bytes:
        """Return the body of the current request."""
        return _json_body(self.limit)

    def memory_for(self, body: bytes) -> AbstractContextManager[object]:
        """Return a context that holds the memory for ``body``.

        Small bodies are not counted: the number of threads bounds these.
        """
        size = estimate_memory(body)
        return nullcontext() if size < _SMALL else self.memory.acquire(size)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskOperations:
    """The TES operations on tasks, as views of Flask."""

    tasks: TaskGateway[pb.Task]
    identify: Identify
    parser: TaskParser
    views: TaskViews
    bodies: BodyReader

    def create_task(self) -> Response:
        """CreateTask."""
        require_timely_create()
        caller = self.identify()
        key = parse_idempotency_key(request.headers)
        body = self.bodies.read()
        with self.bodies.memory_for(body):
            new = self.parser.parse(body)
            task_id = self.tasks.create(caller, replace(new, idempotency_key=key))
        request.environ[TASK_ID] = task_id
        return json_response(CreatedTask(id=task_id))

    def list_tasks(self) -> Response:
        """ListTasks."""
        caller = self.identify()
        query = parse_query(request.args)
        page = self.tasks.list_page(caller, query)
        render = self.views.renderer(query.view)
        return json_response(
            TaskList(
                tasks=[render(task) for task in page.tasks],
                next_page_token=page.next_page_token or UNSET,
            )
        )

    def get_task(self, task_id: str) -> Response:
        """GetTask."""
        caller = self.identify()
        view: TaskView = parse_view(request.args)
        task = self.tasks.get(caller, parse_task_id(task_id), view)
        return json_response(self.views.renderer(view)(task))

    def cancel_task(self, task_id: str) -> Response:
        """CancelTask."""
        # Clients send no body, or an empty one of any type: do not read it.
        self.tasks.cancel(self.identify(), parse_task_id(task_id))
        return json_response(Nothing())


def tasks_blueprint(name: str, operations: TaskOperations) -> Blueprint:
    """Return ``/tasks`` and the paths below it."""
    blueprint = Blueprint(name, __name__)
    one = "/tasks/<task_id:task_id>"
    blueprint.post("/tasks")(operations.create_task)
    blueprint.get("/tasks")(operations.list_tasks)
    blueprint.get(one)(operations.get_task)
    blueprint.post(f"{one}:cancel")(operations.cancel_task)
    return blueprint


def parse_task_id(text: str) -> TaskId:
    """Return the id, and note it for the log; do not ask the scheduler for one that cannot exist.

    Raises:
        NotFoundError: No task has such an id.
    """
    if not is_task_id(text):
        raise NotFoundError("there is no such task")
    request.environ[TASK_ID] = text
    return TaskId(text)


def require_timely_create() -> None:
    """Refuse to create a task so late that its client may have sent it again."""
    if request.environ.get(QUEUE_SECONDS, 0.0) > _MAX_CREATE_WAIT:
        raise UnavailableError("too many requests wait here; no task was created")


def _json_body(limit: int) -> bytes:
    """Return the body of the request, of at most ``limit`` bytes.

    It is read from the server's stream, which ends with the request: each read that
    Flask would add lets all other threads run first.
    """
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise UnsupportedMediaType("send the body without Content-Encoding")
    if (request.content_length or 0) > limit:
        raise RequestEntityTooLarge
    body: bytes = request.environ["wsgi.input"].read(limit + 1)
    if len(body) > limit:  # chunked: its length was not known before
        raise RequestEntityTooLarge
    return body
