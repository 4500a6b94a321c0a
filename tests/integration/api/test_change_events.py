"""Clients follow lists of tasks by server-sent events."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from urllib.parse import urlencode

import pytest
from jsonschema import validate

from fakes.api_scheduler import MemoryScheduler
from fakes.api_server import INFO, make_dependencies
from programs.event_streams import EventStream
from programs.waiting import eventually
from tesk.v1 import task_pb2 as pb
from tesk.v1 import task_service_pb2 as rpc
from tesk_api.domain.requests import Caller
from tesk_api.http.app import AppOptions, create_app
from tesk_api.http.openapi import openapi_document
from tesk_runtime.http.limits import HttpLimits
from tesk_runtime.http.process import Endpoint, listen, serve_in_thread
from tesk_runtime.http.server import Service

RUNNING = pb.TASK_STATE_RUNNING
Follow = Callable[..., EventStream]


class ByName:
    """Lets everybody be who he says; root is an admin."""

    challenge = "Basic"

    def authenticate(self, authorization: str | None, address: str) -> Caller:  # noqa: ARG002 - the port's
        user = authorization or "alice"
        return Caller(user=user, admin=user == "root")


@pytest.fixture
def follow(scheduler: MemoryScheduler) -> Iterator[Follow]:
    """Serve the api of a scheduler in memory; return what connects to it."""
    listener = listen("127.0.0.1", 0)
    app = create_app(make_dependencies(scheduler, authenticator=ByName()), AppOptions())
    end = serve_in_thread(Endpoint(listener, Service(app=app, threads=2), HttpLimits()))
    port = listener.getsockname()[1]
    with ExitStack() as stack:
        stack.callback(end)

        def connect(user: str = "alice", known: str = "", **query: str) -> EventStream:
            headers = {"Authorization": user, "Last-Event-ID": known}
            events = EventStream(port, f"/tesk/v1/events?{urlencode(query)}", headers)
            stack.callback(events.close)
            return events

        yield connect


def create(
    scheduler: MemoryScheduler, user: str = "alice", name: str = "", **tags: str
) -> str:
    task = pb.Task(name=name, tags=tags)
    request = rpc.CreateTaskRequest(caller=rpc.Caller(user=user), task=task)
    [result] = scheduler.BatchCreateTasks(
        rpc.BatchCreateTasksRequest(requests=[request]), None
    ).results
    return result.task_id


def told(events: EventStream, count: int) -> list[tuple[str, str]]:
    """Wait for some changes; return the task and the state of each."""
    found = []
    for _ in range(count):
        name, data = events.next()
        assert name == "change"
        found.append((data["id"], data["state"]))
    return found


def test_a_listener_hears_of_every_task_of_his(
    scheduler: MemoryScheduler, follow: Follow
) -> None:
    before = create(scheduler)
    events = follow()
    task_id = create(scheduler, name="n")
    name, data = events.next()
    scheduler.tasks[before].state = RUNNING
    later = told(events, 1)

    assert events.answer.headers.get_content_type() == "text/event-stream"
    assert name == "change"
    assert (data["id"], data["state"], data["name"]) == (task_id, "QUEUED", "n")
    assert data["attempt"] == 0
    assert data["time"].endswith("Z")
    assert later == [(before, "RUNNING")]


def test_each_hears_what_he_may_see_and_asked_for(
    scheduler: MemoryScheduler, follow: Follow
) -> None:
    listeners = [
        follow("bob"),
        follow("root"),
        follow(name_prefix="a"),
        follow(tag_key="run", tag_value="2"),
        follow(state="RUNNING"),
    ]
    first = create(scheduler, name="ab", run="1")
    second = create(scheduler, "bob", name="ab")
    third = create(scheduler, name="b", run="2")
    scheduler.tasks[third].state = RUNNING
    queued = "QUEUED"

    assert told(listeners[4], 1) == [(third, "RUNNING")]
    assert told(listeners[0], 1) == [(second, queued)]
    # The scheduler in memory sees the state in which it finds a task.
    all_tasks = told(listeners[1], 3)
    assert {task for task, _ in all_tasks} == {first, second, third}
    assert told(listeners[2], 1) == [(first, queued)]
    assert told(listeners[3], 1)[0][0] == third


def test_who_comes_back_is_told_what_he_missed_and_nothing_twice(
    scheduler: MemoryScheduler, follow: Follow
) -> None:
    events = follow()
    first = create(scheduler)
    told(events, 1)
    known = events.ids[-1]
    events.close()
    second = create(scheduler)

    again = follow(known=known)
    third = create(scheduler)

    assert first not in {second, third}
    assert [task for task, _ in told(again, 2)] == [second, third]


def test_a_place_is_known_before_anything_happens(
    scheduler: MemoryScheduler, follow: Follow
) -> None:
    events = follow("bob")
    eventually(lambda: bool(next_id(events)))
    [known] = events.ids
    events.close()
    task_id = create(scheduler, "bob")

    assert told(follow("bob", known=known), 1) == [(task_id, "QUEUED")]


def next_id(events: EventStream) -> str:
    """Read up to the next id, which need not be that of an event."""
    while line := events.answer.readline().decode():
        if line.startswith("id: "):
            events.ids.append(line.removeprefix("id: ").strip())
            return events.ids[-1]
    return ""


@pytest.mark.parametrize("known", ["c1", "of another server", "ä"])
def test_who_was_away_for_too_long_is_told_to_list_again(
    scheduler: MemoryScheduler, follow: Follow, known: str
) -> None:
    follow().close()
    create(scheduler)
    create(scheduler)
    told(follow(known="c0"), 2)
    scheduler.forgotten = 2

    events = follow(known=known)
    name, data = events.next()
    task_id = create(scheduler)

    assert name == "expired"
    assert "list the tasks again" in data["message"]
    assert told(events, 1) == [(task_id, "QUEUED")]


def test_who_missed_much_comes_back_for_the_rest(
    scheduler: MemoryScheduler, follow: Follow
) -> None:
    ids = [create(scheduler, name="x" * 250) for _ in range(600)]
    found: list[str] = []
    known, connections = "c0", 0
    while len(found) < len(ids):
        events = follow(known=known)
        connections += 1
        assert connections < 10
        for _ in range(len(ids) - len(found)):
            try:
                name, data = events.next()
            except StopIteration:
                break
            assert name == "change"
            found.append(data["id"])
        known = events.ids[-1]

    assert found == ids
    assert connections > 1


def test_listeners_who_come_at_any_time_miss_nothing(
    scheduler: MemoryScheduler, follow: Follow
) -> None:
    ids = [create(scheduler) for _ in range(5)]
    told(follow(known="c0"), 5)
    listeners = []
    for number in range(30):
        known = number % (len(ids) + 1)
        listeners.append((known, follow(known=f"c{known}")))
        ids.append(create(scheduler))
        if number % 3 == 0:
            told(follow(known=f"c{len(ids) - 1}"), 1)

    for known, events in listeners:
        found = [task for task, _ in told(events, len(ids) - known)]
        assert found == ids[known:]


def test_many_listeners_cost_one_read(
    scheduler: MemoryScheduler, follow: Follow
) -> None:
    listeners = [follow() for _ in range(30)]
    eventually(lambda: scheduler.batches[-1:] == [1])
    scheduler.batches.clear()
    task_id = create(scheduler)

    assert [told(each, 1) for each in listeners] == [[(task_id, "QUEUED")]] * 30
    assert set(scheduler.batches) == {1}


def test_no_user_follows_so_many_lists_that_others_cannot(
    scheduler: MemoryScheduler, follow: Follow
) -> None:
    for number in range(256):
        follow(name_prefix=str(number))
    eventually(lambda: scheduler.batches[-1:] == [256])

    more = follow(name_prefix="more")

    assert more.answer.status == 429
    assert b"alice follows 256 different lists" in more.answer.read()
    assert follow(name_prefix="0").answer.status == 200
    assert follow("bob").answer.status == 200


def test_nothing_is_read_once_nobody_listens(
    scheduler: MemoryScheduler, follow: Follow
) -> None:
    events = follow()
    create(scheduler)
    told(events, 1)
    events.close()

    eventually(lambda: "changes" not in {each.name for each in threading.enumerate()})
    task_id = create(scheduler)
    assert told(follow(known="c1"), 1) == [(task_id, "QUEUED")]


def test_events_are_as_the_openapi_document_says(
    scheduler: MemoryScheduler, follow: Follow
) -> None:
    create(scheduler, name="n")
    document = openapi_document(INFO, bases=())
    operation = document["paths"]["/tesk/v1/events"]["get"]
    content = operation["responses"]["200"]["content"]["text/event-stream"]

    for known in ("c0", "of another server"):
        events = follow(known=known)
        name, data = events.next()
        event = {"event": name, "data": json.dumps(data), "id": events.ids[-1]}

        validate(event, content["schema"] | {"components": document["components"]})
        [own] = [
            each["properties"]["data"]["contentSchema"]
            for each in content["schema"]["oneOf"]
            if each["properties"]["event"] == {"const": name}
        ]
        validate(data, own | {"components": document["components"]})


def test_wrong_filters_are_a_problem(follow: Follow) -> None:
    assert follow(state="DONE").answer.status == 400


def test_what_nobody_could_read_in_time_is_told_as_missed(
    scheduler: MemoryScheduler, follow: Follow
) -> None:
    events = follow()
    scheduler.forgotten = 9
    name, _ = events.next()
    scheduler.forgotten = 0
    task_id = create(scheduler)

    assert name == "expired"
    # It may be told more than once that something was missed.
    while name == "expired":
        name, data = events.next()
    assert data["id"] == task_id
