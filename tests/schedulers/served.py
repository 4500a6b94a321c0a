"""A running scheduler and its clients."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Self

import grpc
from prometheus_client import CollectorRegistry

from fakes.scheduler_launcher import FakeLauncher
from fakes.scheduler_observer import ListObserver
from fakes.scheduler_taskmaster import FakeTaskmaster
from programs.waiting import eventually
from tesk.v1 import (
    assignment_service_pb2_grpc,
    task_pb2,
    task_service_pb2,
    task_service_pb2_grpc,
)
from tesk_model.quantities import ByteCount
from tesk_runtime.clock import SystemClock
from tesk_runtime.rpc.channel import open_channel
from tesk_runtime.rpc.status import error_from_status, invoke
from tesk_scheduler.adapters.metrics import StoreCollector
from tesk_scheduler.adapters.quota_check import TextCheck
from tesk_scheduler.adapters.store.store import SqlTaskStore
from tesk_scheduler.domain.quota import Limit, Quota
from tesk_scheduler.quota_config.settings import QuotaSettings
from tesk_scheduler.usecases.notifier import Notifier
from tesk_scheduler.usecases.status import Status

TOKEN = "internal"
SECONDS = timedelta(seconds=10)
ALICE = task_service_pb2.Caller(user="alice")
QUOTA = Quota(
    users={"*": Limit(queued=20)},
    per_task=Limit(cpu_millis=4000),
    capacity=Limit(cpu_millis=4000, ram=ByteCount(2**40), disk=ByteCount(2**50)),
)

NO_QUOTA_CHECK = TextCheck(in_force=QuotaSettings, machine_capacity=Limit())
"""Compares with a quota without limits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerClient:
    """Clients of a scheduler at an address."""

    address: str
    channel: grpc.Channel
    tasks: task_service_pb2_grpc.TaskServiceStub

    def create(self, count: int = 1, **fields: Any) -> list[str]:
        """Create tasks of alice; raise what is refused."""
        requests = [create_request(**fields) for _ in range(count)]
        return self.create_all(requests)

    def create_all(
        self, requests: list[task_service_pb2.CreateTaskRequest]
    ) -> list[str]:
        """Create a batch; raise the first refusal."""
        batch = task_service_pb2.BatchCreateTasksRequest(requests=requests)
        answer = invoke(self.tasks.BatchCreateTasks, batch, timeout=SECONDS)
        for result in answer.results:
            if result.HasField("error"):
                raise error_from_status(result.error)
        return [result.task_id for result in answer.results]

    def get(
        self, task_id: str, caller: task_service_pb2.Caller = ALICE
    ) -> task_pb2.Task:
        """Read a task in FULL; raise if it is not to be seen."""
        request = task_service_pb2.GetTaskRequest(
            caller=caller, task_id=task_id, view=task_pb2.TASK_VIEW_FULL
        )
        batch = task_service_pb2.BatchGetTasksRequest(requests=[request])
        answer = invoke(self.tasks.BatchGetTasks, batch, timeout=SECONDS)
        if answer.results[0].HasField("error"):
            raise error_from_status(answer.results[0].error)
        return answer.results[0].task

    def cancel(self, task_id: str, caller: task_service_pb2.Caller = ALICE) -> None:
        """Cancel a task."""
        request = task_service_pb2.CancelTaskRequest(caller=caller, task_id=task_id)
        invoke(self.tasks.CancelTask, request, timeout=SECONDS)

    def taskmaster(self, name: str) -> FakeTaskmaster:
        """Return a taskmaster that calls this scheduler."""
        return FakeTaskmaster(
            assignment_service_pb2_grpc.AssignmentServiceStub(self.channel), name
        )

    def with_channel(self, channel: grpc.Channel) -> Self:
        """Return the same scheduler as seen through another channel."""
        return replace(
            self,
            channel=channel,
            tasks=task_service_pb2_grpc.TaskServiceStub(channel),
        )

    def eventually(self, check: Callable[[], bool]) -> None:
        """Ask again until ``check`` holds."""
        eventually(check)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningScheduler(SchedulerClient):
    """A scheduler that runs in this process, its fakes and its clients."""

    store: SqlTaskStore
    launcher: FakeLauncher
    notifier: Notifier
    observer: ListObserver = field(default_factory=ListObserver)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def launched(self, number: int = 1) -> FakeTaskmaster:
        """Wait until so many were launched; return the last of them."""
        return self.taskmaster(self.launcher.wait_for(number))


@contextmanager
def connected(address: str) -> Iterator[SchedulerClient]:
    """Give clients of the scheduler at an address, once it answers."""
    retried = ["tesk.v1.TaskService"]
    with open_channel(address, token=TOKEN, retried=retried) as channel:
        grpc.channel_ready_future(channel).result(100)
        yield SchedulerClient(
            address=address,
            channel=channel,
            tasks=task_service_pb2_grpc.TaskServiceStub(channel),
        )


def make_collector(running: RunningScheduler) -> StoreCollector:
    """Return what makes metrics of the store of ``running``."""
    return StoreCollector(
        running.store,
        running.launcher.revision,
        Status(),
        clock=SystemClock(),
        retention=timedelta(days=30),
    )


def create_request(
    *,
    caller: task_service_pb2.Caller = ALICE,
    key: str = "",
    warnings: tuple[str, ...] = (),
    **fields: Any,
) -> task_service_pb2.CreateTaskRequest:
    """Ask for a task of one executor that needs one core."""
    executor = task_pb2.Executor(image="busybox", command=["true"])
    values: dict[str, Any] = {
        "executors": [executor],
        "resources": task_pb2.Resources(cpu_cores=1),
    } | fields
    return task_service_pb2.CreateTaskRequest(
        caller=caller,
        task=task_pb2.Task(**values),
        idempotency_key=key,
        warnings=warnings,
    )
