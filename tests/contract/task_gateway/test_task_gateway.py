"""What the api may expect of a scheduler, whatever way it is reached.

A subject is a gateway and the means to bring its tasks into a state; a new
scheduler joins by adding itself to ``SUBJECTS``.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, cast

import grpc
import pytest

from builders import make_executor, make_task
from fakes.api_process import TOKEN, serve_scheduler
from fakes.api_scheduler import InProcessChannel, MemoryScheduler
from fakes.api_server import counted
from tesk.v1 import task_pb2 as pb
from tesk_api.adapters.scheduler_client import CallTimes, SchedulerClient
from tesk_api.domain.requests import Caller, NewTask, TagCondition, TaskQuery
from tesk_api.ports import TaskGateway
from tesk_model.errors import InvalidRequestError, NotFoundError
from tesk_model.states import TaskState
from tesk_model.task import Input, Task, TaskId, TaskView
from tesk_runtime.rpc.channel import open_channel

Gateway = TaskGateway[pb.Task]

ALICE = Caller(user="alice")
BOB = Caller(user="bob")
ADMIN = Caller(user="root", admin=True)


@contextmanager
def in_process(_folder: Path) -> Iterator[Gateway]:
    channel = cast("grpc.Channel", InProcessChannel(MemoryScheduler()))
    yield SchedulerClient(channel, times=CallTimes(), new_key=counted("key"))


@contextmanager
def over_grpc(folder: Path) -> Iterator[Gateway]:
    address = f"unix:{folder}/scheduler.sock"
    with (
        serve_scheduler(MemoryScheduler(), address),
        open_channel(address, token=TOKEN) as channel,
    ):
        yield SchedulerClient(channel, times=CallTimes(), new_key=counted("key"))


SUBJECTS: dict[str, Callable[[Path], AbstractContextManager[Gateway]]] = {
    "memory, in process": in_process,
    "memory, over gRPC": over_grpc,
}


@pytest.fixture(params=list(SUBJECTS.values()), ids=list(SUBJECTS))
def gateway(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Gateway]:
    with request.param(tmp_path) as subject:
        yield subject


def create(gateway: Gateway, caller: Caller = ALICE, **fields: Any) -> TaskId:
    return gateway.create(caller, NewTask(task=make_task(**fields)))


def listed(gateway: Gateway, caller: Caller = ALICE, **fields: Any) -> list[str]:
    return [task.id for task in gateway.list_page(caller, TaskQuery(**fields)).tasks]


def test_a_created_task_is_queued_and_echoed(gateway: Gateway) -> None:
    inputs = (Input(path="/a", content="x"),)

    task_id = create(gateway, name="n", inputs=inputs, tags={"a": ""})

    task = gateway.get(ALICE, task_id, TaskView.FULL)
    assert (task.id, task.state) == (task_id, pb.TASK_STATE_QUEUED)
    assert (task.name, dict(task.tags)) == ("n", {"a": ""})
    assert task.inputs[0].content == "x"
    assert task.HasField("creation_time")


def test_views_leave_out(gateway: Gateway) -> None:
    task_id = create(gateway, name="n", inputs=(Input(path="/a", content="x"),))

    minimal = gateway.get(ALICE, task_id, TaskView.MINIMAL)
    basic = gateway.get(ALICE, task_id, TaskView.BASIC)

    assert minimal == pb.Task(id=task_id, state=pb.TASK_STATE_QUEUED)
    assert not basic.inputs[0].HasField("content")
    assert basic.name == "n"


def test_the_same_key_of_the_same_user_is_the_same_task(gateway: Gateway) -> None:
    new = NewTask(task=make_task(), idempotency_key="k")

    first = gateway.create(ALICE, new)

    assert gateway.create(ALICE, new) == first
    assert gateway.create(BOB, new) != first


def test_without_key_each_is_a_new_task(gateway: Gateway) -> None:
    assert create(gateway) != create(gateway)


def test_another_users_task_is_not_there(gateway: Gateway) -> None:
    task_id = create(gateway)

    with pytest.raises(NotFoundError):
        gateway.get(BOB, task_id, TaskView.MINIMAL)
    with pytest.raises(NotFoundError):
        gateway.cancel(BOB, task_id)
    assert listed(gateway, BOB) == []
    assert listed(gateway, ADMIN) == [task_id]
    assert gateway.get(ADMIN, task_id, TaskView.MINIMAL).id == task_id


def test_an_unknown_task_is_not_there(gateway: Gateway) -> None:
    with pytest.raises(NotFoundError):
        gateway.get(ALICE, TaskId("nothing"), TaskView.MINIMAL)
    with pytest.raises(NotFoundError):
        gateway.cancel(ALICE, TaskId("nothing"))


def test_cancel_ends_a_queued_task_and_may_be_repeated(gateway: Gateway) -> None:
    task_id = create(gateway)

    gateway.cancel(ALICE, task_id)
    gateway.cancel(ALICE, task_id)

    task = gateway.get(ALICE, task_id, TaskView.MINIMAL)
    assert task.state == pb.TASK_STATE_CANCELED


def test_lists_are_newest_first_and_in_pages(gateway: Gateway) -> None:
    ids = [create(gateway) for _ in range(5)]

    first = gateway.list_page(ALICE, TaskQuery(page_size=3))
    second = gateway.list_page(
        ALICE, TaskQuery(page_size=3, page_token=first.next_page_token)
    )

    assert [task.id for task in (*first.tasks, *second.tasks)] == ids[::-1]
    assert len(first.tasks) == 3
    assert second.next_page_token == ""


def test_a_page_token_belongs_to_its_filters(gateway: Gateway) -> None:
    for _ in range(3):
        create(gateway, name="a")
    token = gateway.list_page(ALICE, TaskQuery(page_size=1)).next_page_token

    with pytest.raises(InvalidRequestError):
        gateway.list_page(ALICE, TaskQuery(page_token=token, name_prefix="a"))
    with pytest.raises(InvalidRequestError):
        gateway.list_page(ALICE, TaskQuery(page_token="nonsense"))


def test_a_name_prefix_is_literal(gateway: Gateway) -> None:
    found = create(gateway, name="a%_b")
    create(gateway, name="aXXb")
    create(gateway, name="A%_b")
    create(gateway)

    assert listed(gateway, name_prefix="a%") == [found]
    assert listed(gateway, name_prefix="b") == []


def test_a_state_is_exact(gateway: Gateway) -> None:
    canceled, queued = create(gateway), create(gateway)
    gateway.cancel(ALICE, canceled)

    assert listed(gateway, state=TaskState.CANCELED) == [canceled]
    assert listed(gateway, state=TaskState.QUEUED) == [queued]
    assert listed(gateway, state=TaskState.UNKNOWN) == []


TAGS: dict[str, tuple[dict[str, str], dict[str, str], bool]] = {
    "same value": ({"foo": "bar"}, {"foo": "bar"}, True),
    "another value": ({"foo": "bar"}, {"foo": "bat"}, False),
    "empty and empty": ({"foo": ""}, {"foo": ""}, True),
    "all of two": (
        {"foo": "bar", "baz": "bat"},
        {"foo": "bar", "baz": "bat"},
        True,
    ),
    "two asked, one there": ({"foo": "bar", "baz": "bat"}, {"foo": "bar"}, False),
    "one asked, two there": ({"foo": "bar"}, {"foo": "bar", "baz": "bat"}, True),
    "any value": ({"foo": ""}, {"foo": "bar"}, True),
    "no such key": ({"foo": ""}, {}, False),
}


@pytest.mark.parametrize(("asked", "tags", "want"), TAGS.values(), ids=TAGS)
def test_tags_match_as_the_specification_says(
    gateway: Gateway, asked: dict[str, str], tags: dict[str, str], *, want: bool
) -> None:
    task_id = create(gateway, tags=tags)
    conditions = tuple(TagCondition(key, value) for key, value in asked.items())

    assert listed(gateway, tags=conditions) == ([task_id] if want else [])


def test_many_at_once_are_all_there(gateway: Gateway) -> None:
    command = ("echo", "x" * 1000)
    ids = {
        create(gateway, executors=(make_executor(command=command),)) for _ in range(50)
    }

    assert set(listed(gateway)) == ids


def test_check_passes_while_the_scheduler_serves(gateway: Gateway) -> None:
    gateway.check()


def test_text_of_any_kind_survives(gateway: Gateway) -> None:
    task = Task(executors=(make_executor(env={"Ä": "\n\t\U0001f600$(HOME)"}),))

    task_id = gateway.create(ALICE, NewTask(task=task))

    env = gateway.get(ALICE, task_id, TaskView.BASIC).executors[0].env
    assert dict(env) == {"Ä": "\n\t\U0001f600$(HOME)"}
