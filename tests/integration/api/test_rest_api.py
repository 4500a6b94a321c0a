"""The REST API: routes, headers, bodies."""

from typing import Any

import pytest
from werkzeug.test import Client, TestResponse

from builders.tasks import make_task_json
from clients.rest_answers import create, document
from fakes.api_scheduler import MemoryScheduler
from tesk.v1 import task_pb2 as pb
from tesk_api.http.app import BASES


def raw_get(client: Client, path: str) -> TestResponse:
    """Request a path unchanged; a url would lose doubled slashes."""
    return client.get("/", environ_overrides={"PATH_INFO": path})


@pytest.mark.parametrize("base", BASES.values())
def test_every_operation_is_served_at_every_base(client: Client, base: str) -> None:
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
def test_doubled_slashes_are_not_redirected(client: Client, path: str) -> None:
    create(client)

    answer = raw_get(client, path)

    assert (answer.status_code, document(answer)["id"]) == (200, "t-1")


@pytest.mark.parametrize("base", BASES.values())
def test_the_list_of_tasks_may_end_in_a_slash(client: Client, base: str) -> None:
    created = client.post(f"{base}/tasks/", json=make_task_json())

    assert (created.status_code, document(created)) == (200, {"id": "t-1"})
    assert document(client.get(f"{base}/tasks/"))["tasks"][0]["id"] == "t-1"
    assert client.get(f"{base}/service-info/").status_code == 200


def test_the_first_value_of_a_repeated_parameter_counts(client: Client) -> None:
    create(client, name="n")

    answer = client.get("/v1/tasks/t-1?view=BASIC&view=MINIMAL")

    assert document(answer)["name"] == "n"


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"content_type": "application/json"},
        {"content_type": "application/json", "data": b""},
        {"content_type": "text/plain"},
        {"content_type": "application/json", "data": b"{"},
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
    task = scheduler.tasks[task_id]
    task.reason, task.reason_code = "waiting for 4 cpu: 2 free", "CAPACITY_FULL"

    answer = client.get(f"/tesk/v1/tasks/{task_id}")

    assert document(answer)["reason"] == "waiting for 4 cpu: 2 free"
    assert document(answer)["reason_code"] == "CAPACITY_FULL"
    assert document(answer)["executors"] == []


def test_a_dropped_field_becomes_a_warning(
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


def test_content_may_have_128_kib(client: Client) -> None:
    content = "ä\0\n" * 43691

    task_id = create(client, inputs=[{"path": "/a", "content": content}])

    full = document(client.get(f"/v1/tasks/{task_id}?view=FULL"))
    assert full["inputs"] == [{"path": "/a", "content": content, "type": "FILE"}]


@pytest.mark.parametrize("path", ["tasks", "tasks/t-1", "service-info"])
def test_head_is_get_without_the_body(client: Client, path: str) -> None:
    create(client)

    get = client.get(f"/v1/{path}")
    head = client.head(f"/v1/{path}")

    assert (head.status_code, head.data) == (200, b"")
    assert head.headers["Content-Type"] == get.headers["Content-Type"]
    assert head.headers["Content-Length"] == get.headers["Content-Length"]


def test_head_and_options_have_no_body(client: Client) -> None:
    head = client.head("/v1/tasks")
    options = client.options("/v1/tasks")

    assert (head.status_code, head.data) == (200, b"")
    assert options.status_code == 200
    assert "POST" in options.headers["Allow"]


IDS = {
    "a harmless one is kept": ("run-1:a/b", "run-1:a/b"),
    "a hostile one is replaced": ("a\tb", "request-1"),
    "a long one is replaced": ("a" * 65, "request-1"),
    "none is given": (None, "request-1"),
}


@pytest.mark.parametrize(("sent", "want"), IDS.values(), ids=IDS)
def test_a_request_id_is_returned_or_made(
    client: Client, scheduler: MemoryScheduler, sent: str | None, want: str
) -> None:
    headers = {"X-Request-Id": sent} if sent else {}

    answer = client.post("/v1/tasks", json=make_task_json(), headers=headers)

    assert answer.headers["X-Request-Id"] == want
    assert scheduler.created[0].caller.request_id == want


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


def test_the_interactive_page_loads_from_this_server_alone(client: Client) -> None:
    page = client.get("/ui").text

    assert "http://" not in page.replace("http://localhost", "")
    assert "https://" not in page
    assert client.get("/ui/swagger-ui-bundle.js").status_code == 200
    assert client.get("/ui/..%2f__init__.py").status_code == 404


def test_the_index_links_to_served_paths(client: Client) -> None:
    links = document(client.get("/"))
    del links["name"]

    assert links.pop("tes") == "/ga4gh/tes/v1"
    assert {client.get(path).status_code for path in links.values()} == {200}
