"""The page of the load: what it shows to whom, and that it can be read."""

import re

import pytest
from werkzeug.test import Client

from builders.tasks import make_task_json
from clients.rest_answers import create, document
from fakes.api_scheduler import MemoryScheduler
from fakes.api_server import make_client
from tesk.v1 import task_pb2 as pb
from tesk_api.domain.requests import Caller
from tesk_model.errors import NotFoundError, UnavailableError

HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(1)>'


class As:
    """Implements ``Authenticator``: every request is of one caller."""

    challenge = "Basic"

    def __init__(self, caller: Caller) -> None:
        self.caller = caller

    def authenticate(self, authorization: str | None, address: str) -> Caller:  # noqa: ARG002 - ignored on purpose
        return self.caller


def page_of(scheduler: MemoryScheduler, caller: Caller, path: str = "") -> str:
    answer = make_client(scheduler, authenticator=As(caller)).get(f"/web/load{path}")
    assert answer.status_code == 200, answer.text
    return answer.text


def fail(scheduler: MemoryScheduler, task_id: str, code: str) -> None:
    task = scheduler.tasks[task_id]
    task.state = pb.TASK_STATE_EXECUTOR_ERROR
    task.reason_code = code


def test_the_load_is_shown_with_its_numbers_as_tables(
    client: Client, scheduler: MemoryScheduler
) -> None:
    create(client, name="waits")
    fail(scheduler, create(client, name="broken"), "OUT_OF_MEMORY")

    shown = client.get("/web/load").text

    for text in ("Tasks in the queue", "As a table", "OUT_OF_MEMORY", "broken"):
        assert text in shown
    assert shown.count("<svg") >= 3
    assert "0 complete, 1 failed, 0 canceled" in shown
    assert "1 now, at most 1" in shown
    assert 'hx-trigger="every 10s"' in shown
    assert not re.search(r"\sstyle=", shown)


@pytest.mark.parametrize("hours", ["1", "6", "24"])
def test_the_hours_are_in_the_address(client: Client, hours: str) -> None:
    shown = client.get(f"/web/load?hours={hours}").text
    assert f'href="/web/load?hours={hours}" aria-current="true"' in shown
    assert f'hx-get="/web/load?hours={hours}"' in shown


@pytest.mark.parametrize("hours", ["", "7", "-1", "1e9", "<script>"])
def test_other_hours_count_as_the_usual_ones(client: Client, hours: str) -> None:
    answer = client.get("/web/load", query_string={"hours": hours})
    assert 'hx-get="/web/load?hours=6"' in answer.text


def test_users_see_nothing_of_others_and_admins_see_all(
    scheduler: MemoryScheduler,
) -> None:
    for name in ("alice", "bob"):
        client = make_client(scheduler, authenticator=As(Caller(user=name)))
        fail(scheduler, create(client, name=f"task of {name}"), "DISK_FULL")
        create(client)

    of_alice = page_of(scheduler, Caller(user="alice"))
    of_admin = page_of(scheduler, Caller(user="root", admin=True))

    assert "bob" not in of_alice
    assert "Taskmasters" not in of_alice
    for text in ("task of alice", "task of bob", "everybody", "Taskmasters"):
        assert text in of_admin


def test_nothing_that_users_wrote_is_markup(scheduler: MemoryScheduler) -> None:
    hostile = Caller(user=HOSTILE)
    client = make_client(scheduler, authenticator=As(hostile))
    body = make_task_json(name=HOSTILE)
    fail(scheduler, document(client.post("/v1/tasks", json=body))["id"], HOSTILE)
    create(client)

    shown = page_of(scheduler, Caller(user="root", admin=True))

    assert HOSTILE not in shown
    assert "<script>alert" not in shown
    assert "<img" not in shown
    assert "&lt;script&gt;" in shown


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (UnavailableError("the scheduler cannot be reached"), 503),
        (NotFoundError("the scheduler is of an earlier release"), 404),
    ],
)
def test_a_load_that_is_not_known_is_not_shown_as_none(
    client: Client,
    scheduler: MemoryScheduler,
    error: UnavailableError | NotFoundError,
    status: int,
) -> None:
    scheduler.error = error
    answer = client.get("/web/load")
    assert answer.status_code == status
    assert f"{error.message[1:]}." in answer.text
