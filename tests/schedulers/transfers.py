"""An assigned attempt and the client of its filer."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from fakes.scheduler_taskmaster import FakeTaskmaster
from schedulers.served import SECONDS, RunningScheduler
from tesk.v1 import assignment_service_pb2, task_pb2
from tesk.v1 import transfer_service_pb2 as pb
from tesk.v1 import transfer_service_pb2_grpc as pb_grpc
from tesk_runtime.rpc.channel import open_channel
from tesk_runtime.rpc.status import invoke

INPUT = task_pb2.Input(path="/in", content="secret", type=task_pb2.FILE_TYPE_FILE)
OUTPUT = task_pb2.Output(path="/out", url="s3://b/out", type=task_pb2.FILE_TYPE_FILE)
IN, OUT = pb.DIRECTION_INPUTS, pb.DIRECTION_OUTPUTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """An assigned attempt and the stub of its filer."""

    running: RunningScheduler
    taskmaster: FakeTaskmaster
    assignment: assignment_service_pb2.Assignment
    stub: pb_grpc.TransferServiceStub

    @property
    def attempt(self) -> assignment_service_pb2.Attempt:
        """The attempt."""
        return self.assignment.attempt

    def finish(self, direction: "pb.Direction.ValueType", **fields: Any) -> None:
        """Report the result."""
        request = pb.FinishTransferRequest(
            attempt=self.attempt, direction=direction, **fields
        )
        invoke(self.stub.FinishTransfer, request, timeout=SECONDS)

    def log(self) -> task_pb2.TaskLog:
        """Read the log of the task."""
        return self.running.get(self.attempt.task_id).logs[0]

    def statuses(self) -> list[task_pb2.TransferStatus]:
        """Read how far the transfers of the task are."""
        return list(self.running.get(self.attempt.task_id).transfers)

    def add(self, *files: task_pb2.OutputFileLog) -> None:
        """Record uploaded files."""
        request = pb.AddOutputFilesRequest(attempt=self.attempt, files=files)
        invoke(self.stub.AddOutputFiles, request, timeout=SECONDS)

    def run_executors(self, **ended: Any) -> None:
        """Let the taskmaster report that the command has run."""
        first = self.assignment.last_sequence
        event = assignment_service_pb2.TaskEvent(
            attempt=self.attempt,
            sequence=first + 1,
            executor_ended=assignment_service_pb2.ExecutorEnded(index=0, **ended),
        )
        self.taskmaster.report([event])
        self.assignment.last_sequence = first + 1


@contextmanager
def started_transfer(running: RunningScheduler, **fields: Any) -> Iterator[Transfer]:
    """Begin a task with an input and an output."""
    running.create(**{"inputs": [INPUT], "outputs": [OUTPUT], **fields})
    with assigned_attempt(running) as transfer:
        yield transfer


@contextmanager
def assigned_attempt(running: RunningScheduler) -> Iterator[Transfer]:
    """Take the attempt of the task that was created."""
    taskmaster = running.launched()
    answer = taskmaster.sync()
    while not answer.run:
        answer = taskmaster.sync()
    token = answer.run[0].transfer_token
    with open_channel(running.address, token=token) as channel:
        yield Transfer(
            running=running,
            taskmaster=taskmaster,
            assignment=answer.run[0],
            stub=pb_grpc.TransferServiceStub(channel),
        )
