"""Attempts are repeated, paused and stopped by a scheduler as its rules say."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from fakes.scheduler_taskmaster import FakeTaskmaster
from schedulers.served import RunningScheduler
from tesk.v1 import assignment_service_pb2 as pb
from tesk.v1 import task_pb2
from tesk_model.errors import InvalidRequestError
from tesk_model.quantities import GIB
from tesk_model.reasons import ReasonCode
from tesk_scheduler.attempt_config import RetrySettings
from tesk_scheduler.config import SchedulerSettings
from tesk_scheduler.domain.dimensions import RAM
from tesk_scheduler.domain.quota import EVERYBODY, Usage

QUEUED = task_pb2.TASK_STATE_QUEUED
COMPLETE = task_pb2.TASK_STATE_COMPLETE
EXECUTOR_ERROR = task_pb2.TASK_STATE_EXECUTOR_ERROR
SYSTEM_ERROR = task_pb2.TASK_STATE_SYSTEM_ERROR

SETTINGS = SchedulerSettings(
    tasks_per_taskmaster=2,
    max_taskmasters=1,
    retry_backoff=timedelta(seconds=4),  # longer than a busy machine needs to look
    retries={"STEP_VANISHED": RetrySettings(at_once=False)},
)


@pytest.fixture
def scheduler_settings() -> SchedulerSettings:
    """Pause, also where there would be no pause."""
    return SETTINGS


def asking(ram_gb: float = 1, **parameters: str) -> task_pb2.Resources:
    """Return resources with backend parameters."""
    return task_pb2.Resources(cpu_cores=1, ram_gb=ram_gb, backend_parameters=parameters)


def take(taskmaster: FakeTaskmaster) -> pb.Assignment:
    """Wait for one assignment."""
    while True:
        answer = taskmaster.sync()
        if answer.run:
            return answer.run[0]


def failed(
    taskmaster: FakeTaskmaster,
    assignment: pb.Assignment,
    *,
    code: int,
    cause: str = "EXECUTOR_FAILED",
    outcome: "pb.Outcome.ValueType" = pb.OUTCOME_EXECUTOR_ERROR,
) -> None:
    """Report a failure of the executor, and that nothing is left."""
    events = taskmaster.ended(assignment, outcome)
    events[0].executor_ended.exit_code = code
    events[1].finished.reason_code = cause
    events[1].finished.reason = f"executors[0] ended with exit code {code}"
    taskmaster.report(events)


def test_a_failure_that_the_task_wants_repeated_is(running: RunningScheduler) -> None:
    resources = asking(retry_on_exit_codes="7", max_attempts="2")
    (task_id,) = running.create(resources=resources)
    taskmaster = running.launched()

    first = take(taskmaster)
    failed(taskmaster, first, code=7)
    second = take(taskmaster)
    failed(taskmaster, second, code=7)

    assert first.repeated_failures.exit_codes == "7"
    assert second.repeated_failures.exit_codes == ""
    task = running.get(task_id)
    assert task.state == EXECUTOR_ERROR
    assert [log.exit_code for log in task.logs[0].logs] == [7]
    lines = list(task.logs[0].system_logs)
    assert lines[0] == "attempt 1 failed: executors[0] ended with exit code 7"
    assert lines[1].endswith("EXECUTOR_FAILED; attempt 2 follows at once")
    assert lines[-1] == "gave up after 2 attempts"


def test_more_memory_is_assigned_and_charged(running: RunningScheduler) -> None:
    resources = asking(oom_memory_factor="3", oom_max_ram_gb="2")
    (task_id,) = running.create(resources=resources)
    taskmaster = running.launched()

    first = take(taskmaster)
    failed(taskmaster, first, code=137, cause="OUT_OF_MEMORY")
    second = take(taskmaster)
    charged = running.store.usage_of_all()[EVERYBODY]
    taskmaster.report(taskmaster.ended(second, pb.OUTCOME_COMPLETE))

    assert first.repeated_failures.out_of_memory
    assert not second.repeated_failures.out_of_memory
    assert (first.task.resources.ram_gb, second.task.resources.ram_gb) == (1, 2)
    assert charged[RAM] == 2 * GIB
    task = running.get(task_id)
    assert task.state == COMPLETE
    assert task.resources == resources
    assert "the next attempt gets 2 GiB of memory instead of 1 GiB" in list(
        task.logs[0].system_logs
    )
    assert running.store.usage_of_all()[EVERYBODY] == Usage()


def test_a_pause_is_told_and_over_in_time(running: RunningScheduler) -> None:
    (task_id,) = running.create()
    taskmaster = running.launched()
    failed(
        taskmaster,
        take(taskmaster),
        code=0,
        cause="STEP_VANISHED",
        outcome=pb.OUTCOME_LOST,
    )
    lost_at = datetime.now(UTC)

    paused = running.get(task_id)
    again = take(taskmaster)
    waited = datetime.now(UTC) - lost_at

    assert paused.state == QUEUED
    assert paused.reason_code == ReasonCode.RETRY_BACKOFF
    assert "attempt 2 waits until 20" in paused.reason
    assert not paused.logs[0].logs
    assert again.attempt.number == 2
    assert waited >= timedelta(seconds=3.2)


def test_wrong_parameters_are_refused_all_at_once(running: RunningScheduler) -> None:
    resources = asking(max_attempts="0", max_run_time="soon")

    with pytest.raises(InvalidRequestError) as caught:
        running.create(resources=resources)

    assert sorted(each.path for each in caught.value.violations) == [
        "resources.backend_parameters.max_attempts",
        "resources.backend_parameters.max_run_time",
    ]


def test_a_task_that_runs_for_too_long_is_stopped(running: RunningScheduler) -> None:
    (task_id,) = running.create(resources=asking(max_run_time="1"))
    taskmaster = running.launched()
    taskmaster.report([taskmaster.started(take(taskmaster))])

    answer = taskmaster.sync()
    while not answer.stop:
        answer = taskmaster.sync()
    stopping = running.get(task_id)
    charged = running.store.usage_of_all()[EVERYBODY]
    for assignment in list(taskmaster.held.values()):
        assignment.last_sequence = 1
    taskmaster.work(answer)

    assert [stop.reason for stop in answer.stop] == [pb.STOP_REASON_CANCELED]
    assert stopping.state == task_pb2.TASK_STATE_RUNNING
    assert stopping.reason_code == ReasonCode.RUN_TIME_EXCEEDED
    assert charged[RAM] > 0
    task = running.get(task_id)
    assert task.state == SYSTEM_ERROR
    assert task.reason_code == ReasonCode.RUN_TIME_EXCEEDED
    (line,) = task.logs[0].system_logs
    assert line == (
        "ran for longer than 1 s, as the backend parameter max_run_time of the task"
        " allows"
    )
    assert running.store.usage_of_all()[EVERYBODY] == Usage()


def test_a_task_that_waits_for_too_long_ends(running: RunningScheduler) -> None:
    running.create(2, resources=asking())
    running.launched()
    (task_id,) = running.create(resources=asking(max_queue_time="1"))

    running.eventually(lambda: running.get(task_id).state == SYSTEM_ERROR)

    task = running.get(task_id)
    assert task.reason_code == ReasonCode.QUEUE_TIME_EXCEEDED
    assert "the backend parameter max_queue_time" in task.logs[0].system_logs[-1]


LIMITED = msgspec.structs.replace(SETTINGS, max_run_time=timedelta(seconds=1))


@pytest.mark.parametrize("scheduler_settings", [LIMITED], ids=["by setting"])
def test_the_successor_of_a_taskmaster_only_cleans_up_what_is_stopped(
    running: RunningScheduler,
) -> None:
    (task_id,) = running.create()
    first = running.launched()
    first.report([first.started(take(first))])
    running.eventually(
        lambda: bool(running.store.assigned(running.launcher.launched[0])[0].stop.code)
    )

    running.launcher.die(running.launcher.launched[0], 1)
    running.notifier.leader.notify(urgent=True)
    second = running.launched(2)
    assignment = take(second)
    second.report(second.released(assignment, after=assignment.last_sequence))

    assert assignment.release_only
    task = running.get(task_id)
    assert task.state == SYSTEM_ERROR
    assert "the setting scheduler.max_run_time" in task.logs[0].system_logs[-1]
