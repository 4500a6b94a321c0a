"""Implements LoadService, which the api calls."""

from collections.abc import Iterator

import grpc

from tesk.v1 import load_service_pb2 as pb
from tesk.v1 import load_service_pb2_grpc as pb_grpc
from tesk_runtime.rpc.documents import timestamp_to_wire
from tesk_runtime.rpc.wire import state_to_wire
from tesk_scheduler.domain.load import FailedTask
from tesk_scheduler.domain.records import WaitingTasks
from tesk_scheduler.servicer.admin_wire import taskmaster_to_wire
from tesk_scheduler.servicer.quota_wire import bounded_to_wire, subject_quota_to_wire
from tesk_scheduler.servicer.wire import caller_from_wire
from tesk_scheduler.usecases.load import Load, LoadView

_SHOWN_FAILURES = 10
_MOST_TASKMASTERS = 200


class LoadServicer(pb_grpc.LoadServiceServicer):
    """See ``load_service.proto``."""

    def __init__(self, load: LoadView) -> None:
        self._load = load

    def GetLoad(
        self, request: pb.GetLoadRequest, context: grpc.ServicerContext
    ) -> pb.GetLoadResponse:
        """Read the load."""
        load = self._load.read(caller_from_wire(request.caller), request.hours)
        message = pb.GetLoadResponse(
            read=timestamp_to_wire(load.read_at),
            owners=map(subject_quota_to_wire, load.owners),
            more_owners=load.more_owners,
            capacity=bounded_to_wire(load.capacity),
            intervals=_intervals(load),
            failures=[
                pb.FailureCount(reason_code=code, tasks=tasks)
                for code, tasks in load.causes
            ],
            failed=map(_failed, load.failed[:_SHOWN_FAILURES]),
            waiting=map(_waiting, load.waiting),
        )
        if load.taskmasters is not None:
            listed, problem = load.taskmasters
            some = listed[:_MOST_TASKMASTERS]
            message.taskmasters.extend(map(taskmaster_to_wire, some))
            message.more_taskmasters = len(listed) - len(some)
            message.taskmasters_problem = problem
        return message


def _intervals(load: Load) -> Iterator[pb.LoadInterval]:
    for ((start, end), counts), waiting in zip(load.intervals, load.queue, strict=True):
        yield pb.LoadInterval(
            start=timestamp_to_wire(start),
            end=timestamp_to_wire(end),
            queued=counts.queued,
            started=counts.started,
            complete=counts.complete,
            failed=counts.failed,
            canceled=counts.canceled,
            mean_wait=counts.mean_wait.total_seconds(),
            longest_wait=counts.longest_wait.total_seconds(),
            waiting=waiting,
        )


def _failed(task: FailedTask) -> pb.FailedTask:
    return pb.FailedTask(
        id=task.id,
        name=task.name,
        owner=task.owner,
        state=state_to_wire(task.state),
        reason_code=task.reason_code,
        ended=timestamp_to_wire(task.ended),
    )


def _waiting(tasks: WaitingTasks) -> pb.WaitingCount:
    return pb.WaitingCount(
        state=state_to_wire(tasks.state),
        reason_code=tasks.reason.value,
        tasks=tasks.tasks,
        oldest=timestamp_to_wire(tasks.oldest),
    )
