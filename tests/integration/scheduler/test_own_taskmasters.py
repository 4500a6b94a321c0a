"""A task that kills its taskmasters gets one of its own, and hits nobody else."""

from datetime import timedelta

import pytest

from fakes.scheduler_taskmaster import FakeTaskmaster
from schedulers.served import RunningScheduler
from tesk.v1 import assignment_service_pb2 as pb
from tesk.v1 import task_pb2
from tesk_scheduler.config import SchedulerSettings

SETTINGS = SchedulerSettings(
    tasks_per_taskmaster=4,
    max_taskmasters=4,
    idle=timedelta(hours=1),
)
SMALL = task_pb2.Resources(cpu_cores=0.1)


@pytest.fixture
def scheduler_settings() -> SchedulerSettings:
    """Let a task take down three taskmasters: two shared ones, and one of its own."""
    return SETTINGS


def take(taskmaster: FakeTaskmaster, count: int) -> dict[str, pb.Assignment]:
    """Wait for so many assignments."""
    while len(taskmaster.held) < count:
        taskmaster.sync()
    return {each.attempt.task_id: each for each in taskmaster.held.values()}


def die(running: RunningScheduler, number: int) -> None:
    """Let the taskmaster that was launched as this one die."""
    running.launcher.die(running.launcher.launched[number - 1], 1)
    running.notifier.leader.notify(urgent=True)


def test_a_killer_is_alone_from_its_third_taskmaster_on(
    running: RunningScheduler,
) -> None:
    killer, neighbour = running.create(2, resources=SMALL)
    for number in (1, 2):
        take(running.launched(number), 2)
        die(running, number)

    running.launched(4)
    own = {
        task_id: taskmaster
        for taskmaster in map(running.taskmaster, running.launcher.launched[2:])
        for task_id in take(taskmaster, 1)
    }
    (later,) = running.create(resources=SMALL)
    shared = running.launched(5)
    elsewhere = take(shared, 1)
    number = 3 if running.launcher.launched[2] == own[killer].name else 4
    die(running, number)

    running.eventually(
        lambda: running.get(killer).state == task_pb2.TASK_STATE_SYSTEM_ERROR
    )
    assert own.keys() == {killer, neighbour}
    assert elsewhere.keys() == {later}
    lines = running.get(killer).logs[0].system_logs
    assert lines[-1] == "gave up: it had the last of them for itself"
    (assignment,) = own[neighbour].held.values()
    own[neighbour].report(own[neighbour].ended(assignment, pb.OUTCOME_COMPLETE))
    done = running.get(neighbour)
    assert done.state == task_pb2.TASK_STATE_COMPLETE
    assert not done.logs[0].system_logs
    assert own[neighbour].sync().exit


def test_a_task_whose_nodes_are_drained_again_and_again_goes_on(
    running: RunningScheduler,
) -> None:
    ids = running.create(2, resources=SMALL)
    for number in range(1, 6):
        take(running.launched(number), 2)
        running.launcher.disrupt(running.launcher.launched[number - 1])
        running.notifier.leader.notify(urgent=True)

    last = running.launched(6)
    shared = take(last, 2)

    assert shared.keys() == set(ids)
    for assignment in shared.values():
        last.report(last.ended(assignment, pb.OUTCOME_COMPLETE))
    for task_id in ids:
        task = running.get(task_id)
        assert task.state == task_pb2.TASK_STATE_COMPLETE
        assert not task.logs[0].system_logs
