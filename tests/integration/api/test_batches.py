"""Many tasks in one request."""

from typing import Any

import pytest
from werkzeug.test import Client

from builders.tasks import make_task_json
from clients.rest_answers import create, document
from tesk_api.http.batches import MAX_TASKS

BATCH = "/tesk/v1/tasks:batch"
FAULTY = make_task_json(executors=[])


def names_of(client: Client) -> list[str]:
    answer = document(client.get("/v1/tasks?view=BASIC"))
    return [task["name"] for task in answer["tasks"]]


def test_each_task_has_a_result_in_its_place(client: Client) -> None:
    tasks = [make_task_json(name="a"), FAULTY, make_task_json(name="b")]

    answer = client.post(BATCH, json={"tasks": tasks})

    first, refused, last = document(answer)["results"]
    assert answer.status_code == 200
    assert names_of(client) == ["b", "a"]  # newest first
    assert document(client.get(f"/v1/tasks/{first['id']}"))["state"] == "QUEUED"
    assert first["id"] != last["id"]
    assert refused["error"]["status"] == 400
    assert [each["path"] for each in refused["error"]["errors"]] == ["executors"]


def test_a_batch_that_is_repeated_creates_nothing_anew(client: Client) -> None:
    batch = {"tasks": [make_task_json(name=name) for name in "abc"]}
    headers = {"Idempotency-Key": "k" * 128}

    first = document(client.post(BATCH, json=batch, headers=headers))
    again = document(client.post(BATCH, json=batch, headers=headers))
    other = document(
        client.post(BATCH, json=batch, headers={"Idempotency-Key": "other"})
    )

    assert first == again
    assert len({each["id"] for each in (first["results"] + other["results"])}) == 6


def test_without_a_key_every_batch_is_new(client: Client) -> None:
    batch = {"tasks": [make_task_json()]}
    assert document(client.post(BATCH, json=batch)) != document(
        client.post(BATCH, json=batch)
    )


BAD: dict[str, tuple[Any, str]] = {
    "no object": ([], ""),
    "no tasks": ({}, "tasks"),
    "an empty list": ({"tasks": []}, "tasks"),
    "no list": ({"tasks": {}}, "tasks"),
    "another field": ({"tasks": [make_task_json()], "task": 1}, "task"),
    "too many": ({"tasks": [make_task_json()] * (MAX_TASKS + 1)}, "tasks"),
}


@pytest.mark.parametrize(("body", "path"), BAD.values(), ids=BAD)
def test_what_is_no_batch_is_refused_as_a_whole(
    client: Client, body: Any, path: str
) -> None:
    answer = client.post(BATCH, json=body)

    assert answer.status_code == 400
    assert [each["path"] for each in document(answer)["errors"]] == [path]
    assert names_of(client) == []


def test_items_that_are_no_tasks_are_refused_each(client: Client) -> None:
    answer = client.post(BATCH, json={"tasks": [None, 1, "x", [], make_task_json()]})

    results = document(answer)["results"]
    assert [each["error"]["status"] for each in results[:-1]] == [400] * 4
    assert results[-1]["id"]


def test_a_full_batch_is_created_in_order(client: Client) -> None:
    tasks = [make_task_json(name=str(number)) for number in range(MAX_TASKS)]

    results = document(client.post(BATCH, json={"tasks": tasks}))["results"]

    assert all("id" in each for each in results)
    assert names_of(client) == [str(n) for n in reversed(range(MAX_TASKS))]


CANCEL = "/tesk/v1/tasks:cancel"


def test_tasks_that_match_are_counted_and_canceled(client: Client) -> None:
    wanted = [
        create(client, name=f"a{number}", tags={"run": "1"}) for number in range(3)
    ]
    others = [create(client, name="b", tags={"run": "1"}), create(client, name="a")]
    query = "?name_prefix=a&tag_key=run&tag_value=1&state=QUEUED"

    counted = document(client.post(f"{CANCEL}{query}&dry_run=true"))
    assert sorted(counted["ids"]) == wanted
    assert {state_of(client, each) for each in wanted} == {"QUEUED"}

    assert sorted(document(client.post(f"{CANCEL}{query}"))["ids"]) == wanted
    assert {state_of(client, each) for each in wanted} == {"CANCELED"}
    assert {state_of(client, each) for each in others} == {"QUEUED"}
    assert document(client.post(f"{CANCEL}{query}")) == {"ids": []}


WRONG = {
    "no condition": ("", "all"),
    "no switch": ("?all=1", "all"),
    "no state": ("?state=NONE", "state"),
    "a state that is final": ("?state=COMPLETE", "state"),
    "a page token of others": ("?all=true&page_token=x", "page_token"),
}


@pytest.mark.parametrize(("query", "path"), WRONG.values(), ids=WRONG)
def test_what_to_cancel_must_be_said(client: Client, query: str, path: str) -> None:
    task_id = create(client)

    answer = client.post(CANCEL + query)

    assert answer.status_code == 400
    assert [each["path"] for each in document(answer)["errors"]] == [path]
    assert state_of(client, task_id) == "QUEUED"


def test_all_tasks_are_canceled_if_that_is_said(client: Client) -> None:
    task_id = create(client)
    assert document(client.post(f"{CANCEL}?all=true")) == {"ids": [task_id]}


def state_of(client: Client, task_id: str) -> str:
    return str(document(client.get(f"/v1/tasks/{task_id}"))["state"])
