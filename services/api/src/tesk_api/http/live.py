"""Serves the live view, an extension of TESK: a task while it runs.

TES shows an executor only when it has ended; the live view has its output before.
"""

from flask import Blueprint, Response

from tesk.v1 import task_pb2 as pb
from tesk_api.http.identity import Identify
from tesk_api.http.responses import json_response
from tesk_api.http.tasks import parse_task_id
from tesk_api.http.views import live_view
from tesk_api.ports import TaskGateway
from tesk_model.task import TaskView


def live_blueprint(tasks: TaskGateway[pb.Task], identify: Identify) -> Blueprint:
    """Return ``/tesk/v1/tasks/{id}``."""
    blueprint = Blueprint("live", __name__, url_prefix="/tesk/v1")

    @blueprint.get("/tasks/<task_id:task_id>")
    def watch_task(task_id: str) -> Response:
        task = tasks.get(identify(), parse_task_id(task_id), TaskView.FULL)
        return json_response(live_view(task))

    return blueprint
