"""Checks of tasks over REST and by the page, on a scheduler in memory."""

import json
import re
from typing import Any

import pytest
from werkzeug.test import Client

from builders.tasks import make_task_json
from clients.rest_answers import check_problem, document
from fakes.api_scheduler import MemoryScheduler
from fakes.api_server import make_client
from tesk.v1 import task_pb2
from tesk.v1 import task_service_pb2 as pb
from tesk_api.domain.requests import Caller
from tesk_api.domain.task_checks import Outlook, StorageResult, task_check
from tesk_api.http.app import AppOptions
from tesk_api.http.task_checks import StorageLook, checked_task
from tesk_model.errors import (
    InvalidRequestError,
    ResourceExhaustedError,
    UnavailableError,
    Violation,
)
from tesk_model.task import Task
from tesk_model.task_checks import LocationCheck
from tesk_runtime.rpc.status import status_from_error

CHECK = "/tesk/v1/tasks:check"
HOSTILE = "<script>alert(1)</script>"
FILES: dict[str, Any] = {
    "inputs": [{"path": "/in", "url": "s3://b/in"}],
    "outputs": [{"path": "/out", "url": "s3://b/out"}],
}


class KnownStorage:
    """Has one input, of one name, and knows nothing of outputs."""

    def __init__(self, message: str = "its first byte was read") -> None:
        self.message = message
        self.asked: list[tuple[Caller, Task]] = []

    def check(self, caller: Caller, task: Task) -> StorageResult:
        self.asked.append((caller, task))
        fields: dict[str, Any] = {
            "path": "/in",
            "url": "s3://b/in",
            "message": self.message,
        }
        return StorageResult(
            checks=(
                LocationCheck(
                    field="inputs[0]",
                    verdict="ok",
                    type="FILE",
                    size_bytes=2**40,
                    **fields,
                ),
                LocationCheck(field="outputs[0]", verdict="unknown", **fields),
            )
        )


def check(client: Client, **fields: Any) -> Any:
    answer = client.post(CHECK, json=make_task_json(**fields))
    assert answer.status_code == 200, answer.text
    return document(answer)


def test_a_valid_task_would_run_and_is_not_created(
    client: Client, scheduler: MemoryScheduler
) -> None:
    found = check(client)

    assert found == {
        "accepted": True,
        "would_run": True,
        "findings": [],
        "storage": {"checked": True},
        "limits": [],
        "placement": {"runtime": "machine"},
        "starts_at_once": True,
    }
    assert not scheduler.created
    assert not scheduler.tasks


def test_a_document_that_is_no_task_is_told_all_its_errors(
    client: Client, scheduler: MemoryScheduler
) -> None:
    found = check(client, executors=[], inputs=[{"path": "relative", "url": "s3://b"}])

    assert not found["accepted"]
    assert {each["path"] for each in found["findings"]} >= {"executors"}
    assert found["storage"] == {
        "checked": False,
        "reason": "the task is not valid",
    }
    assert not scheduler.checked


@pytest.mark.parametrize("body", [b"", b"{", b"\xff"])
def test_what_is_no_json_is_refused(client: Client, body: bytes) -> None:
    check_problem(client.post(CHECK, data=body, content_type="application/json"), 400)


def test_without_anybody_who_looks_at_storages_the_result_says_so(
    client: Client,
) -> None:
    found = check(client, **FILES)

    assert found["would_run"]
    assert found["storage"]["checked"] is False
    assert "nothing that looks at storages" in found["storage"]["reason"]
    assert "inputs" not in found
    [finding] = found["findings"]
    assert "grpc.storage" in finding["cure"]


def test_what_was_too_much_to_look_at_is_told_beside_any_number_of_findings() -> None:
    failed = tuple(
        LocationCheck(
            field=f"inputs[{number}]",
            path="/p",
            url="s3://b/k",
            verdict="failed",
            message="m",
        )
        for number in range(200)
    )
    check = task_check((), Outlook(), StorageResult(checks=failed, omitted=7))

    assert checked_task(check).storage == StorageLook(checked=True, omitted=7)


def test_what_storages_say_is_told_by_input_and_output(
    scheduler: MemoryScheduler,
) -> None:
    storage = KnownStorage()

    found = check(make_client(scheduler, storage=storage), **FILES)

    assert found["storage"] == {"checked": True}
    [entry], [output] = found["inputs"], found["outputs"]
    assert (entry["verdict"], entry["type"]) == ("ok", "FILE")
    assert entry["size_bytes"] == str(2**40)
    assert output["verdict"] == "unknown"
    assert [each["path"] for each in found["findings"]] == ["outputs[0].url"]


def test_limits_and_waits_are_told_as_data(
    client: Client, scheduler: MemoryScheduler
) -> None:
    scheduler.outlook = pb.CheckTaskResponse(
        forecast=pb.TaskForecast(
            limits=[
                pb.LimitUse(
                    scope="user",
                    subject="alice",
                    dimension="running",
                    used=2,
                    limit=2,
                    needed=1,
                )
            ],
            placement=pb.Placement(
                runtime="cluster", namespaces=["a", "b"], nodes=3, fitting_nodes=0
            ),
            reason="alice: 2 of 2 tasks running",
            reason_code="QUOTA_FULL",
            wait=task_pb2.Wait(
                remedy="starts when …",
                position=1,
                nodes=[task_pb2.WaitNodes(cause="c", nodes=2)],
            ),
        )
    )

    found = check(client)

    assert found["limits"] == [
        {
            "scope": "user",
            "subject": "alice",
            "dimension": "running",
            "used": 2,
            "limit": 2,
            "needed": 1,
        }
    ]
    assert found["placement"]["fitting_nodes"] == 0
    assert found["starts_at_once"] is False
    assert found["reason_code"] == "QUOTA_FULL"
    assert found["wait"]["nodes"] == [{"cause": "c", "nodes": 2}]


def test_a_refusal_names_the_field(client: Client, scheduler: MemoryScheduler) -> None:
    error = InvalidRequestError([Violation("resources.cpu_cores", "64 exceeds …")])
    scheduler.outlook = pb.CheckTaskResponse(refusal=status_from_error(error))

    found = check(client)

    assert not found["accepted"]
    [finding] = found["findings"]
    assert finding["path"] == "resources.cpu_cores"
    assert finding["severity"] == "error"


def test_a_scheduler_that_does_not_answer_is_an_error(
    client: Client, scheduler: MemoryScheduler
) -> None:
    scheduler.error = UnavailableError("the scheduler restarts")

    check_problem(client.post(CHECK, json=make_task_json()), 503)


def test_too_many_urls_of_late_are_refused_for_now(scheduler: MemoryScheduler) -> None:
    class Busy:
        def check(self, _caller: Caller, _task: Task) -> StorageResult:
            raise ResourceExhaustedError("too many urls")

    client = make_client(scheduler, storage=Busy())

    answer = client.post(CHECK, json=make_task_json(**FILES))

    check_problem(answer, 429)
    assert answer.headers["Retry-After"]


def test_a_body_may_be_as_large_as_that_of_a_creation(
    scheduler: MemoryScheduler,
) -> None:
    client = make_client(scheduler, AppOptions(body_limit=2000))

    check_problem(client.post(CHECK, json=make_task_json(description="x" * 3000)), 413)


@pytest.mark.parametrize("path", [CHECK])
def test_only_post_is_served(client: Client, path: str) -> None:
    assert client.get(path).status_code == 405


def submit_check(client: Client, text: str) -> str:
    page = client.get("/web/submit").text
    token = re.search(r'name="form_token" value="([^"]+)"', page)
    assert token
    answer = client.post(
        "/web/submit/check", data={"form_token": token[1], "document": text}
    )
    assert answer.status_code == 200, answer.text
    return answer.text


def test_the_page_checks_before_it_submits(scheduler: MemoryScheduler) -> None:
    client = make_client(scheduler, storage=KnownStorage(HOSTILE))
    text = json.dumps(make_task_json(inputs=FILES["inputs"]))

    found = submit_check(client, text)

    assert "It would run" in found
    assert "1 TiB" in found
    assert HOSTILE not in found
    assert "&lt;script&gt;alert(1)" in found
    assert "s3://b/in" in found  # the form keeps its text
    assert not scheduler.created


def test_the_page_names_what_stops_a_task(client: Client) -> None:
    found = submit_check(client, '{"executors": []}')

    assert "It would not run" in found
    assert "executors" in found


def test_the_page_checks_no_form_of_another_site(client: Client) -> None:
    answer = client.post("/web/submit/check", data={"document": "{}"})

    assert answer.status_code == 403
