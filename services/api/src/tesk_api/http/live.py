"""Serves the live view, an extension of TESK: a task while it runs.

TES shows an executor only when it has ended; the live view has its output before. Nor
does TES say why a task waits; the list of live views does so of many at once.
"""

from dataclasses import replace

from flask import Blueprint, Response, request
from msgspec import UNSET

from tesk.v1 import task_pb2 as pb
from tesk_api.domain.requests import Subscription, TaskQuery
from tesk_api.http.change_hub import ChangeHub
from tesk_api.http.event_hub import MEDIA_TYPE, EventHub
from tesk_api.http.identity import Identify
from tesk_api.http.queries import parse_query
from tesk_api.http.responses import LiveTaskList, json_response
from tesk_api.http.tasks import parse_task_id
from tesk_api.http.views import live_summary, live_view
from tesk_api.ports import Clock, TaskGateway
from tesk_model.task import TaskView
from tesk_runtime.http.streaming import STREAM


def live_blueprint(
    tasks: TaskGateway[pb.Task], identify: Identify, clock: Clock, *, heartbeat: float
) -> Blueprint:
    """Return ``/tesk/v1/tasks``, ``/tesk/v1/tasks/{id}``, and ``…/events`` of both."""
    hub = EventHub(tasks, clock, heartbeat=heartbeat)
    changes = ChangeHub(tasks, clock, heartbeat=heartbeat)
    blueprint = Blueprint("live", __name__, url_prefix="/tesk/v1")

    @blueprint.get("/tasks/<task_id:task_id>")
    def watch_task(task_id: str) -> Response:
        task = tasks.get(identify(), parse_task_id(task_id), TaskView.FULL)
        return json_response(live_view(task))

    @blueprint.get("/tasks/<task_id:task_id>/events")
    def follow_task(task_id: str) -> Response:
        caller = identify()
        task = tasks.get(caller, parse_task_id(task_id), TaskView.FULL)
        known = request.headers.get("Last-Event-ID", "")
        request.environ[STREAM] = hub.stream(caller, task, known=known)
        return _stream_response()

    @blueprint.get("/events")
    def follow_tasks() -> Response:
        caller = replace(identify(), request_id="")  # of all that follow the same
        found = parse_query(request.args)
        filters = TaskQuery(
            name_prefix=found.name_prefix, state=found.state, tags=found.tags
        )
        request.environ[STREAM] = changes.stream(
            Subscription(caller, filters),
            known=request.headers.get("Last-Event-ID", ""),
        )
        return _stream_response()

    @blueprint.get("/tasks")
    def watch_tasks() -> Response:
        caller = identify()
        query = replace(parse_query(request.args), view=TaskView.BASIC, explain=True)
        page = tasks.list_page(caller, query)
        return json_response(
            LiveTaskList(
                tasks=list(map(live_summary, page.tasks)),
                next_page_token=page.next_page_token or UNSET,
            )
        )

    return blueprint


def _stream_response() -> Response:
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return Response(headers=headers, mimetype=MEDIA_TYPE)
