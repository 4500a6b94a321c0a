"""Operators' switches on a scheduler that runs, over gRPC."""

from typing import Any

import pytest

from fakes.scheduler_taskmaster import FakeTaskmaster
from schedulers.served import RunningScheduler
from tesk.v1 import assignment_service_pb2, task_pb2, task_service_pb2
from tesk_cli.adapters.admin_client import AdminClient
from tesk_model.errors import (
    InvalidRequestError,
    NotFoundError,
    UnauthenticatedError,
)
from tesk_runtime.rpc.channel import open_channel
from tesk_scheduler.domain.occurrences import (
    CancelRequested,
    OperatorActed,
    TaskRequeued,
)

ALL = {"kind": "SUBJECT_KIND_ALL"}
ALICE = {"kind": "SUBJECT_KIND_USER", "name": "alice"}
BOB = task_service_pb2.Caller(user="bob", groups=["lab"])


@pytest.fixture
def admin(running: RunningScheduler) -> AdminClient:
    return AdminClient(running.channel, "ada")


def state_of(running: RunningScheduler, task_id: str) -> str:
    return task_pb2.TaskState.Name(running.get(task_id).state)


def reason_of(running: RunningScheduler, task_id: str) -> tuple[str, str]:
    task = running.get(task_id)
    return task.reason_code, task.reason


def take(taskmaster: FakeTaskmaster) -> assignment_service_pb2.Assignment:
    while True:
        answer = taskmaster.sync()
        if answer.run:
            return answer.run[0]


def acted(running: RunningScheduler, kind: type[Any]) -> list[Any]:
    return [each for each in running.observer.occurrences if isinstance(each, kind)]


def test_nothing_is_admitted_while_everything_is_held(
    running: RunningScheduler, admin: AdminClient
) -> None:
    admin.call("PutHold", subject=ALL, reason="upgrade at noon")

    (task_id,) = running.create()
    running.eventually(lambda: reason_of(running, task_id)[0] == "HELD")

    code_and_text = reason_of(running, task_id)
    admin.call("RemoveHold", subject=ALL)
    running.launched()
    assert code_and_text == (
        "HELD",
        "all tasks are held by an operator: upgrade at noon",
    )
    assert [(each.action, each.detail) for each in acted(running, OperatorActed)] == [
        ("hold", "upgrade at noon"),
        ("release", "upgrade at noon"),
    ]


SUBJECTS = {
    "a user": ({"kind": "SUBJECT_KIND_USER", "name": "bob"}, "tasks of bob"),
    "a group": ({"kind": "SUBJECT_KIND_GROUP", "name": "lab"}, "tasks of group lab"),
}


@pytest.mark.parametrize(("subject", "whose"), SUBJECTS.values(), ids=list(SUBJECTS))
def test_only_tasks_of_who_is_held_wait(
    running: RunningScheduler,
    admin: AdminClient,
    subject: dict[str, str],
    whose: str,
) -> None:
    admin.call("PutHold", subject=subject, reason="talk to us")
    request = task_service_pb2.CreateTaskRequest(
        caller=BOB,
        task=task_pb2.Task(executors=[task_pb2.Executor(image="i", command=["c"])]),
    )

    (held,) = running.create_all([request])
    running.create()

    assert take(running.launched()).attempt.task_id != held
    running.eventually(lambda: running.get(held, BOB).reason_code == "HELD")
    text = running.get(held, BOB).reason
    assert text == f"{whose} are held by an operator: talk to us"


def test_a_hold_says_who_and_since_when_and_what_it_replaced(
    admin: AdminClient,
) -> None:
    first = admin.call("PutHold", subject=ALICE, reason="one")
    planned = admin.call("PutHold", subject=ALICE, reason="two", dry_run=True)
    second = admin.call("PutHold", subject=ALICE, reason="three")

    (found,) = admin.call("GetStatus")["holds"]
    assert "replaced" not in first
    assert planned["replaced"]["reason"] == second["replaced"]["reason"] == "one"
    assert (found["reason"], found["operator"]) == ("three", "ada")
    assert found["since"] == second["hold"]["since"]


def test_what_is_not_held_cannot_be_released(admin: AdminClient) -> None:
    for dry_run in (True, False):
        with pytest.raises(NotFoundError, match="user alice: not held"):
            admin.call("RemoveHold", subject=ALICE, dry_run=dry_run)


REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "a hold without a reason": ("PutHold", {"subject": ALL, "reason": " "}, "reason"),
    "a reason of two lines": ("PutHold", {"subject": ALL, "reason": "a\nb"}, "reason"),
    "a hold of nobody": ("PutHold", {"reason": "r"}, "subject.kind"),
    "a user without a name": (
        "PutHold",
        {"subject": {"kind": "SUBJECT_KIND_USER"}, "reason": "r"},
        "subject.name",
    ),
    "a cancel of everything that does not say so": ("CancelTasks", {}, "filter"),
    "a cancel of what has ended": (
        "CancelTasks",
        {"filter": {"state": "TASK_STATE_COMPLETE"}},
        "state",
    ),
    "a cursor of something else": (
        "CancelTasks",
        {"all": True, "cursor": "x"},
        "page_token",
    ),
    "too many tasks": ("RequeueTasks", {"task_ids": ["t"] * 201}, "task_ids"),
}


@pytest.mark.parametrize(
    ("method", "fields", "path"), REFUSED.values(), ids=list(REFUSED)
)
def test_what_is_wrong_is_refused_by_its_name(
    admin: AdminClient, method: str, fields: dict[str, Any], path: str
) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        admin.call(method, **fields)

    assert [each.path for each in refused.value.violations] == [path]


def test_nobody_acts_without_a_name_or_the_token(running: RunningScheduler) -> None:
    with pytest.raises(InvalidRequestError, match="operator"):
        AdminClient(running.channel, "").call("GetStatus")
    with open_channel(running.address, token="other") as channel:
        stranger = AdminClient(channel, "eve")
        with pytest.raises(UnauthenticatedError):
            stranger.call("PutHold", subject=ALL, reason="r")


def test_a_task_that_hangs_is_requeued_and_its_late_reports_are_refused(
    running: RunningScheduler, admin: AdminClient
) -> None:
    (task_id,) = running.create()
    taskmaster = running.launched()
    first = take(taskmaster)
    taskmaster.report([taskmaster.started(first)])
    first.last_sequence = 1

    (result,) = admin.call("RequeueTasks", task_ids=[task_id], reason="hangs")[
        "results"
    ]
    late = taskmaster.report(
        taskmaster.ended(first, assignment_service_pb2.OUTCOME_COMPLETE)[:2]
    )
    taskmaster.held[task_id, 1] = first
    response = taskmaster.sync()
    waiting = state_of(running, task_id)
    stop = response.stop[0].reason
    taskmaster.report(taskmaster.released(first, after=3))
    second = take(taskmaster)
    taskmaster.report(taskmaster.ended(second, assignment_service_pb2.OUTCOME_COMPLETE))

    task = running.get(task_id)
    assert (result["problem"], result["state"]) == ("", "TASK_STATE_QUEUED")
    assert late == [assignment_service_pb2.EVENT_VERDICT_REFUSED] * 2
    assert waiting == "TASK_STATE_QUEUED"
    assert stop == assignment_service_pb2.STOP_REASON_CANCELED
    assert second.attempt.number == 2
    assert task.state == task_pb2.TASK_STATE_COMPLETE
    assert "attempt 1 was ended by an operator: hangs" in task.logs[0].system_logs
    (said,) = acted(running, TaskRequeued)
    assert (said.operator, said.owner, said.attempt) == ("ada", "alice", 1)


def test_requeueing_says_for_each_task_why_it_cannot_be(
    running: RunningScheduler, admin: AdminClient
) -> None:
    admin.call("PutHold", subject=ALL, reason="r")
    (queued,) = running.create()
    (ended,) = running.create()
    running.cancel(ended)

    ids = [queued, ended, "nothing"]
    for dry_run in (True, False):
        results = admin.call("RequeueTasks", task_ids=ids, reason="r", dry_run=dry_run)[
            "results"
        ]
        assert [each["problem"] for each in results] == [
            "it is queued already",
            "it is CANCELED",
            "there is no such task",
        ]


def test_tasks_that_match_are_canceled_page_by_page(
    running: RunningScheduler, admin: AdminClient
) -> None:
    admin.call("PutHold", subject=ALL, reason="r")
    ids = running.create(20, tags={"run": "7"})
    other = running.create_all(
        [
            task_service_pb2.CreateTaskRequest(
                caller=BOB,
                task=task_pb2.Task(
                    executors=[task_pb2.Executor(image="i", command=["c"])]
                ),
            )
        ]
    )
    wanted = {"owner": "alice", "tags": {"run": "7"}}

    planned = _all_pages(admin, filter=wanted, dry_run=True)
    before = {state_of(running, each) for each in ids}
    canceled = _all_pages(admin, filter=wanted)
    again = _all_pages(admin, filter=wanted)

    assert sorted(planned) == sorted(canceled) == sorted(ids)
    assert before == {"TASK_STATE_QUEUED"}
    assert again == []
    assert {state_of(running, each) for each in ids} == {"TASK_STATE_CANCELED"}
    assert running.get(other[0], BOB).state == task_pb2.TASK_STATE_QUEUED
    audit = acted(running, CancelRequested)
    assert {(each.user, each.owner, each.admin) for each in audit} == {
        ("ada", "alice", True)
    }


def _all_pages(admin: AdminClient, **fields: Any) -> list[str]:
    found, cursor, pages = [], "", 0
    while True:
        page = admin.call("CancelTasks", cursor=cursor, **fields)
        found += [each["task_id"] for each in page["results"]]
        cursor, pages = page["next_cursor"], pages + 1
        if not cursor:
            assert pages == 3  # one for each state
            return found


def test_a_drained_taskmaster_gets_no_more_and_is_told_to_exit(
    running: RunningScheduler, admin: AdminClient
) -> None:
    running.create()
    name = running.launcher.wait_for(1)
    taskmaster = running.taskmaster(name)
    first = take(taskmaster)

    planned = admin.call("DrainTaskmaster", taskmaster_id=name, dry_run=True)
    admin.call("DrainTaskmaster", taskmaster_id=name)
    running.create()
    second = take(running.launched(2))
    (before, after) = admin.call("ListTaskmasters")["taskmasters"]
    taskmaster.report(taskmaster.ended(first, assignment_service_pb2.OUTCOME_COMPLETE))

    assert taskmaster.sync().exit
    assert planned["taskmaster"]["state"] == "SERVING"
    assert (before["id"], before["state"], before["assigned"]) == (name, "DRAINING", 1)
    assert (after["state"], after["assigned"]) == ("SERVING", 1)
    assert second.attempt.task_id != first.attempt.task_id


def test_an_unknown_taskmaster_cannot_be_drained(admin: AdminClient) -> None:
    with pytest.raises(NotFoundError, match="no taskmaster tm-x"):
        admin.call("DrainTaskmaster", taskmaster_id="tm-x")


def test_a_taskmaster_without_a_row_is_found_and_ended(
    running: RunningScheduler, admin: AdminClient
) -> None:
    running.launcher.appear("stranger")

    (listed,) = admin.call("ListTaskmasters")["taskmasters"]
    (found,) = admin.call("Verify", cluster=True)["findings"]
    alive = set(running.launcher.alive())
    (fixed,) = admin.call("Verify", cluster=True, fix=True)["findings"]

    assert (listed["id"], listed["state"]) == ("stranger", "UNKNOWN")
    assert (found["kind"], found["name"]) == ("TASKMASTER_UNKNOWN", "stranger")
    assert (found["fixed"], fixed["fixed"]) == (False, True)
    assert alive == {"stranger"}
    assert "stranger" in running.launcher.killed
    assert not admin.call("Verify", cluster=True)["findings"]


def test_a_store_that_agrees_shows_nothing(
    running: RunningScheduler, admin: AdminClient
) -> None:
    running.create(3)
    take(running.launched())

    assert admin.call("Verify", cluster=True) == {"findings": [], "more": 0}
