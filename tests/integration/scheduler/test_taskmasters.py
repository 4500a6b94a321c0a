"""The life of attempts between the scheduler and its taskmasters."""

from datetime import timedelta

import msgspec
import pytest

from fakes.scheduler_taskmaster import FakeTaskmaster
from schedulers.served import RunningScheduler
from tesk.v1 import assignment_service_pb2 as pb
from tesk.v1 import task_pb2
from tesk_model.errors import InvalidRequestError
from tesk_model.quantities import bytes_from_gib
from tesk_scheduler.config import SchedulerSettings
from tesk_scheduler.domain.dimensions import DISK, RAM, RUNNING
from tesk_scheduler.domain.quota import EVERYBODY, Usage

COMPLETE = task_pb2.TASK_STATE_COMPLETE
CANCELED = task_pb2.TASK_STATE_CANCELED


SETTINGS = SchedulerSettings(
    tasks_per_taskmaster=2,
    max_taskmasters=2,
    lease=timedelta(seconds=1),
    max_attempts=2,
    max_takeovers=1,
)
IMPATIENT = msgspec.structs.replace(SETTINGS, idle=timedelta(seconds=0))


@pytest.fixture
def scheduler_settings() -> SchedulerSettings:
    """Two taskmasters of two tasks, with short leases."""
    return SETTINGS


def take(taskmaster: FakeTaskmaster) -> pb.Assignment:
    """Wait for one assignment."""
    while True:
        answer = taskmaster.sync()
        if answer.run:
            return answer.run[0]


def test_a_task_runs_to_its_end(running: RunningScheduler) -> None:
    (task_id,) = running.create(
        inputs=[task_pb2.Input(path="/a", content="x", type=task_pb2.FILE_TYPE_FILE)]
    )
    taskmaster = running.launched()

    assignment = take(taskmaster)
    preparing = running.get(task_id)
    verdicts = taskmaster.report(taskmaster.ended(assignment, pb.OUTCOME_COMPLETE))

    assert preparing.state == task_pb2.TASK_STATE_INITIALIZING
    assert preparing.logs[0].HasField("start_time")
    assert not assignment.task.inputs[0].HasField("content")
    assert verdicts == [pb.EVENT_VERDICT_APPLIED] * 3
    task = running.get(task_id)
    assert task.state == COMPLETE
    assert task.logs[0].logs[0].stdout == "hello\n"
    assert task.logs[0].HasField("end_time")
    assert running.store.usage_of_all()[EVERYBODY] == Usage()


def test_a_taskmaster_gets_the_amounts_that_were_charged(
    running: RunningScheduler,
) -> None:
    sent = task_pb2.Resources(
        ram_gb=0.1,
        disk_gb=0,
        zones=["a"],
        preemptible=True,
        backend_parameters={"pool": "fast"},
    )
    (task_id,) = running.create(resources=sent)

    assigned = take(running.launched()).task.resources

    assert (assigned.cpu_cores, assigned.ram_gb) == (1, 0.1)
    assert (assigned.disk_gb, list(assigned.zones)) == (1, ["a"])
    assert assigned.preemptible
    assert assigned.backend_parameters == {"pool": "fast"}
    charged = running.store.usage_of_all()[EVERYBODY]
    assert bytes_from_gib(assigned.ram_gb) == charged[RAM]
    assert bytes_from_gib(assigned.disk_gb) == charged[DISK]
    assert running.get(task_id).resources == sent


def test_reporting_again_changes_nothing(running: RunningScheduler) -> None:
    running.create()
    taskmaster = running.launched()
    events = taskmaster.ended(take(taskmaster), pb.OUTCOME_COMPLETE)

    taskmaster.report(events)

    assert taskmaster.report(events) == [pb.EVENT_VERDICT_DUPLICATE] * 3


def test_an_unassigned_taskmaster_is_refused_and_told_to_stop(
    running: RunningScheduler,
) -> None:
    (task_id,) = running.create()
    assignment = take(running.launched())
    stranger = running.taskmaster("stranger")
    stranger.held[task_id, 1] = assignment

    verdicts = stranger.report(stranger.ended(assignment, pb.OUTCOME_COMPLETE))
    stranger.held[task_id, 1] = assignment
    answer = stranger.sync()

    assert verdicts == [pb.EVENT_VERDICT_REFUSED] * 3
    assert [stop.reason for stop in answer.stop] == [pb.STOP_REASON_REASSIGNED]
    assert running.get(task_id).state == task_pb2.TASK_STATE_INITIALIZING


def test_an_unheld_assignment_is_sent_again(running: RunningScheduler) -> None:
    running.create()
    taskmaster = running.launched()
    first = take(taskmaster)
    taskmaster.held.clear()

    assert take(taskmaster).attempt == first.attempt


def test_a_running_task_is_canceled(running: RunningScheduler) -> None:
    (task_id,) = running.create()
    taskmaster = running.launched()
    take(taskmaster)

    running.cancel(task_id)
    canceling = running.get(task_id).state
    answer = taskmaster.sync()
    taskmaster.work(answer)

    assert canceling == task_pb2.TASK_STATE_CANCELING
    assert [stop.reason for stop in answer.stop] == [pb.STOP_REASON_CANCELED]
    task = running.get(task_id)
    assert task.state == CANCELED
    assert len(task.logs[0].logs) == 1


def test_an_attempt_that_is_canceled_before_it_was_taken_is_only_released(
    running: RunningScheduler,
) -> None:
    (task_id,) = running.create()
    taskmaster = running.launched()
    running.eventually(lambda: running.get(task_id).state != task_pb2.TASK_STATE_QUEUED)
    running.cancel(task_id)

    assignment = take(taskmaster)
    taskmaster.report(taskmaster.released(assignment, after=0))

    assert assignment.release_only
    assert running.get(task_id).state == CANCELED


def test_dead_taskmasters_are_replaced_and_their_attempts_go_on(
    running: RunningScheduler,
) -> None:
    (task_id,) = running.create()
    first = running.launched()
    assignment = take(first)
    first.report(first.ended(assignment, pb.OUTCOME_COMPLETE)[:1])

    running.launcher.die(running.launcher.launched[0], 1)
    running.notifier.leader.notify(urgent=True)
    second = running.launched(2)
    adopted = take(second)

    assert adopted.attempt == assignment.attempt
    assert adopted.last_sequence == 1
    assert [each.index for each in adopted.finished_executors] == [0]
    assert not adopted.release_only
    late = first.report(first.ended(assignment, pb.OUTCOME_COMPLETE)[1:])
    assert late == [pb.EVENT_VERDICT_REFUSED] * 2
    second.report(second.ended(adopted, pb.OUTCOME_COMPLETE))
    assert running.get(task_id).state == COMPLETE


def test_a_successor_learns_what_has_started_in_this_attempt(
    running: RunningScheduler,
) -> None:
    running.create()
    first = running.launched()
    assignment = take(first)
    first.report([first.started(assignment)])

    running.launcher.die(running.launcher.launched[0], 1)
    running.notifier.leader.notify(urgent=True)
    second = running.launched(2)
    adopted = take(second)
    second.report(second.ended(adopted, pb.OUTCOME_LOST)[1:])
    anew = take(second)

    assert list(assignment.started_executors) == []
    assert list(adopted.started_executors) == [0]
    assert list(adopted.finished_executors) == []
    assert anew.attempt.number == adopted.attempt.number + 1
    assert list(anew.started_executors) == []


def test_a_successor_learns_since_when_outputs_are_tried(
    running: RunningScheduler,
) -> None:
    running.create()
    first = running.launched()
    assignment = take(first)
    event = pb.TaskEvent(
        attempt=assignment.attempt, sequence=1, reason="the outputs … yet"
    )
    event.held_up_since.FromJsonString("2026-01-01T12:00:00Z")
    first.report([event])

    running.launcher.die(running.launcher.launched[0], 1)
    running.notifier.leader.notify(urgent=True)
    adopted = take(running.launched(2))

    assert not assignment.HasField("held_up_since")
    assert adopted.held_up_since == event.held_up_since


def test_a_silent_taskmaster_is_killed_before_its_attempts_are_reassigned(
    running: RunningScheduler,
) -> None:
    running.create()
    silent = running.launched()
    assignment = take(silent)

    second = running.launched(2)

    assert running.launcher.killed == running.launcher.launched[:1]
    assert take(second).attempt == assignment.attempt


def test_a_task_that_kills_its_taskmasters_is_tried_again_and_then_given_up(
    running: RunningScheduler,
) -> None:
    (task_id,) = running.create()

    seen: list[int] = []
    while running.get(task_id).state != task_pb2.TASK_STATE_SYSTEM_ERROR:
        taskmaster = running.launched(len(seen) + 1)
        assignment = take(taskmaster)
        if assignment.release_only:
            taskmaster.report(
                taskmaster.released(assignment, after=assignment.last_sequence)
            )
            assignment = take(taskmaster)
        seen.append(assignment.attempt.number)
        running.launcher.die(running.launcher.launched[-1], 1)
        running.notifier.leader.notify(urgent=True)
        running.eventually(lambda: ended_or_launched(running, task_id, len(seen) + 1))

    assert seen == [1, 1, 2, 2]
    lost = "was lost: 2 taskmasters in a row ended while they had it"
    cause = "of the last one: it ended with exit code 1"
    assert losses(running.get(task_id)) == [
        f"attempt 1 {lost}; {cause}",
        f"attempt 2 {lost}; {cause}",
        "gave up after 2 attempts",
    ]


def losses(task: task_pb2.Task) -> list[str]:
    """Return what became of attempts, without when and where each was."""
    lines = task.logs[0].system_logs
    return [line for line in lines if not line.endswith(" follows at once")]


def ended_or_launched(running: RunningScheduler, task_id: str, number: int) -> bool:
    """Tell whether the task has ended or another taskmaster was started."""
    ended = running.get(task_id).state == task_pb2.TASK_STATE_SYSTEM_ERROR
    return ended or len(running.launcher.launched) >= number


def test_an_attempt_that_was_over_is_only_cleaned_up_by_the_successor(
    running: RunningScheduler,
) -> None:
    (task_id,) = running.create()
    first = running.launched()
    first.report(first.ended(take(first), pb.OUTCOME_COMPLETE)[:2])

    second = running.launched(2)
    assignment = take(second)
    second.report(second.released(assignment, after=assignment.last_sequence))

    assert assignment.release_only
    assert running.get(task_id).state == COMPLETE
    assert running.store.assigned(running.launcher.launched[1]) == []


def test_a_lost_attempt_is_followed_by_another_until_the_last(
    running: RunningScheduler,
) -> None:
    (task_id,) = running.create()
    taskmaster = running.launched()
    for number in (1, 2):
        assignment = take(taskmaster)
        assert assignment.attempt.number == number
        taskmaster.report(taskmaster.ended(assignment, pb.OUTCOME_LOST))

    task = running.get(task_id)
    assert task.state == task_pb2.TASK_STATE_SYSTEM_ERROR
    assert losses(task) == [
        "attempt 1 was lost: unknown reason",
        "attempt 2 was lost: unknown reason",
        "gave up after 2 attempts",
    ]


@pytest.mark.parametrize("scheduler_settings", [IMPATIENT], ids=["at once"])
def test_an_idle_taskmaster_is_told_to_exit(running: RunningScheduler) -> None:
    running.create()
    taskmaster = running.launched()
    taskmaster.report(taskmaster.ended(take(taskmaster), pb.OUTCOME_COMPLETE))

    assert taskmaster.sync().exit
    assert running.store.fleet() == []


def test_a_full_fleet_gets_no_more_tasks(running: RunningScheduler) -> None:
    small = {"resources": task_pb2.Resources(cpu_cores=0.1)}
    ids = running.create(5, **small)

    running.launched(2)
    running.eventually(lambda: "taskmaster" in running.get(ids[4]).reason)

    assert running.store.usage_of_all()[EVERYBODY][RUNNING] == 4
    assert len(running.launcher.launched) == 2


BAD_CALLS = {
    "a name of a taskmaster": pb.SyncRequest(taskmaster_id="A b"),
    "no name": pb.SyncRequest(),
    "slots": pb.SyncRequest(taskmaster_id="a", slots=-1),
    "an attempt": pb.SyncRequest(taskmaster_id="a", held=[pb.Attempt(task_id="t")]),
}


@pytest.mark.parametrize("request_", BAD_CALLS.values(), ids=BAD_CALLS)
def test_a_malformed_call_is_refused(
    running: RunningScheduler, request_: pb.SyncRequest
) -> None:
    with pytest.raises(InvalidRequestError):
        running.taskmaster("a").call(request_)


def test_an_event_without_a_kind_is_refused(running: RunningScheduler) -> None:
    event = pb.TaskEvent(attempt=pb.Attempt(task_id="t", number=1), sequence=1)

    with pytest.raises(InvalidRequestError, match="event"):
        running.taskmaster("a").report([event])
