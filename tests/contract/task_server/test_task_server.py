"""What every ``TaskServer`` does, the fake and the one over HTTP alike."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from builders.tasks import make_task_json
from fakes.task_server import FakeTaskServer, http_transport
from tesk_cli.adapters.tes_server import HttpTaskServer
from tesk_cli.ports import TaskQuery, TaskServer
from tesk_model.errors import InvalidRequestError, NotFoundError
from tesk_model.states import TaskState
from tesk_model.task import TaskView

Make = Callable[[FakeTaskServer], TaskServer]

SERVERS: dict[str, Make] = {
    "the fake": lambda fake: fake,
    "over HTTP": lambda fake: HttpTaskServer(
        "http://tes.test", transport=http_transport(fake)
    ),
    "over HTTP below /v1, found by itself": lambda fake: HttpTaskServer(
        "http://tes.test", transport=http_transport(fake, base="/v1")
    ),
}


@pytest.fixture(params=SERVERS.values(), ids=list(SERVERS))
def make(request: pytest.FixtureRequest) -> Make:
    made: Make = request.param
    return made


def body(**overrides: Any) -> bytes:
    return json.dumps(make_task_json(**overrides)).encode()


def test_a_created_task_can_be_read(make: Make) -> None:
    server = make(FakeTaskServer())

    task_id = server.create_task(body(name="a"))

    minimal = server.get_task(task_id, TaskView.MINIMAL)
    assert minimal == {"id": task_id, "state": "QUEUED"}
    assert server.get_task(task_id, TaskView.FULL)["name"] == "a"


def test_a_wrong_task_is_refused_with_every_problem(make: Make) -> None:
    server = make(FakeTaskServer())

    with pytest.raises(InvalidRequestError) as caught:
        server.create_task(b"{}")

    assert [item.path for item in caught.value.violations] == ["executors"]


@pytest.mark.parametrize("task_id", ["nope", "../x", "a b", "ü?view=FULL"])
def test_an_unknown_task_is_not_found(make: Make, task_id: str) -> None:
    server = make(FakeTaskServer())

    with pytest.raises(NotFoundError):
        server.get_task(task_id, TaskView.FULL)
    with pytest.raises(NotFoundError):
        server.watch_task(task_id)
    with pytest.raises(NotFoundError):
        server.cancel_task(task_id)


def test_lists_are_newest_first_and_as_long_as_asked_for(make: Make) -> None:
    server = make(FakeTaskServer())
    ids = [server.create_task(body()) for _ in range(5)]

    listed = server.list_tasks(TaskQuery(limit=4))

    assert [task["id"] for task in listed] == ids[:0:-1]


def test_lists_obey_their_filters(make: Make) -> None:
    server = make(FakeTaskServer())
    server.create_task(body(name="other", tags={"k": "v"}))
    wanted = server.create_task(body(name="mine 1", tags={"k": "v", "e": ""}))
    server.create_task(body(name="mine 2"))

    query = TaskQuery(
        state="QUEUED", name_prefix="mine", tags={"k": "v", "e": ""}, limit=9
    )

    assert [task["id"] for task in server.list_tasks(query)] == [wanted]


def test_a_canceled_task_ends(make: Make) -> None:
    server = make(FakeTaskServer())
    task_id = server.create_task(body())

    server.cancel_task(task_id)
    server.cancel_task(task_id)

    assert server.watch_task(task_id).state is TaskState.CANCELED


def test_watching_shows_what_happened(make: Make) -> None:
    log = {
        "logs": [{"exit_code": 0, "stdout": "hi\n"}],
        "outputs": [{"url": "/x", "path": "/y", "size_bytes": "3"}],
        "system_logs": ["a note"],
        "metadata": {"node": "n"},
    }
    server = make(FakeTaskServer({"state": "COMPLETE", "logs": [log]}))
    task_id = server.create_task(body())

    task = server.watch_task(task_id)

    assert task.id == task_id
    assert task.state is TaskState.COMPLETE
    assert [(item.exit_code, item.stdout) for item in task.executors] == [(0, "hi\n")]
    assert [(item.url, item.size) for item in task.outputs] == [("/x", 3)]
    assert task.system_logs == ("a note",)
    assert task.metadata == {"node": "n"}


def test_tasks_that_match_are_counted_then_canceled(make: Make) -> None:
    fake = FakeTaskServer()
    server = make(fake)
    for name in ("a1", "a2", "b"):
        server.create_task(body(name=name))
    query = TaskQuery(name_prefix="a", limit=1)

    assert server.cancel_matching(query, dry_run=True) == 2
    assert {task["state"] for task in fake.tasks.values()} == {"QUEUED"}
    assert server.cancel_matching(query, dry_run=False) == 2
    assert server.cancel_matching(query, dry_run=False) == 0
    assert [task["state"] for task in fake.tasks.values()] == [
        "CANCELED",
        "CANCELED",
        "QUEUED",
    ]


def test_a_check_creates_nothing(make: Make) -> None:
    fake = FakeTaskServer()
    fake.check = {"would_run": True}

    assert make(fake).check_task(body()) == {"would_run": True}
    assert not fake.tasks


def test_a_server_that_checks_nothing_says_so(make: Make) -> None:
    with pytest.raises(NotFoundError, match="checks no tasks"):
        make(FakeTaskServer()).check_task(body())


def test_what_the_call_cache_did_is_told(make: Make) -> None:
    fake = FakeTaskServer()
    server = make(fake)
    task_id = server.create_task(body())
    fake.cache_reports[task_id] = {"result": "HIT", "candidate": "t0"}

    assert server.why_not_cached(task_id) == {"result": "HIT", "candidate": "t0"}
    with pytest.raises(NotFoundError):
        server.why_not_cached("t9")
