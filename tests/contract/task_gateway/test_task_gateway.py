"""What the api may expect of a scheduler, whatever way it is reached."""

from dataclasses import replace
from typing import Any

import pytest

from builders.tasks import make_executor, make_task
from tesk.v1 import task_pb2 as pb
from tesk_api.domain.requests import (
    Caller,
    NewTask,
    Subscription,
    TagCondition,
    TaskQuery,
)
from tesk_api.ports import TaskGateway
from tesk_model.call_cache import CacheResult
from tesk_model.errors import InvalidRequestError, NotFoundError
from tesk_model.states import TaskState
from tesk_model.task import Input, Task, TaskId, TaskView

Gateway = TaskGateway[pb.Task]

ADMIN = Caller(user="root", admin=True)


def create(gateway: Gateway, caller: Caller, **fields: Any) -> TaskId:
    return gateway.create(caller, NewTask(task=make_task(**fields)))


def listed(gateway: Gateway, caller: Caller, **fields: Any) -> list[str]:
    return [task.id for task in gateway.list_page(caller, TaskQuery(**fields)).tasks]


def test_a_created_task_is_queued_and_echoed(gateway: Gateway, alice: Caller) -> None:
    inputs = (Input(path="/a", content="x"),)

    task_id = create(gateway, alice, name="n", inputs=inputs, tags={"a": ""})

    task = gateway.get(alice, task_id, TaskView.FULL)
    assert (task.id, task.state) == (task_id, pb.TASK_STATE_QUEUED)
    assert (task.name, dict(task.tags)) == ("n", {"a": ""})
    assert task.inputs[0].content == "x"
    assert task.HasField("creation_time")


def test_views_leave_out(gateway: Gateway, alice: Caller) -> None:
    task_id = create(gateway, alice, name="n", inputs=(Input(path="/a", content="x"),))

    minimal = gateway.get(alice, task_id, TaskView.MINIMAL)
    basic = gateway.get(alice, task_id, TaskView.BASIC)

    assert minimal == pb.Task(id=task_id, state=pb.TASK_STATE_QUEUED)
    assert not basic.inputs[0].HasField("content")
    assert basic.name == "n"


def test_the_same_key_of_the_same_user_is_the_same_task(
    gateway: Gateway, alice: Caller, bob: Caller
) -> None:
    new = NewTask(task=make_task(), idempotency_key="k")

    first = gateway.create(alice, new)

    assert gateway.create(alice, new) == first
    assert gateway.create(bob, new) != first


def test_without_key_each_is_a_new_task(gateway: Gateway, alice: Caller) -> None:
    assert create(gateway, alice) != create(gateway, alice)


def test_another_users_task_is_not_there(
    gateway: Gateway, alice: Caller, bob: Caller
) -> None:
    task_id = create(gateway, alice)

    with pytest.raises(NotFoundError):
        gateway.get(bob, task_id, TaskView.MINIMAL)
    with pytest.raises(NotFoundError):
        gateway.cancel(bob, task_id)
    assert listed(gateway, bob) == []
    assert task_id in listed(gateway, ADMIN)
    assert gateway.get(ADMIN, task_id, TaskView.MINIMAL).id == task_id


def test_an_unknown_task_is_not_there(gateway: Gateway, alice: Caller) -> None:
    with pytest.raises(NotFoundError):
        gateway.get(alice, TaskId("nothing"), TaskView.MINIMAL)
    with pytest.raises(NotFoundError):
        gateway.cancel(alice, TaskId("nothing"))


def test_cancel_ends_a_queued_task_and_may_be_repeated(
    gateway: Gateway, alice: Caller
) -> None:
    task_id = create(gateway, alice)

    gateway.cancel(alice, task_id)
    gateway.cancel(alice, task_id)

    task = gateway.get(alice, task_id, TaskView.MINIMAL)
    assert task.state == pb.TASK_STATE_CANCELED


def test_lists_are_newest_first_and_in_pages(gateway: Gateway, alice: Caller) -> None:
    ids = [create(gateway, alice) for _ in range(5)]

    first = gateway.list_page(alice, TaskQuery(page_size=3))
    second = gateway.list_page(
        alice, TaskQuery(page_size=3, page_token=first.next_page_token)
    )

    assert [task.id for task in (*first.tasks, *second.tasks)] == ids[::-1]
    assert len(first.tasks) == 3
    assert second.next_page_token == ""


def test_a_page_token_belongs_to_its_filters(gateway: Gateway, alice: Caller) -> None:
    for _ in range(3):
        create(gateway, alice, name="a")
    token = gateway.list_page(alice, TaskQuery(page_size=1)).next_page_token

    with pytest.raises(InvalidRequestError):
        gateway.list_page(alice, TaskQuery(page_token=token, name_prefix="a"))
    with pytest.raises(InvalidRequestError):
        gateway.list_page(alice, TaskQuery(page_token="nonsense"))


def test_a_name_prefix_is_literal(gateway: Gateway, alice: Caller) -> None:
    found = create(gateway, alice, name="a%_b")
    create(gateway, alice, name="aXXb")
    create(gateway, alice, name="A%_b")
    create(gateway, alice)

    assert listed(gateway, alice, name_prefix="a%") == [found]
    assert listed(gateway, alice, name_prefix="b") == []


def test_a_state_is_exact(gateway: Gateway, alice: Caller) -> None:
    canceled, queued = create(gateway, alice), create(gateway, alice)
    gateway.cancel(alice, canceled)

    assert listed(gateway, alice, state=TaskState.CANCELED) == [canceled]
    assert listed(gateway, alice, state=TaskState.QUEUED) == [queued]
    assert listed(gateway, alice, state=TaskState.UNKNOWN) == []


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
    gateway: Gateway,
    alice: Caller,
    asked: dict[str, str],
    tags: dict[str, str],
    *,
    want: bool,
) -> None:
    task_id = create(gateway, alice, tags=tags)
    conditions = tuple(TagCondition(key, value) for key, value in asked.items())

    assert listed(gateway, alice, tags=conditions) == ([task_id] if want else [])


def test_many_at_once_are_all_there(gateway: Gateway, alice: Caller) -> None:
    command = ("echo", "x" * 1000)
    ids = {
        create(gateway, alice, executors=(make_executor(command=command),))
        for _ in range(50)
    }

    assert set(listed(gateway, alice)) == ids


def test_check_passes_while_the_scheduler_serves(gateway: Gateway) -> None:
    gateway.check()


def test_text_of_any_kind_survives(gateway: Gateway, alice: Caller) -> None:
    task = Task(executors=(make_executor(env={"Ä": "\n\t\U0001f600$(HOME)"}),))

    task_id = gateway.create(alice, NewTask(task=task))

    env = gateway.get(alice, task_id, TaskView.BASIC).executors[0].env
    assert dict(env) == {"Ä": "\n\t\U0001f600$(HOME)"}


def state_of(gateway: Gateway, task_id: str) -> "pb.TaskState.ValueType":
    return gateway.get(ADMIN, TaskId(task_id), TaskView.MINIMAL).state


def cancel(
    gateway: Gateway, caller: Caller, query: TaskQuery, *, dry_run: bool = False
) -> list[str]:
    """Go through all pages; return the tasks of all."""
    found: list[str] = []
    while True:
        page = gateway.cancel_page(caller, query, dry_run=dry_run)
        found += page.task_ids
        if not page.next_page_token:
            return found
        query = replace(query, page_token=page.next_page_token)


def test_tasks_that_match_are_canceled_page_by_page(
    gateway: Gateway, alice: Caller, bob: Caller
) -> None:
    wanted = [create(gateway, alice, name=f"x{number}") for number in range(3)]
    kept = [create(gateway, alice, name="y"), create(gateway, bob, name="x")]
    query = TaskQuery(name_prefix="x")

    assert sorted(cancel(gateway, alice, query, dry_run=True)) == sorted(wanted)
    assert sorted(cancel(gateway, alice, query)) == sorted(wanted)
    assert not cancel(gateway, alice, query)
    states = {state_of(gateway, each) for each in wanted}
    assert states == {pb.TASK_STATE_CANCELED}
    assert {state_of(gateway, each) for each in kept} == {pb.TASK_STATE_QUEUED}


def test_each_of_many_tasks_has_its_result(gateway: Gateway, alice: Caller) -> None:
    tasks = [
        NewTask(task=make_task(name=str(number)), idempotency_key=f"k{number}")
        for number in range(300)
    ]

    created = gateway.create_all(alice, tasks)

    assert len(set(created)) == 300
    assert gateway.create_all(alice, tasks[5:7]) == created[5:7]


def subscription(caller: Caller, **filters: Any) -> Subscription:
    return Subscription(caller, TaskQuery(**filters))


def end_of_feed(gateway: Gateway) -> str:
    page = gateway.list_changes([], "", limit=1)
    assert page.changes == []
    return page.next_cursor


def test_changes_are_told_to_those_who_may_see_them(
    gateway: Gateway, alice: Caller, bob: Caller
) -> None:
    cursor = end_of_feed(gateway)
    task_id = create(gateway, alice, name="wanted")
    gateway.cancel(alice, task_id)
    everyone = [alice, bob, ADMIN]

    page = gateway.list_changes(
        [subscription(each) for each in everyone], cursor, limit=100
    )

    own = [each for each in page.changes if each.task_id == task_id]
    assert own[-1].state is TaskState.CANCELED
    assert own[-1].name == "wanted"
    assert {tuple(each.matched) for each in own} == {(0, 2)}
    assert not page.is_expired
    assert page.next_number >= own[-1].number
    again = gateway.list_changes([subscription(alice)], own[-1].cursor, limit=100)
    assert task_id not in {each.task_id for each in again.changes}


def test_changes_are_filtered_as_lists_are(gateway: Gateway, alice: Caller) -> None:
    cursor = end_of_feed(gateway)
    task_id = create(gateway, alice, name="ab", tags={"run": "1"})
    asked = [
        subscription(alice, name_prefix="a"),
        subscription(alice, name_prefix="b"),
        subscription(alice, tags=(TagCondition("run", ""),)),
        subscription(alice, tags=(TagCondition("run", "2"),)),
        subscription(alice, state=TaskState.CANCELED),
    ]

    page = gateway.list_changes(asked, cursor, limit=100)

    (own,) = [each for each in page.changes if each.task_id == task_id]
    assert tuple(own.matched) == (0, 2)


@pytest.mark.parametrize("cursor", ["nonsense", "AAAA", "ä"])
def test_a_cursor_of_nobody_is_expired(gateway: Gateway, cursor: str) -> None:
    page = gateway.list_changes([subscription(ADMIN)], cursor, limit=1)

    assert page.is_expired
    assert gateway.list_changes([], page.next_cursor, limit=1).is_expired is False


def test_the_call_cache_is_explained_to_those_who_may_see_a_task(
    gateway: Gateway, alice: Caller, bob: Caller
) -> None:
    task_id = create(gateway, alice)

    found = gateway.explain_call_cache(alice, task_id)

    assert found.result is CacheResult.OFF
    assert "was off" in found.explanation
    assert gateway.explain_call_cache(ADMIN, task_id) == found
    with pytest.raises(NotFoundError):
        gateway.explain_call_cache(bob, task_id)
