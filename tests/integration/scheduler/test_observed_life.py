"""The life of a task as its scheduler's observer hears it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.scheduler_observer import ListObserver
from programs.waiting import eventually
from schedulers.databases import sqlite_database
from schedulers.served import RunningScheduler, create_request
from schedulers.stepped import lose_a_taskmaster
from schedulers.transfers import IN, OUT, Transfer, started_transfer
from tesk.v1 import assignment_service_pb2, task_service_pb2
from tesk.v1 import transfer_service_pb2 as pb
from tesk_model.errors import NotFoundError
from tesk_model.states import TaskState
from tesk_scheduler.adapters.store.store import SqlTaskStore
from tesk_scheduler.domain.occurrences import (
    AttemptAssigned,
    CancelRequested,
    Moved,
    TaskCreated,
    TaskEnded,
    TaskmasterLost,
    TaskRead,
    TasksListed,
    TransferEnded,
)

ALICE = task_service_pb2.Caller(user="alice", request_id="req-1")
ROOT = task_service_pb2.Caller(user="root", admin=True, request_id="req-2")


def test_a_task_is_told_from_its_creation_to_its_end(running: RunningScheduler) -> None:
    (task_id,) = running.create_all([create_request(caller=ALICE)])
    taskmaster = running.launched()
    taskmaster.work(taskmaster.sync())

    running.eventually(lambda: "task ended" in running.observer.titles(task_id))
    assert running.observer.titles(task_id) == [
        "task created",
        "task admitted",
        "executor exited",
        "task ended",
    ]
    first, *_, last = running.observer.of_task(task_id)
    assert first == TaskCreated(
        task_id=first.task_id, user="alice", group="", request_id="req-1"
    )
    assert isinstance(last, TaskEnded)
    assert (last.state, last.attempts) == (TaskState.COMPLETE, 1)


def test_a_create_that_is_repeated_is_told_once(running: RunningScheduler) -> None:
    request = create_request(caller=ALICE, key="k")
    (task_id,) = running.create_all([request])

    assert running.create_all([request]) == [task_id]
    (other,) = running.create_all([create_request()])

    running.eventually(lambda: "task created" in running.observer.titles(other))
    assert running.observer.titles(task_id).count("task created") == 1


def test_a_cancel_names_who_asked_for_it(running: RunningScheduler) -> None:
    (task_id,) = running.create(name="hang")
    running.cancel(task_id, ROOT)

    def requests() -> list[CancelRequested]:
        found = running.observer.of_task(task_id)
        return [each for each in found if isinstance(each, CancelRequested)]

    running.eventually(lambda: bool(requests()))
    (request,) = requests()
    assert (request.owner, request.user, request.admin) == ("alice", "root", True)
    assert request.request_id == "req-2"


def test_a_cancel_that_changes_nothing_is_not_told(running: RunningScheduler) -> None:
    (task_id,) = running.create(name="hang")
    running.cancel(task_id)
    running.cancel(task_id)

    running.eventually(lambda: "cancel requested" in running.observer.titles(task_id))
    assert running.observer.titles(task_id).count("cancel requested") == 1


def reads(running: RunningScheduler) -> list[object]:
    return [each for each in running.observer.occurrences if isinstance(each, TaskRead)]


def test_an_admin_who_reads_a_task_of_another_is_told(
    running: RunningScheduler,
) -> None:
    (task_id,) = running.create()

    running.get(task_id)
    assert reads(running) == []
    running.get(task_id, ROOT)

    (read,) = reads(running)
    assert isinstance(read, TaskRead)
    assert (read.task_id, read.owner, read.user) == (task_id, "alice", "root")


def test_an_admin_who_reads_an_own_or_no_task_is_not_told(
    running: RunningScheduler,
) -> None:
    (own,) = running.create_all([create_request(caller=ROOT)])

    running.get(own, ROOT)
    with pytest.raises(NotFoundError):
        running.get("01HZZZZZZZZZZZZZZZZZZZZZZZ", ROOT)

    assert reads(running) == []


def test_an_admin_who_lists_tasks_of_others_is_told(running: RunningScheduler) -> None:
    running.create(2)
    running.tasks.ListTasks(task_service_pb2.ListTasksRequest(caller=ALICE))
    running.tasks.ListTasks(task_service_pb2.ListTasksRequest(caller=ROOT))

    lists = [x for x in running.observer.occurrences if isinstance(x, TasksListed)]
    assert lists == [TasksListed(tasks=2, user="root", request_id="req-2")]


def test_calls_are_told_with_their_status(running: RunningScheduler) -> None:
    running.create()
    with pytest.raises(NotFoundError):
        running.cancel("01HZZZZZZZZZZZZZZZZZZZZZZZ")

    running.eventually(
        lambda: ("TaskService/CancelTask", "NOT_FOUND") in running.observer.calls
    )
    assert ("TaskService/BatchCreateTasks", "OK") in running.observer.calls


@pytest.fixture
def transfer(running: RunningScheduler) -> Iterator[Transfer]:
    """Let a taskmaster take a task with an input and an output."""
    with started_transfer(running) as transfer:
        yield transfer


def ends(transfer: Transfer) -> list[TransferEnded]:
    found = transfer.running.observer.of_task(transfer.attempt.task_id)
    return [each for each in found if isinstance(each, TransferEnded)]


def test_transfers_tell_what_moved_by_schemes_that_there_are(
    transfer: Transfer,
) -> None:
    transfer.finish(
        IN,
        files=5,
        bytes=14,
        moved=[
            pb.MovedByScheme(scheme="s3", files=1, bytes=5),
            pb.MovedByScheme(scheme="cache", files=1, bytes=2),
            pb.MovedByScheme(scheme="gopher", files=1, bytes=3),
            pb.MovedByScheme(scheme="other", files=2, bytes=4),
        ],
    )

    eventually(lambda: len(ends(transfer)) == 1)
    assert ends(transfer)[0].moved == (
        Moved(scheme="s3", files=1, bytes=5),
        Moved(scheme="cache", files=1, bytes=2),
        Moved(scheme="unknown", files=3, bytes=7),
    )


def test_transfers_of_a_filer_of_an_earlier_release_are_told(
    transfer: Transfer,
) -> None:
    transfer.finish(IN, files=2, bytes=9)
    transfer.finish(IN, files=2, bytes=9)
    transfer.run_executors()
    transfer.finish(OUT, error="/out: no route to host")

    eventually(lambda: len(ends(transfer)) == 2)
    first, second = ends(transfer)
    assert first.moved == (Moved(scheme="unknown", files=2, bytes=9),)
    assert (second.step, second.succeeded, second.moved) == ("outputs", False, ())


def test_a_lost_taskmaster_and_the_takeover_are_told(tmp_path: Path) -> None:
    observer = ListObserver()
    store = SqlTaskStore.open(sqlite_database(tmp_path / "tesk.db"), observer=observer)
    lose_a_taskmaster(store)
    store.close()

    lost = [x for x in observer.occurrences if isinstance(x, TaskmasterLost)]
    assert [(each.taskmaster, each.attempts) for each in lost] == [("tm-1", 1)]
    assigned = observer.of_task("t-1")[-1]
    assert isinstance(assigned, AttemptAssigned)
    assert (assigned.taskmaster, assigned.takeover) == ("tm-2", True)


def test_a_lost_attempt_is_told(transfer: Transfer) -> None:
    lost = transfer.taskmaster.ended(
        transfer.assignment, assignment_service_pb2.OUTCOME_LOST
    )
    transfer.taskmaster.report(lost)

    observer, task_id = transfer.running.observer, transfer.attempt.task_id
    eventually(lambda: "attempt lost" in observer.titles(task_id))
