"""Every state of a task is told, also one that it has left when it is stored."""

from typing import Any

from schedulers.served import ALICE, SECONDS, RunningScheduler
from schedulers.transfers import assigned_attempt
from tesk.v1 import assignment_service_pb2 as pb
from tesk.v1 import task_pb2, task_service_pb2
from tesk_runtime.rpc.status import invoke


def told(
    running: RunningScheduler, after: str
) -> task_service_pb2.ListStateChangesResponse:
    mine = task_service_pb2.StateChangeSubscription(caller=ALICE)
    request = task_service_pb2.ListStateChangesRequest(
        subscriptions=[mine], after=after
    )
    return invoke(running.tasks.ListStateChanges, request, timeout=SECONDS)


def test_a_command_that_begins_and_ends_within_one_report(
    running: RunningScheduler,
) -> None:
    start = told(running, "").next_cursor
    running.create()
    with assigned_attempt(running) as transfer:
        last = transfer.assignment.last_sequence
        payloads: tuple[dict[str, Any], ...] = (
            {"executor_started": pb.ExecutorStarted(index=0)},
            {"executor_ended": pb.ExecutorEnded(index=0)},
            {"finished": pb.Finished(outcome=pb.OUTCOME_COMPLETE)},
        )
        transfer.taskmaster.report(
            [
                pb.TaskEvent(
                    attempt=transfer.attempt, sequence=last + number, **payload
                )
                for number, payload in enumerate(payloads, start=1)
            ]
        )

    assert [each.state for each in told(running, start).changes] == [
        task_pb2.TASK_STATE_QUEUED,
        task_pb2.TASK_STATE_INITIALIZING,
        task_pb2.TASK_STATE_RUNNING,
        task_pb2.TASK_STATE_COMPLETE,
    ]
