"""Creating, reading, listing and canceling over gRPC."""

from datetime import timedelta
from typing import Any

import pytest

from schedulers.served import ALICE, SECONDS, RunningScheduler, create_request
from tesk.v1 import task_pb2, task_service_pb2
from tesk_model.errors import (
    InvalidRequestError,
    NotFoundError,
    ResourceExhaustedError,
)
from tesk_model.task import TaskId
from tesk_runtime.rpc.status import error_from_status, invoke
from tesk_scheduler.domain.dimensions import GPU

BOB = task_service_pb2.Caller(user="bob")
ADMIN = task_service_pb2.Caller(user="root", admin=True)
BIG = task_pb2.Resources(cpu_cores=5)


def test_a_task_is_shown_as_it_was_sent(running: RunningScheduler) -> None:
    (task_id,) = running.create(
        name="md5",
        tags={"a": "", "b": "ä"},
        id="mine",
        state=task_pb2.TASK_STATE_COMPLETE,
        reason="mine",
        logs=[task_pb2.TaskLog()],
        warnings=("dropped: cpuCores",),
        resources=BIG.__class__(cpu_cores=4, disk_gb=0),
    )

    task = running.get(task_id)

    assert task.id == task_id != "mine"
    assert task.name == "md5"
    assert dict(task.tags) == {"a": "", "b": "ä"}
    assert task.resources == task_pb2.Resources(cpu_cores=4, disk_gb=0)
    assert task.creation_time.seconds > 0
    assert not task.HasField("description")


def test_each_of_a_batch_is_judged_for_itself(running: RunningScheduler) -> None:
    batch = task_service_pb2.BatchCreateTasksRequest(
        requests=[create_request(), create_request(resources=BIG), create_request()]
    )

    good, bad, also = invoke(
        running.tasks.BatchCreateTasks, batch, timeout=SECONDS
    ).results

    error = error_from_status(bad.error)
    assert isinstance(error, InvalidRequestError)
    assert [violation.path for violation in error.violations] == ["resources.cpu_cores"]
    assert good.task_id != also.task_id
    assert running.get(also.task_id).id == also.task_id


def test_too_many_in_a_batch_create_nothing(running: RunningScheduler) -> None:
    with pytest.raises(InvalidRequestError, match="256"):
        running.create_all([create_request()] * 257)

    assert running.store.usage_of_all() == {}


def test_the_same_key_creates_one_task(running: RunningScheduler) -> None:
    first = running.create(key="k")
    again = running.create_all([create_request(key="k"), create_request(key="k")])
    other = running.create(key="k", caller=BOB)

    assert again == first * 2
    assert other != first


def test_a_key_has_a_longest_length(running: RunningScheduler) -> None:
    assert running.create(key="k" * 128)
    with pytest.raises(InvalidRequestError, match="idempotency_key"):
        running.create(key="k" * 129)


def test_too_many_queued_are_refused_for_now(running: RunningScheduler) -> None:
    with pytest.raises(ResourceExhaustedError, match="alice") as caught:
        running.create(30)

    assert caught.value.retry_after == timedelta(seconds=30)
    assert running.create(caller=BOB)


def test_a_caller_sees_only_own_tasks(running: RunningScheduler) -> None:
    (task_id,) = running.create()

    with pytest.raises(NotFoundError):
        running.get(task_id, BOB)
    with pytest.raises(NotFoundError):
        running.cancel(task_id, BOB)
    with pytest.raises(NotFoundError):
        running.get("missing")
    assert running.get(task_id, ADMIN).id == task_id


def listed(
    running: RunningScheduler, **fields: Any
) -> task_service_pb2.ListTasksResponse:
    """List tasks of alice."""
    values: dict[str, Any] = {"caller": ALICE} | fields
    request = task_service_pb2.ListTasksRequest(**values)
    return invoke(running.tasks.ListTasks, request, timeout=SECONDS)


def test_pages_are_newest_first_and_complete(running: RunningScheduler) -> None:
    ids = running.create(5)
    running.create(caller=BOB)

    first = listed(running, page_size=3)
    second = listed(running, page_size=3, page_token=first.next_page_token)

    assert [task.id for task in [*first.tasks, *second.tasks]] == ids[::-1]
    assert second.next_page_token == ""


def test_large_tasks_make_short_pages_and_none_is_left_out(
    running: RunningScheduler,
) -> None:
    content = "x" * 3_000_000
    inputs = [
        task_pb2.Input(path="/a", content=content, type=task_pb2.FILE_TYPE_FILE),
    ]
    ids = [task_id for _ in range(5) for task_id in running.create(inputs=inputs)]

    pages: list[list[str]] = []
    token = ""
    while token or not pages:
        page = listed(running, view=task_pb2.TASK_VIEW_FULL, page_token=token)
        pages.append([task.id for task in page.tasks])
        token = page.next_page_token

    assert [len(page) for page in pages] == [2, 2, 1]
    assert [task_id for page in pages for task_id in page] == ids[::-1]


def test_a_full_last_page_is_the_last(running: RunningScheduler) -> None:
    running.create(2)

    assert listed(running, page_size=2).next_page_token == ""


def test_admins_list_tasks_of_all_owners(running: RunningScheduler) -> None:
    running.create()
    running.create(caller=BOB)

    assert len(listed(running, caller=ADMIN).tasks) == 2


REFUSED_LISTS = {
    "a token made up": {"page_token": "abc"},
    "a page too large": {"page_size": 2048},
    "a negative page": {"page_size": -1},
    "an unknown state": {"state": 77},
}


@pytest.mark.parametrize("fields", REFUSED_LISTS.values(), ids=REFUSED_LISTS)
def test_a_list_is_refused(
    running: RunningScheduler, fields: dict[str, object]
) -> None:
    with pytest.raises(InvalidRequestError):
        listed(running, **fields)


def test_a_token_is_good_for_its_filters_alone(running: RunningScheduler) -> None:
    running.create(2, name="a")
    token = listed(running, page_size=1).next_page_token

    with pytest.raises(InvalidRequestError, match="page_token"):
        listed(running, page_size=1, page_token=token, name_prefix="a")
    with pytest.raises(InvalidRequestError, match="page_token"):
        listed(running, page_size=1, page_token=token, caller=ADMIN)


def test_views_show_what_they_may(running: RunningScheduler) -> None:
    inputs = [task_pb2.Input(path="/a", content="secret", type=task_pb2.FILE_TYPE_FILE)]
    running.create(inputs=inputs, name="n")

    minimal, basic, full = (
        listed(running, view=view).tasks[0]
        for view in (
            task_pb2.TASK_VIEW_MINIMAL,
            task_pb2.TASK_VIEW_BASIC,
            task_pb2.TASK_VIEW_FULL,
        )
    )

    assert {field.name for field, _ in minimal.ListFields()} == {"id", "state"}
    assert (basic.name, basic.inputs[0].path) == ("n", "/a")
    assert not basic.inputs[0].HasField("content")
    assert full.inputs[0].content == "secret"


def test_a_waiting_task_says_why(running: RunningScheduler) -> None:
    wide = {"resources": task_pb2.Resources(cpu_cores=4)}
    ids = running.create(3, **wide)

    running.eventually(
        lambda: bool(running.store.assigned(running.launcher.wait_for(1)))
    )
    running.eventually(lambda: "cpu" in running.get(ids[1]).reason)

    behind = running.get(ids[2])
    assert behind.reason == (
        "waiting behind 1 task of alice; the first of them: waiting for 4 cpu: 0 free"
    )
    assert (behind.wait.position, behind.wait.place) == (2, 2)
    assert behind.wait.head.id == ids[1]
    first = running.get(ids[1]).wait
    assert (first.scope, first.dimension) == ("capacity", "cpu")
    assert (first.used, first.limit, first.needed) == (4, 4, 4)
    assert first.remedy == "starts when tasks have freed 4 cpu"


def test_a_queued_task_is_canceled_at_once(running: RunningScheduler) -> None:
    wide = {"resources": task_pb2.Resources(cpu_cores=4)}
    ids = running.create(2, **wide, warnings=("dropped: x",))
    running.launched()

    running.cancel(ids[1])
    running.cancel(ids[1])

    task = running.get(ids[1])
    assert task.state == task_pb2.TASK_STATE_CANCELED
    assert [list(log.system_logs) for log in task.logs] == [["dropped: x"]]


def asking(**parameters: str) -> task_pb2.Resources:
    return task_pb2.Resources(cpu_cores=1, backend_parameters=parameters)


def test_gpus_are_charged_with_their_type(running: RunningScheduler) -> None:
    (task_id,) = running.create(resources=asking(gpu="2", gpu_type="a100"))

    record = running.store.record(TaskId(task_id))
    assert record is not None
    assert record.demand[GPU] == 2
    assert record.gpu_type == "a100"
    (one,) = running.create(resources=asking(gpu_type="a100"))
    record = running.store.record(TaskId(one))
    assert record is not None
    assert record.demand[GPU] == 1


@pytest.mark.parametrize(
    ("parameters", "path"),
    [
        ({"gpu": "many"}, "resources.backend_parameters.gpu"),
        ({"gpu": "0"}, "resources.backend_parameters.gpu"),
        ({"gpu_type": "a b"}, "resources.backend_parameters.gpu_type"),
    ],
)
def test_gpus_that_are_asked_for_wrongly_are_refused(
    running: RunningScheduler, parameters: dict[str, str], path: str
) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        running.create(resources=asking(**parameters))

    assert [each.path for each in refused.value.violations] == [path]
