"""What a scheduler tells of a task before it is created."""

from typing import Any

import pytest

from schedulers.served import ALICE, SECONDS, RunningScheduler, create_request
from tesk.v1 import admin_service_pb2 as admin_pb
from tesk.v1 import admin_service_pb2_grpc as admin_grpc
from tesk.v1 import task_pb2
from tesk.v1 import task_service_pb2 as pb
from tesk_model.errors import InvalidRequestError, ResourceExhaustedError, TeskError
from tesk_runtime.rpc.status import error_from_status, invoke


def check(running: RunningScheduler, **fields: Any) -> pb.CheckTaskResponse:
    wanted = create_request(**fields)
    request = pb.CheckTaskRequest(caller=wanted.caller, task=wanted.task)
    return invoke(running.tasks.CheckTask, request, timeout=SECONDS)


def refusal(answer: pb.CheckTaskResponse) -> TeskError:
    assert answer.HasField("refusal")
    return error_from_status(answer.refusal)


def tasks_of(running: RunningScheduler) -> list[task_pb2.Task]:
    request = pb.ListTasksRequest(caller=ALICE)
    return list(invoke(running.tasks.ListTasks, request, timeout=SECONDS).tasks)


def is_running(running: RunningScheduler, task_id: str) -> bool:
    return running.get(task_id).state != task_pb2.TASK_STATE_QUEUED


def test_a_task_that_fits_would_start_at_once_and_is_not_created(
    running: RunningScheduler,
) -> None:
    answer = check(running)

    fields = {each.name for each, _ in answer.ListFields()}
    assert fields == {"forecast"}
    assert answer.forecast.reason == ""
    assert answer.forecast.placement.runtime == "machine"
    assert tasks_of(running) == []
    assert not any(map(any, running.store.usage_of_all().values()))


def test_every_limit_that_binds_is_told_with_its_numbers(
    running: RunningScheduler,
) -> None:
    found = {
        (each.scope, each.subject, each.dimension): (each.limit, each.needed)
        for each in check(running).forecast.limits
    }

    want = {
        ("task", "", "cpu"): (4, 1),
        ("user", "alice", "queued"): (20, 1),
        ("capacity", "", "cpu"): (4, 1),
    }
    assert want.items() <= found.items()


def test_what_a_creation_would_refuse_is_refused(running: RunningScheduler) -> None:
    large = task_pb2.Resources(cpu_cores=5)

    told = refusal(check(running, resources=large))

    assert isinstance(told, InvalidRequestError)
    with pytest.raises(InvalidRequestError) as refused:
        running.create(resources=large)
    assert told.violations == refused.value.violations


def test_a_full_queue_refuses_for_now(running: RunningScheduler) -> None:
    whole = task_pb2.Resources(cpu_cores=4)
    [first] = running.create(resources=whole)
    running.eventually(lambda: is_running(running, first))
    running.create(20, resources=whole)

    answer = check(running)

    told = refusal(answer)
    assert isinstance(told, ResourceExhaustedError)
    assert told.message == "alice has 20 of 20 tasks queued"
    assert answer.forecast.wait.position == 21


def test_what_it_would_wait_for_is_what_a_task_then_waits_for(
    running: RunningScheduler,
) -> None:
    [first] = running.create(resources=task_pb2.Resources(cpu_cores=4))
    running.eventually(lambda: is_running(running, first))

    forecast = check(running).forecast

    [waits] = running.create()
    running.eventually(lambda: running.get(waits).reason_code == "CAPACITY_FULL")
    task = running.get(waits)
    assert (forecast.reason, forecast.reason_code) == (task.reason, task.reason_code)
    assert forecast.wait.remedy == task.wait.remedy
    assert (forecast.wait.position, forecast.wait.place) == (1, 1)


def test_a_task_would_wait_behind_those_of_its_owner(
    running: RunningScheduler,
) -> None:
    first, *_ = running.create(3, resources=task_pb2.Resources(cpu_cores=4))
    running.eventually(lambda: is_running(running, first))

    wait = check(running).forecast.wait
    other = check(running, caller=pb.Caller(user="bob")).forecast.wait

    assert wait.position == 3
    assert wait.head.id
    assert other.position == 1


def test_a_hold_comes_first(running: RunningScheduler) -> None:
    admin = admin_grpc.AdminServiceStub(running.channel)
    everything = admin_pb.Subject(kind=admin_pb.SUBJECT_KIND_ALL)
    request = admin_pb.PutHoldRequest(
        subject=everything, reason="upgrade", operator="root"
    )
    invoke(admin.PutHold, request, timeout=SECONDS)

    forecast = check(running).forecast

    assert forecast.reason_code == "HELD"
    assert "upgrade" in forecast.reason
