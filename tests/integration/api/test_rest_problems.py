"""Errors of the REST API."""

import json
from datetime import timedelta
from typing import Any

import pytest
from werkzeug.test import Client

from builders.tasks import make_task_json
from clients.rest_answers import check_problem
from fakes.api_scheduler import MemoryScheduler
from fakes.api_server import make_client
from tesk_api.http.app import AppOptions
from tesk_model.errors import (
    InternalError,
    InvalidRequestError,
    PermissionDeniedError,
    ResourceExhaustedError,
    UnavailableError,
    Violation,
)

UNANSWERED: dict[str, tuple[str, str, int]] = {
    "no such path": ("GET", "/nothing", 404),
    "no such task": ("GET", "/v1/tasks/nothing", 404),
    "an id in capitals": ("GET", "/v1/tasks/T-1", 404),
    "an id with a slash": ("GET", "/v1/tasks/a%2Fb", 404),
    "an id that climbs": ("GET", "/v1/tasks/..%2f..", 404),
    "an id with NUL": ("GET", "/v1/tasks/a%00", 404),
    "cancel of no such task": ("POST", "/v1/tasks/nothing:cancel", 404),
    "another verb of a task": ("POST", "/v1/tasks/nothing:stop", 404),
    "live view of no such task": ("GET", "/tesk/v1/tasks/nothing", 404),
    "a wrong view": ("GET", "/v1/tasks?view=full", 400),
    "a wrong token": ("GET", "/v1/tasks?page_token=x", 400),
}


@pytest.mark.parametrize(
    ("method", "path", "status"), UNANSWERED.values(), ids=UNANSWERED
)
def test_errors_are_problem_documents(
    client: Client, method: str, path: str, status: int
) -> None:
    check_problem(client.open(path, method=method), status)


METHODS = {
    "/v1/tasks": ("DELETE", "GET, HEAD, OPTIONS, POST"),
    "/v1/tasks/t-1": ("POST", "GET, HEAD, OPTIONS"),
    "/v1/tasks/t-1:cancel": ("GET", "OPTIONS, POST"),
    "/v1/service-info": ("PUT", "GET, HEAD, OPTIONS"),
}


@pytest.mark.parametrize(("path", "case"), METHODS.items(), ids=METHODS)
def test_a_wrong_method_is_refused_with_those_allowed(
    client: Client, path: str, case: tuple[str, str]
) -> None:
    method, allowed = case

    answer = client.open(path, method=method)

    check_problem(answer, 405)
    assert answer.headers["Allow"] == allowed


def test_all_problems_of_a_body_are_listed(client: Client) -> None:
    answer = client.post("/v1/tasks", json={"executors": [{"command": []}], "name": 1})

    found = check_problem(answer, 400)
    assert found["errors"] == [
        {"path": "name", "message": "must be a string"},
        {"path": "executors[0].image", "message": "is required"},
        {
            "path": "executors[0].command",
            "message": "must have at least one item",
        },
    ]
    assert found["message"] == (
        "name: must be a string; executors[0].image: is required; "
        "executors[0].command: must have at least one item"
    )


ONE_TASK = json.dumps(make_task_json()).encode()
MEDIA: dict[str, tuple[dict[str, str], int]] = {
    "JSON": ({"Content-Type": "application/json"}, 200),
    "JSON with charset": ({"Content-Type": "Application/JSON; charset=utf-8"}, 200),
    "none, as a page sends it without being asked": ({}, 415),
    "a form (curl -d)": ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
    "XML": ({"Content-Type": "application/xml"}, 415),
    "gzip": ({"Content-Type": "application/json", "Content-Encoding": "gzip"}, 415),
}


@pytest.mark.parametrize(("headers", "status"), MEDIA.values(), ids=MEDIA)
def test_media_types_are_checked(
    client: Client, headers: dict[str, str], status: int
) -> None:
    answer = client.post("/v1/tasks", data=ONE_TASK, headers=headers)

    assert answer.status_code == status


def test_a_body_over_the_limit_is_refused(scheduler: MemoryScheduler) -> None:
    client = make_client(scheduler, AppOptions(body_limit=len(ONE_TASK)))

    kind = "application/json"
    fits = client.post("/v1/tasks", data=ONE_TASK, content_type=kind)
    answer = client.post("/v1/tasks", data=ONE_TASK + b" ", content_type=kind)

    assert fits.status_code == 200
    check_problem(answer, 413)


SECOND = timedelta(seconds=1)
REFUSALS = {
    "larger than a limit": (
        InvalidRequestError([Violation("resources.cpu_cores", "at most 8")]),
        400,
        None,
    ),
    "may not create": (PermissionDeniedError("not you"), 403, None),
    "too many queued": (ResourceExhaustedError("too many", 2.5 * SECOND), 429, "3"),
    "store not writable": (UnavailableError("disk full"), 503, "1"),
}


@pytest.mark.parametrize(("error", "status", "delay"), REFUSALS.values(), ids=REFUSALS)
def test_errors_of_the_scheduler_have_their_status(
    client: Client,
    scheduler: MemoryScheduler,
    error: Any,
    status: int,
    delay: str | None,
) -> None:
    scheduler.refusal = error

    answer = client.post("/v1/tasks", json=make_task_json())

    found = check_problem(answer, status)
    assert error.message in found["message"]
    assert answer.headers.get("Retry-After") == delay


def test_an_unavailable_scheduler_has_created_nothing(
    client: Client, scheduler: MemoryScheduler
) -> None:
    scheduler.error = UnavailableError("down")

    answer = client.post("/v1/tasks", json=make_task_json())

    assert check_problem(answer, 503)["message"] == (
        "down; unless it answers later, no task was created"
    )
    check_problem(client.get("/v1/tasks"), 503)
    check_problem(client.get("/readyz"), 503)
    assert client.get("/healthz").status_code == 200


def test_bugs_of_the_scheduler_are_not_disclosed(
    client: Client, scheduler: MemoryScheduler
) -> None:
    scheduler.error = InternalError("secret details")

    found = check_problem(client.get("/v1/tasks"), 500)

    assert found["message"] == "internal error"
