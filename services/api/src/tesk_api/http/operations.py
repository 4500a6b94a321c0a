"""Serves the index, health, metrics and the OpenAPI document."""

import logging
from typing import Any

from flask import Blueprint, Response, redirect, request
from flask_swagger_ui import (  # type: ignore[import-untyped]  # it ships no types
    get_swaggerui_blueprint,
)
from werkzeug.wrappers import Response as BaseResponse

from tesk.v1 import task_pb2 as pb
from tesk_api.http.browser_checks import set_page_policy
from tesk_api.http.metrics import MEDIA_TYPE, RequestMetrics
from tesk_api.http.responses import Health, json_response
from tesk_api.http.web.pages import PREFIX
from tesk_api.ports import TaskGateway
from tesk_model.errors import TeskError

_logger = logging.getLogger(__name__)
# The first is for whoever takes anything: programs.
_INDEX_TYPES = ("application/json", "text/html")
_INDEX = {
    "name": "TESK",
    "tes": "/ga4gh/tes/v1",
    "service_info": "/ga4gh/tes/v1/service-info",
    "openapi": "/openapi.json",
    "ui": "/ui",
    "pages": "/web",
    "health": "/healthz",
    "ready": "/readyz",
}


def operations_blueprint(
    *,
    tasks: TaskGateway[pb.Task],
    metrics: RequestMetrics | None,
    document: dict[str, Any],
) -> Blueprint:
    """Return the index, health, readiness, metrics and the OpenAPI document.

    Args:
        tasks: The gateway whose readiness is reported.
        metrics: None if they are served elsewhere.
        document: OpenAPI.
    """
    blueprint = Blueprint("operations", __name__)
    readiness = _Readiness(tasks)

    @blueprint.get("/")
    def index() -> BaseResponse:
        if request.accept_mimetypes.best_match(_INDEX_TYPES) == "text/html":
            return redirect(f"{PREFIX}/tasks")
        return json_response(_INDEX | ({"metrics": "/metrics"} if metrics else {}))

    @blueprint.get("/healthz")
    def healthz() -> Response:
        return json_response(Health(status="ok"))

    @blueprint.get("/readyz")
    def readyz() -> Response:
        readiness.check()
        return json_response(Health(status="ok"))

    if metrics is not None:
        blueprint.add_url_rule(
            "/metrics",
            view_func=lambda: Response(metrics.render(), content_type=MEDIA_TYPE),
            endpoint="metrics",
        )

    @blueprint.get("/openapi.json")
    def openapi() -> Response:
        return json_response(document)

    return blueprint


def ui_blueprint() -> Blueprint:
    """Return the interactive page, with all its resources."""
    page: Blueprint = get_swaggerui_blueprint(
        "/ui", "/openapi.json", config={"app_name": "TESK", "validatorUrl": None}
    )
    set_page_policy(page)
    return page


class _Readiness:
    """Checks the scheduler; logs when its readiness changes."""

    def __init__(self, tasks: TaskGateway[pb.Task]) -> None:
        self._tasks = tasks
        self._failing = False

    def check(self) -> None:
        """Return if the scheduler serves, else raise why not."""
        try:
            self._tasks.check()
        except TeskError as error:
            if not self._failing:
                # The cause names the scheduler's address, which clients are not told.
                inner = error.__cause__
                cause = inner if isinstance(inner, TeskError) else error
                _logger.warning("not ready", extra={"cause": cause.message})
            self._failing = True
            raise
        if self._failing:
            _logger.info("ready again")
        self._failing = False
