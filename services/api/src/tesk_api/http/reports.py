"""Serves the record of a task, an extension of TESK."""

import json

from flask import Blueprint, Response, request

from tesk.v1 import task_pb2 as pb
from tesk_api.domain.report import format_report, report_of
from tesk_api.domain.run_crate import crate_of
from tesk_api.http.identity import Identify
from tesk_api.http.tasks import parse_task_id
from tesk_api.http.views import read_task
from tesk_api.ports import TaskGateway
from tesk_model.errors import InvalidRequestError, Violation
from tesk_model.task import TaskView

FORMATS = ("json", "text", "ro-crate")


def reports_blueprint(tasks: TaskGateway[pb.Task], identify: Identify) -> Blueprint:
    """Return ``/tesk/v1/tasks/{id}/report``."""
    blueprint = Blueprint("reports", __name__, url_prefix="/tesk/v1")

    @blueprint.get("/tasks/<task_id:task_id>/report")
    def report(task_id: str) -> Response:
        caller = identify()
        kind = request.args.get("format") or "json"
        if kind not in FORMATS:
            problem = f"must be one of {', '.join(FORMATS)}"
            raise InvalidRequestError([Violation("format", problem)])
        found = parse_task_id(task_id)
        record = report_of(read_task(tasks.get(caller, found, TaskView.FULL)))
        if kind == "text":
            return Response(format_report(record), mimetype="text/plain")
        document = crate_of(record, request.host_url) if kind == "ro-crate" else record
        text = json.dumps(document, indent=2, ensure_ascii=False)
        return Response(text + "\n", mimetype="application/json")

    return blueprint
