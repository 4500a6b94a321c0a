"""Reads the load from the scheduler over gRPC: the api's ``LoadReader``."""

from datetime import timedelta

import grpc

from tesk.v1 import admin_service_pb2 as admin
from tesk.v1 import load_service_pb2 as rpc
from tesk.v1 import load_service_pb2_grpc as rpc_grpc
from tesk_api.adapters.callers import caller_to_wire
from tesk_api.adapters.retries import call_with_retries
from tesk_api.domain.load import (
    FailedTask,
    Load,
    LoadInterval,
    OwnerLoad,
    TaskmasterStatus,
    WaitingCount,
)
from tesk_api.domain.requests import Caller
from tesk_model.errors import (
    InternalError,
    NotFoundError,
    UnavailableError,
    UnreachableError,
)
from tesk_model.task import TaskId
from tesk_runtime.rpc.documents import timestamp_from_wire
from tesk_runtime.rpc.status import invoke
from tesk_runtime.rpc.wire import state_from_wire

# Longer than reading a busy day for the first time takes.
_TIMEOUT = timedelta(seconds=3.75)


class LoadClient:
    """Implements ``LoadReader``."""

    def __init__(self, channel: grpc.Channel) -> None:
        """Use an open channel to the scheduler, with the internal token."""
        self._stub = rpc_grpc.LoadServiceStub(channel)

    def read(self, caller: Caller, hours: int) -> Load:
        """See ``LoadReader``."""
        request = rpc.GetLoadRequest(caller=caller_to_wire(caller), hours=hours)
        return _load(
            call_with_retries(
                lambda left: self._call(request, left), _TIMEOUT, attempt_share=1.0
            )
        )

    def _call(
        self, request: rpc.GetLoadRequest, timeout: timedelta
    ) -> rpc.GetLoadResponse:
        try:
            return invoke(self._stub.GetLoad, request, timeout=timeout)
        except UnreachableError as error:
            # Clients are not told its address.
            raise UnavailableError("the scheduler cannot be reached") from error
        except InternalError as error:
            if _is_unknown_call(error.__cause__):
                raise NotFoundError(
                    "the scheduler is of an earlier release, which does not tell its load"
                ) from error
            raise


def _is_unknown_call(cause: BaseException | None) -> bool:
    return (
        isinstance(cause, grpc.RpcError)
        and cause.code() is grpc.StatusCode.UNIMPLEMENTED
    )


def _load(message: rpc.GetLoadResponse) -> Load:
    return Load(
        read_at=timestamp_from_wire(message.read),
        owners=tuple(map(_owner, message.owners)),
        more_owners=message.more_owners,
        capacity=dict(message.capacity),
        intervals=tuple(map(_interval, message.intervals)),
        failures=tuple((each.reason_code, each.tasks) for each in message.failures),
        failed=tuple(map(_failed, message.failed)),
        waiting=tuple(map(_waiting, message.waiting)),
        taskmasters=tuple(map(_taskmaster, message.taskmasters)),
        more_taskmasters=message.more_taskmasters,
        taskmasters_problem=message.taskmasters_problem,
    )


def _owner(message: admin.SubjectQuota) -> OwnerLoad:
    is_everybody = message.subject.kind == admin.SUBJECT_KIND_ALL
    return OwnerLoad(
        user=None if is_everybody else message.subject.name,
        used=dict(message.used),
        limit=dict(message.limit),
        share=message.share if message.HasField("share") else None,
    )


def _interval(message: rpc.LoadInterval) -> LoadInterval:
    return LoadInterval(
        start=timestamp_from_wire(message.start),
        end=timestamp_from_wire(message.end),
        queued=message.queued,
        started=message.started,
        complete=message.complete,
        failed=message.failed,
        canceled=message.canceled,
        mean_wait=message.mean_wait,
        longest_wait=message.longest_wait,
        waiting=message.waiting,
    )


def _failed(message: rpc.FailedTask) -> FailedTask:
    return FailedTask(
        id=TaskId(message.id),
        name=message.name if message.HasField("name") else None,
        owner=message.owner,
        state=state_from_wire(message.state),
        reason_code=message.reason_code,
        ended=timestamp_from_wire(message.ended),
    )


def _waiting(message: rpc.WaitingCount) -> WaitingCount:
    return WaitingCount(
        state=state_from_wire(message.state),
        reason_code=message.reason_code,
        tasks=message.tasks,
        oldest=timestamp_from_wire(message.oldest),
    )


def _taskmaster(message: admin.TaskmasterStatus) -> TaskmasterStatus:
    has_started = message.HasField("started")
    return TaskmasterStatus(
        id=message.id,
        state=message.state,
        slots=message.slots,
        assigned=message.assigned,
        revision=message.revision,
        started=timestamp_from_wire(message.started) if has_started else None,
        message=message.message,
    )
