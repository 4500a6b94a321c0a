"""The REST API as clients meet it: routes, statuses, headers, bodies."""

import json
from datetime import timedelta
from typing import Any, cast

import pytest
from werkzeug.test import Client, TestResponse

from builders import make_task_json
from fakes.api_scheduler import MemoryScheduler
from fakes.api_server import make_client
from tesk.v1 import task_pb2 as pb
from tesk_api.domain.requests import Caller
from tesk_api.http.app import BASES, AppOptions
from tesk_api.ports import Authenticator
from tesk_model.errors import (
    InternalError,
    InvalidRequestError,
    PermissionDeniedError,
    ResourceExhaustedError,
    UnauthenticatedError,
    UnavailableError,
    Violation,
)

PROBLEM = "application/problem+json"


@pytest.fixture
def scheduler() -> MemoryScheduler:
    return MemoryScheduler()


@pytest.fixture
def client(scheduler: MemoryScheduler) -> Client:
    return make_client(scheduler)


def document(answer: TestResponse) -> Any:
    """Return the JSON of an answer."""
    return answer.json


def create(client: Client, **fields: Any) -> str:
    answer = client.post("/v1/tasks", json=make_task_json(**fields))
    assert answer.status_code == 200, answer.text
    return str(document(answer)["id"])


def raw_get(client: Client, path: str) -> TestResponse:
    """Ask for a path as it is; a url would lose doubled slashes."""
    return client.get("/", environ_overrides={"PATH_INFO": path})


@pytest.mark.parametrize("base", BASES.values())
def test_every_operation_at_every_base(client: Client, base: str) -> None:
    created = client.post(f"{base}/tasks", json=make_task_json(tags={"a": "b"}))
    task_id = document(created)["id"]

    assert (created.status_code, document(created)) == (200, {"id": task_id})
    want = {"id": task_id, "state": "QUEUED"}
    assert document(client.get(f"{base}/tasks/{task_id}")) == want
    assert document(client.get(f"{base}/tasks")) == {"tasks": [want]}
    assert document(client.get(f"{base}/tasks?tag_key=a&tag_value=c")) == {"tasks": []}
    canceled = client.post(f"{base}/tasks/{task_id}:cancel")
    assert (canceled.status_code, document(canceled)) == (200, {})
    assert canceled.content_type == "application/json"
    assert document(client.get(f"{base}/tasks/{task_id}"))["state"] == "CANCELED"
    assert document(client.get(f"{base}/service-info"))["id"] == "org.example.tes"


def test_service_info_is_that_of_the_specification(client: Client) -> None:
    assert document(client.get("/ga4gh/tes/v1/service-info")) == {
        "id": "org.example.tes",
        "name": "Example",
        "type": {"group": "org.ga4gh", "artifact": "tes", "version": "1.1.0"},
        "description": "for tests",
        "organization": {"name": "Example", "url": "https://example.org"},
        "contactUrl": "https://example.org/contact",
        "createdAt": "2026-01-01T00:00:00Z",
        "version": "0.1.0",
        "storage": ["s3://", "file:///data/"],
        "tesResources_backend_parameters": ["VmSize"],
    }


@pytest.mark.parametrize("base", BASES.values())
def test_the_service_info_of_tes_1_0_has_three_keys(client: Client, base: str) -> None:
    assert document(client.get(f"{base}/tasks/service-info")) == {
        "name": "Example",
        "doc": "for tests",
        "storage": ["s3://", "file:///data/"],
    }


SAME_PATH = {
    "doubled slash at the front": "//v1/tasks/t-1",
    "doubled slashes everywhere": "//ga4gh//tes/v1//tasks///t-1",
    "a slash at the end": "/v1/tasks/t-1/",
}


@pytest.mark.parametrize("path", SAME_PATH.values(), ids=SAME_PATH)
def test_slashes_too_many_are_no_redirect(client: Client, path: str) -> None:
    create(client)

    answer = raw_get(client, path)

    assert (answer.status_code, document(answer)["id"]) == (200, "t-1")


@pytest.mark.parametrize("base", BASES.values())
def test_the_list_of_tasks_may_end_in_a_slash(client: Client, base: str) -> None:
    created = client.post(f"{base}/tasks/", json=make_task_json())

    assert (created.status_code, document(created)) == (200, {"id": "t-1"})
    assert document(client.get(f"{base}/tasks/"))["tasks"][0]["id"] == "t-1"
    assert client.get(f"{base}/service-info/").status_code == 200


def test_the_first_of_a_parameter_given_twice_counts(client: Client) -> None:
    create(client, name="n")

    answer = client.get("/v1/tasks/t-1?view=BASIC&view=MINIMAL")

    assert document(answer)["name"] == "n"


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"content_type": "application/json"},
        {"content_type": "application/json", "data": b""},
        {"content_type": "text/plain", "data": b"{"},
    ],
)
def test_cancel_reads_no_body(client: Client, fields: dict[str, Any]) -> None:
    task_id = create(client)

    answer = client.post(f"/v1/tasks/{task_id}%3Acancel", **fields)

    assert (answer.status_code, document(answer)) == (200, {})


def test_cancel_leaves_a_final_task_as_it_is(
    client: Client, scheduler: MemoryScheduler
) -> None:
    task_id = create(client)
    scheduler.tasks[task_id].state = pb.TASK_STATE_COMPLETE

    answer = client.post(f"/v1/tasks/{task_id}:cancel")

    assert answer.status_code == 200
    assert document(client.get(f"/v1/tasks/{task_id}"))["state"] == "COMPLETE"


def test_pages_end_without_token(client: Client) -> None:
    for _ in range(2):
        create(client)

    first = document(client.get("/v1/tasks?page_size=1"))
    last = document(
        client.get(
            "/v1/tasks",
            query_string={"page_size": 1, "page_token": first["next_page_token"]},
        )
    )

    assert [task["id"] for task in first["tasks"] + last["tasks"]] == ["t-2", "t-1"]
    assert "next_page_token" not in last


def test_the_live_view_is_an_extension(
    client: Client, scheduler: MemoryScheduler
) -> None:
    task_id = create(client)
    scheduler.tasks[task_id].reason = "waiting for 4 cpu: 2 free"

    answer = client.get(f"/tesk/v1/tasks/{task_id}")

    assert document(answer)["reason"] == "waiting for 4 cpu: 2 free"
    assert document(answer)["executors"] == []


def test_what_was_dropped_becomes_a_warning(
    client: Client, scheduler: MemoryScheduler
) -> None:
    create(client, cpuCores=2)

    assert list(scheduler.created[0].warnings) == ["unknown fields ignored: cpuCores"]


def test_the_clients_idempotency_key_is_used(
    client: Client, scheduler: MemoryScheduler
) -> None:
    headers = {"Idempotency-Key": "mine"}

    ids = [
        document(client.post("/v1/tasks", json=make_task_json(), headers=headers))["id"]
        for _ in range(2)
    ]

    assert ids[0] == ids[1]
    assert scheduler.created[0].idempotency_key == "mine"


def test_every_create_has_a_key(client: Client, scheduler: MemoryScheduler) -> None:
    create(client)
    create(client)

    keys = [request.idempotency_key for request in scheduler.created]
    assert len(set(keys)) == 2
    assert all(keys)


def check_problem(answer: TestResponse, status: int) -> Any:
    """Check that the answer is a problem document; return it."""
    assert answer.status_code == status, answer.text
    assert answer.content_type == PROBLEM
    found = document(answer)
    assert found["status"] == status
    assert found["message"] == found["detail"]
    assert found["type"] == "about:blank"
    assert found["title"]
    return found


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
def test_problems(client: Client, method: str, path: str, status: int) -> None:
    check_problem(client.open(path, method=method), status)


METHODS = {
    "/v1/tasks": ("DELETE", "GET, HEAD, OPTIONS, POST"),
    "/v1/tasks/t-1": ("POST", "GET, HEAD, OPTIONS"),
    "/v1/tasks/t-1:cancel": ("GET", "OPTIONS, POST"),
    "/v1/service-info": ("PUT", "GET, HEAD, OPTIONS"),
}


@pytest.mark.parametrize(("path", "case"), METHODS.items(), ids=METHODS)
def test_wrong_methods_are_told_the_right_ones(
    client: Client, path: str, case: tuple[str, str]
) -> None:
    method, allowed = case

    answer = client.open(path, method=method)

    check_problem(answer, 405)
    assert answer.headers["Allow"] == allowed


@pytest.mark.parametrize("path", ["tasks", "tasks/t-1", "service-info"])
def test_head_is_get_without_the_body(client: Client, path: str) -> None:
    create(client)

    get = client.get(f"/v1/{path}")
    head = client.head(f"/v1/{path}")

    assert (head.status_code, head.data) == (200, b"")
    assert head.headers["Content-Type"] == get.headers["Content-Type"]
    assert head.headers["Content-Length"] == get.headers["Content-Length"]


def test_options_need_no_credentials(scheduler: MemoryScheduler) -> None:
    client = make_client(scheduler, authenticator=cast("Authenticator", Names()))

    for path in ("/v1/tasks", "/v1/tasks/t-1", "/v1/tasks/t-1:cancel"):
        assert client.options(path).status_code == 200


def test_head_and_options_are_sane(client: Client) -> None:
    head = client.head("/v1/tasks")
    options = client.options("/v1/tasks")

    assert (head.status_code, head.data) == (200, b"")
    assert options.status_code == 200
    assert "POST" in options.headers["Allow"]


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
    "none": ({}, 200),
    "a form (curl -d)": ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
    "XML": ({"Content-Type": "application/xml"}, 415),
    "gzip": ({"Content-Type": "application/json", "Content-Encoding": "gzip"}, 415),
}


@pytest.mark.parametrize(("headers", "status"), MEDIA.values(), ids=MEDIA)
def test_media_types(client: Client, headers: dict[str, str], status: int) -> None:
    answer = client.post("/v1/tasks", data=ONE_TASK, headers=headers)

    assert answer.status_code == status


def test_a_body_over_the_limit_is_refused(scheduler: MemoryScheduler) -> None:
    client = make_client(scheduler, AppOptions(body_limit=len(ONE_TASK)))

    fits = client.post("/v1/tasks", data=ONE_TASK)
    answer = client.post("/v1/tasks", data=ONE_TASK + b" ")

    assert fits.status_code == 200
    check_problem(answer, 413)


def test_128_kib_of_content_pass(client: Client) -> None:
    content = "ä\0\n" * 43691

    task_id = create(client, inputs=[{"path": "/a", "content": content}])

    full = document(client.get(f"/v1/tasks/{task_id}?view=FULL"))
    assert full["inputs"] == [{"path": "/a", "content": content, "type": "FILE"}]


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
def test_refusals_of_the_scheduler(
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


def test_a_scheduler_that_is_down_created_nothing(
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


def test_bugs_of_the_scheduler_tell_nothing(
    client: Client, scheduler: MemoryScheduler
) -> None:
    scheduler.error = InternalError("secret details")

    found = check_problem(client.get("/v1/tasks"), 500)

    assert found["message"] == "internal error"


class Names:
    """Takes the Authorization header for the name of the user."""

    challenge = 'Basic realm="x"'

    def authenticate(self, authorization: str | None) -> Caller:
        if not authorization:
            raise UnauthenticatedError("who are you?")
        return Caller(user=authorization)


def test_users_see_their_own_tasks_only(scheduler: MemoryScheduler) -> None:
    client = make_client(scheduler, authenticator=cast("Authenticator", Names()))
    alice, bob = {"Authorization": "alice"}, {"Authorization": "bob"}
    client.post("/v1/tasks", json=make_task_json(), headers=alice)

    assert client.get("/v1/tasks/t-1", headers=alice).status_code == 200
    check_problem(client.get("/v1/tasks/t-1", headers=bob), 404)
    check_problem(client.post("/v1/tasks/t-1:cancel", headers=bob), 404)
    assert document(client.get("/v1/tasks", headers=bob)) == {"tasks": []}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/tasks"),
        ("POST", "/v1/tasks"),
        ("GET", "/v1/tasks/t-1"),
        ("POST", "/v1/tasks/t-1:cancel"),
        ("GET", "/tesk/v1/tasks/t-1"),
    ],
)
def test_tasks_need_credentials(
    scheduler: MemoryScheduler, method: str, path: str
) -> None:
    client = make_client(scheduler, authenticator=cast("Authenticator", Names()))

    answer = client.open(path, method=method)

    check_problem(answer, 401)
    assert answer.headers["WWW-Authenticate"] == 'Basic realm="x"'
    assert client.get("/v1/service-info").status_code == 200


IDS = {
    "a harmless one is kept": ("run-1:a/b", "run-1:a/b"),
    "a hostile one is replaced": ("a\tb", "request-1"),
    "a long one is replaced": ("a" * 65, "request-1"),
    "none is given": (None, "request-1"),
}


@pytest.mark.parametrize(("sent", "want"), IDS.values(), ids=IDS)
def test_request_ids(
    client: Client, scheduler: MemoryScheduler, sent: str | None, want: str
) -> None:
    headers = {"X-Request-Id": sent} if sent else {}

    answer = client.post("/v1/tasks", json=make_task_json(), headers=headers)

    assert answer.headers["X-Request-Id"] == want
    assert scheduler.created[0].caller.request_id == want


def test_other_origins_only_by_setting(scheduler: MemoryScheduler) -> None:
    page = {"Origin": "https://page.example"}
    closed = make_client(scheduler)
    opened = make_client(scheduler, AppOptions(cors_origins=("https://page.example",)))

    assert (
        "Access-Control-Allow-Origin"
        not in closed.get("/v1/tasks", headers=page).headers
    )
    for answer in (
        opened.get("/v1/tasks", headers=page),
        opened.get("/v1/tasks/nothing", headers=page),
        opened.options(
            "/v1/tasks", headers=page | {"Access-Control-Request-Method": "POST"}
        ),
    ):
        assert answer.headers["Access-Control-Allow-Origin"] == "https://page.example"
    other = opened.get("/v1/tasks", headers={"Origin": "https://other.example"})
    assert "Access-Control-Allow-Origin" not in other.headers


def test_metrics_count_by_route_and_status(client: Client) -> None:
    client.get("/v1/tasks/nothing")
    client.get("/v1/tasks/nothing-else")
    client.open("/v1/tasks", method="BREW")
    client.get("/a-path-nobody-knows")

    text = client.get("/metrics").text

    count = "tesk_api_request_seconds_count"
    route = "/v1/tasks/<task_id:task_id>"
    assert f'{count}{{method="GET",route="{route}",status="404"}} 2.0' in text
    assert f'{count}{{method="GET",route="unmatched",status="404"}} 1.0' in text
    assert 'method="other"' in text
    assert "nobody" not in text


def test_the_interactive_page_needs_nothing_from_elsewhere(client: Client) -> None:
    page = client.get("/ui").text

    assert "http://" not in page.replace("http://localhost", "")
    assert "https://" not in page
    assert client.get("/ui/swagger-ui-bundle.js").status_code == 200
    assert client.get("/ui/..%2f__init__.py").status_code == 404


def test_the_index_leads_to_what_there_is(client: Client) -> None:
    links = document(client.get("/"))
    del links["name"]

    assert links.pop("tes") == "/ga4gh/tes/v1"
    assert {client.get(path).status_code for path in links.values()} == {200}
