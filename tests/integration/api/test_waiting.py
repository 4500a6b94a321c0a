"""A user asks over REST why tasks wait, and the command prints it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import Client

from clients.rest_answers import document
from fakes.api_scheduler import MemoryScheduler
from fakes.api_server import INFO, counted, make_client
from schedulers.running import running_scheduler
from schedulers.served import RunningScheduler
from tesk_api.adapters.scheduler_client import SchedulerClient
from tesk_cli.adapters.wait_json import wait_from_json
from tesk_cli.domain.snapshot import Snapshot
from tesk_cli.domain.waiting import format_wait
from tesk_model.states import TaskState
from tesk_scheduler.config import SchedulerSettings

BODY: dict[str, Any] = {
    "executors": [{"image": "busybox", "command": ["true"]}],
    "resources": {"cpu_cores": 4},  # all there are
}


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RunningScheduler]:
    with running_scheduler(tmp_path, SchedulerSettings()) as running:
        yield running


@pytest.fixture
def client(running: RunningScheduler) -> Client:
    scheduler = SchedulerClient(running.channel, new_key=counted("key"))
    return make_client(MemoryScheduler(), tasks=scheduler, info=INFO)


@pytest.fixture
def ids(running: RunningScheduler, client: Client) -> list[str]:
    """Create three tasks, of which the second waits for the first."""
    found = [document(client.post("/v1/tasks", json=BODY))["id"] for _ in range(3)]
    running.eventually(lambda: live(client, found[1])["reason_code"] == "CAPACITY_FULL")
    return found


def live(client: Client, task_id: str) -> Any:
    return document(client.get(f"/tesk/v1/tasks/{task_id}"))


def test_the_next_task_says_what_it_waits_for(client: Client, ids: list[str]) -> None:
    wait = live(client, ids[1])["wait"]

    times = {name: wait.pop(name) for name in ("since", "queued_since", "spent")}
    assert wait == {
        "scope": "capacity",
        "dimension": "cpu",
        "used": 4,
        "limit": 4,
        "needed": 4,
        "remedy": "starts when tasks have freed 4 cpu",
        "position": 1,
        "place": 1,
    }
    assert times["queued_since"] <= times["since"]
    assert times["spent"][-1]["reason_code"] == "CAPACITY_FULL"


def test_a_task_behind_others_says_what_the_first_waits_for(
    client: Client, ids: list[str]
) -> None:
    found = live(client, ids[2])

    assert found["reason"] == (
        "waiting behind 1 task; the first of them: waiting for 4 cpu: 0 free"
    )
    head = found["wait"]["head"]
    assert (head["id"], head["reason_code"]) == (ids[1], "CAPACITY_FULL")
    assert (found["wait"]["position"], found["wait"]["place"]) == (2, 2)
    assert found["wait"]["remedy"] == "starts in turn, after the tasks before it"


def test_a_list_says_of_each_task_why_it_waits(client: Client, ids: list[str]) -> None:
    page = document(client.get("/tesk/v1/tasks?state=QUEUED&page_size=1"))
    [last] = page["tasks"]
    query = f"state=QUEUED&page_size=1&page_token={page['next_page_token']}"
    [first] = document(client.get(f"/tesk/v1/tasks?{query}"))["tasks"]

    assert (first["id"], first["reason"]) == (ids[1], "waiting for 4 cpu: 0 free")
    assert first["wait"]["needed"] == 4
    assert (last["id"], last["reason_code"]) == (ids[2], "ADMISSION_PENDING")
    assert last["reason"] == (
        "waiting behind 1 task; the first of them: waiting for 4 cpu: 0 free"
    )
    assert (last["wait"]["position"], last["wait"]["place"]) == (2, 2)


def test_a_wrong_parameter_of_the_list_is_refused(client: Client) -> None:
    assert client.get("/tesk/v1/tasks?page_size=0").status_code == 400


def test_tes_views_show_nothing_of_it(client: Client, ids: list[str]) -> None:
    full = document(client.get(f"/v1/tasks/{ids[1]}?view=FULL"))

    assert "wait" not in full
    assert "reason" not in full


def test_a_task_that_ended_waits_for_nothing(client: Client, ids: list[str]) -> None:
    client.post(f"/v1/tasks/{ids[2]}:cancel")

    assert "wait" not in live(client, ids[2])


def test_the_command_says_it_in_words(client: Client, ids: list[str]) -> None:
    wait = wait_from_json(live(client, ids[2])["wait"])
    lines = format_wait(Snapshot(id=ids[2], state=TaskState.QUEUED, wait=wait))

    assert lines[:2] == [
        "it starts in turn, after the tasks before it",
        (
            "it is number 2 of its owner's queued tasks, and about number 2 of all:"
            " an estimate"
        ),
    ]
    assert lines[2].startswith(
        f"the first of them is {ids[1]}: waiting for 4 cpu: 0 free since 20"
    )
