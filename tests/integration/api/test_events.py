"""Clients follow a task by server-sent events, and the command does."""

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta

import httpx
import pytest

from builders.tasks import make_task_json
from fakes.api_scheduler import MemoryScheduler
from fakes.api_server import make_dependencies
from programs.event_streams import EventStream
from programs.waiting import eventually
from tesk.v1 import task_pb2 as pb
from tesk_api.http.app import AppOptions, create_app
from tesk_cli.adapters.system_clock import SystemClock
from tesk_cli.adapters.tes_server import HttpTaskServer
from tesk_cli.domain.snapshot import Snapshot
from tesk_cli.usecases.following import Follower, WaitTimeoutError
from tesk_model.errors import NotFoundError
from tesk_model.states import TaskState
from tesk_runtime.http.limits import HttpLimits
from tesk_runtime.http.process import Endpoint, listen, serve_in_thread
from tesk_runtime.http.server import Service


class Api:
    """The api of a scheduler in memory, at a port of this machine."""

    def __init__(self, scheduler: MemoryScheduler, port: int) -> None:
        self.scheduler = scheduler
        self.url = f"http://127.0.0.1:{port}"
        self._port = port
        self._open = ExitStack()
        transport = self._open.enter_context(httpx.HTTPTransport())
        self.server = HttpTaskServer(self.url, transport=transport)
        body = json.dumps(make_task_json()).encode()
        self.task_id = self.server.create_task(body)

    @property
    def task(self) -> pb.Task:
        return self.scheduler.tasks[self.task_id]

    def follow(self, *, known: str = "") -> EventStream:
        path = f"/tesk/v1/tasks/{self.task_id}/events"
        events = EventStream(self._port, path, {"Last-Event-ID": known})
        self._open.callback(events.close)
        return events

    def close(self) -> None:
        self._open.close()


@pytest.fixture
def api(scheduler: MemoryScheduler) -> Iterator[Api]:
    listener = listen("127.0.0.1", 0)
    app = create_app(make_dependencies(scheduler), AppOptions())
    service = Service(app=app, threads=2)
    end = serve_in_thread(Endpoint(listener, service, HttpLimits()))
    api = Api(scheduler, listener.getsockname()[1])
    yield api
    api.close()
    end()


def test_a_listener_hears_what_happens_to_its_end(api: Api) -> None:
    events = api.follow()
    first = events.next()
    api.task.state = pb.TASK_STATE_RUNNING
    api.task.logs.add().logs.add(stdout="a")
    second = [events.next() for _ in range(3)]
    api.task.logs[0].logs[0].stdout = "ab"
    third = events.next()
    api.task.state = pb.TASK_STATE_COMPLETE

    assert events.answer.headers.get_content_type() == "text/event-stream"
    assert (first[0], first[1]["state"]) == ("task", "QUEUED")
    assert [name for name, _ in second] == ["change", "executor", "output"]
    assert third == ("output", {"index": 0, "stdout": "b"})
    assert [event.name for event in events.rest()] == ["change", "end"]


def test_who_comes_back_is_told_only_what_is_new(api: Api) -> None:
    before = api.follow()
    before.next()
    [known] = before.ids
    again = api.follow(known=known)
    api.task.state = pb.TASK_STATE_RUNNING

    assert again.next() == ("change", {"state": "RUNNING"})
    late = api.follow(known=known)
    assert late.next()[0] == "task"


def test_many_listeners_of_one_task_cost_one_read(api: Api) -> None:
    listeners = [api.follow() for _ in range(30)]
    for each in listeners:
        each.next()
    api.scheduler.batches.clear()
    api.task.state = pb.TASK_STATE_RUNNING

    assert [each.next()[0] for each in listeners] == ["change"] * 30
    assert set(api.scheduler.batches) == {1}


def test_nothing_is_read_once_nobody_listens(api: Api) -> None:
    events = api.follow()
    events.next()
    events.answer.close()

    def names() -> set[str]:
        return {thread.name for thread in threading.enumerate()}

    eventually(lambda: "events" not in names())
    assert api.follow().next()[0] == "task"


def test_an_unknown_task_is_a_problem(api: Api) -> None:
    api.task_id = "01K8Z3AAAAAAAAAAAAAAAAAAAA"

    assert api.follow().answer.status == 404


def follow(api: Api, seen: list[Snapshot]) -> None:
    follower = Follower(
        server=api.server, clock=SystemClock(), min_pause=timedelta(hours=1)
    )
    seen.extend(follower.follow(api.task_id))


def test_the_command_is_told_and_does_not_ask(api: Api) -> None:
    seen: list[Snapshot] = []
    thread = threading.Thread(target=follow, args=(api, seen))
    thread.start()
    api.task.state = pb.TASK_STATE_RUNNING
    api.task.logs.add().logs.add(stdout="out", exit_code=0)
    api.task.state = pb.TASK_STATE_COMPLETE
    thread.join(20)

    assert seen[-1].state is TaskState.COMPLETE
    assert seen[-1].executors[0].stdout == "out"


def test_the_command_says_that_there_is_no_such_task(api: Api) -> None:
    api.task_id = "01K8Z3AAAAAAAAAAAAAAAAAAAA"

    with pytest.raises(NotFoundError):
        follow(api, [])


def test_a_wait_of_limited_time_is_told_too(api: Api) -> None:
    follower = Follower(
        server=api.server, clock=SystemClock(), min_pause=timedelta(hours=1)
    )
    seen = follower.follow(api.task_id, timedelta(seconds=100))
    first = next(seen)
    api.task.state = pb.TASK_STATE_COMPLETE

    assert first.state is TaskState.QUEUED
    assert [task.state for task in seen] == [TaskState.COMPLETE]


def test_a_wait_ends_in_time_while_nothing_happens(api: Api) -> None:
    follower = Follower(server=api.server, clock=SystemClock())

    with pytest.raises(WaitTimeoutError):
        list(follower.follow(api.task_id, timedelta(seconds=0.5)))
