"""The record of a task."""

from typing import Any

import pytest
from werkzeug.test import Client

from builders.tasks import make_task_json
from clients.rest_answers import check_problem, document
from fakes.api_scheduler import MemoryScheduler
from tesk.v1 import task_pb2 as pb

DIGEST = "ab" * 32


@pytest.fixture
def ended(client: Client, scheduler: MemoryScheduler) -> str:
    body = make_task_json(
        name="align",
        inputs=[
            {"url": "s3://b/in", "path": "/in"},
            {"content": "x", "path": "/c"},
            {"url": "s3://b/dir", "path": "/dir", "type": "DIRECTORY"},
        ],
        outputs=[{"url": "s3://b/out", "path": "/out"}],
        resources={"cpu_cores": 2},
        executors=[
            {"image": f"tool@sha256:{DIGEST}", "command": ["run", "it"]},
            {"image": "busybox", "command": ["false"]},
        ],
    )
    task_id = str(document(client.post("/v1/tasks", json=body))["id"])
    task = scheduler.tasks[task_id]
    task.state = pb.TASK_STATE_EXECUTOR_ERROR
    log = task.logs.add(
        metadata={"inputs.sha256": f"{DIGEST}  /in\n"}, system_logs=["a note"]
    )
    log.start_time.FromJsonString("2026-01-01T00:00:00Z")
    log.end_time.FromJsonString("2026-01-01T00:01:05Z")
    for code in (0, 1):
        each = log.logs.add(exit_code=code)
        if code == 0:
            each.cpu_seconds, each.max_memory_bytes = 0.5, 512 * 2**20
        each.start_time.FromJsonString("2026-01-01T00:00:05Z")
        each.end_time.FromJsonString("2026-01-01T00:00:06Z")
    task.charged.cpu_cores, task.charged.ram_gb = 2, 4
    log.outputs.add(url="s3://b/out", path="/out", size_bytes=2048)
    task.input_sizes.add(index=0, files=1, size_bytes=3 * 2**20)
    task.input_sizes.add(index=2, files=1200, size_bytes=2**30)
    return task_id


def test_it_tells_what_ran_and_what_came_of_it(client: Client, ended: str) -> None:
    report = document(client.get(f"/tesk/v1/tasks/{ended}/report"))

    assert (report["state"], report["seconds"]) == ("EXECUTOR_ERROR", 65)
    first, second = report["executors"]
    assert (first["image_sha256"], first["exit_code"]) == (DIGEST, 0)
    assert (second["exit_code"], second["seconds"]) == (1, 1)
    assert "image_sha256" not in second
    assert report["inputs"][0]["sha256"] == DIGEST
    assert "url" not in report["inputs"][1]
    assert [
        (each.get("files"), each.get("size_bytes")) for each in report["inputs"]
    ] == [(None, 3 * 2**20), (None, None), (1200, 2**30)]
    assert report["outputs"] == [
        {"path": "/out", "url": "s3://b/out", "size_bytes": 2048}
    ]


def test_it_can_be_read_as_text(client: Client, ended: str) -> None:
    answer = client.get(f"/tesk/v1/tasks/{ended}/report?format=text")
    assert answer.mimetype == "text/plain"
    for line in (
        *("align (", "took: 1 min 5 s", "exit code: 1 after 1 s", "a note"),
        *("size: 3 MiB\n", "size: 1 GiB in 1,200 files\n"),
    ):
        assert line in answer.text


def test_a_name_or_command_makes_no_lines_of_its_own(client: Client) -> None:
    executor = {"image": "busybox", "command": ["sh", "-c", "a\nb\x1b[2J"]}
    body = make_task_json(name="align\nCOMPLETE", executors=[executor])
    task_id = document(client.post("/v1/tasks", json=body))["id"]
    text = client.get(f"/tesk/v1/tasks/{task_id}/report?format=text").text

    assert text.splitlines()[0] == f"align\\nCOMPLETE ({task_id})"
    assert "executor 0: sh -c a\\nb\\x1b[2J\n" in text


def test_it_tells_what_was_used_of_what_is_charged(client: Client, ended: str) -> None:
    report = document(client.get(f"/tesk/v1/tasks/{ended}/report"))
    text = client.get(f"/tesk/v1/tasks/{ended}/report?format=text").text
    crate = document(client.get(f"/tesk/v1/tasks/{ended}/report?format=ro-crate"))

    first, second = report["executors"]
    assert (first["cpu_seconds"], first["max_memory_bytes"]) == (0.5, 512 * 2**20)
    assert not second.keys() & {"cpu_seconds", "max_memory_bytes"}
    assert report["charged"] == {"cpu_cores": 2, "ram_gb": 4}
    used = "used: 500 ms of CPU, 0.5 cores of 2; 512 MiB of memory of 4 GiB"
    assert text.count("used:") == text.count(used) == 1
    entities = {each["@id"]: each for each in crate["@graph"]}
    used_by_first = entities[f"#{ended}/executors/0"]["resourceUsage"]
    assert [entities[each["@id"]]["value"] for each in used_by_first] == [
        "0.5",
        str(512 * 2**20),
    ]
    assert "resourceUsage" not in entities[f"#{ended}/executors/1"]


def test_it_is_a_crate_whose_links_lead_somewhere(client: Client, ended: str) -> None:
    crate = document(client.get(f"/tesk/v1/tasks/{ended}/report?format=ro-crate"))

    entities = {each["@id"]: each for each in crate["@graph"]}
    assert len(entities) == len(crate["@graph"])
    outside = {"https://w3id.org/ro/crate/1.1"}
    kinds = {"https://w3id.org/ro/terms/workflow-run#DockerImage"}
    assert set(links(crate["@graph"])) <= entities.keys() | outside | kinds
    actions = [each for each in entities.values() if each["@type"] == "CreateAction"]
    assert [each["actionStatus"].rpartition("/")[2] for each in actions] == [
        "CompletedActionStatus",
        "FailedActionStatus",
    ]
    assert entities["s3://b/in"]["sha256"] == DIGEST
    assert {"@id": "s3://b/out"} in entities["./"]["hasPart"]
    assert entities["s3://b/in"]["contentSize"] == 3 * 2**20
    assert "contentSize" not in entities["s3://b/dir"]


def links(value: Any) -> list[str]:
    """Return all that is linked, at any depth."""
    if isinstance(value, list):
        return [name for each in value for name in links(each)]
    if not isinstance(value, dict):
        return []
    if set(value) == {"@id"}:
        return [value["@id"]]
    return [name for each in value.values() for name in links(each)]


def test_a_task_that_has_not_begun_has_one(client: Client) -> None:
    body = make_task_json()
    task_id = document(client.post("/v1/tasks", json=body))["id"]
    for kind in ("json", "text", "ro-crate"):
        answer = client.get(f"/tesk/v1/tasks/{task_id}/report?format={kind}")
        assert answer.status_code == 200, answer.text


def test_it_must_be_there_and_of_a_known_format(client: Client, ended: str) -> None:
    check_problem(client.get("/tesk/v1/tasks/t-999/report"), 404)
    check_problem(client.get(f"/tesk/v1/tasks/{ended}/report?format=pdf"), 400)
