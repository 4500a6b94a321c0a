"""Plays what runs tasks for the call cache: taskmaster, filers and storage."""

from dataclasses import dataclass, field
from typing import Any

from fakes.scheduler_taskmaster import FakeTaskmaster
from schedulers.served import ALICE, SECONDS, RunningScheduler, create_request
from tesk.v1 import assignment_service_pb2 as assignment_pb
from tesk.v1 import task_pb2, task_service_pb2
from tesk.v1 import transfer_service_pb2 as pb
from tesk.v1 import transfer_service_pb2_grpc as pb_grpc
from tesk_runtime.rpc.channel import open_channel
from tesk_runtime.rpc.status import UnaryMethod, invoke

INPUT = task_pb2.Input(path="/in", url="s3://b/in", type=task_pb2.FILE_TYPE_FILE)
OUTPUT = task_pb2.Output(path="/out", url="s3://b/out", type=task_pb2.FILE_TYPE_FILE)
DIGEST = "sha256:1234"
FILES = (
    pb.FileIdentity(
        direction=pb.DIRECTION_INPUTS,
        url="s3://b/in",
        path="/in",
        size_bytes=3,
        identity='etag "a"',
    ),
    pb.FileIdentity(
        direction=pb.DIRECTION_OUTPUTS,
        url="s3://b/out",
        path="/out",
        size_bytes=6,
        identity='etag "b"',
    ),
)


@dataclass
class CallRuns:
    """Runs tasks of a scheduler one after another.

    Attributes:
        digest: Of the image, as its runtime reports it.
        files: As the storage identifies them.
    """

    running: RunningScheduler
    digest: str = DIGEST
    files: tuple[pb.FileIdentity, ...] = FILES
    _taskmaster: FakeTaskmaster | None = field(default=None, init=False)

    @property
    def taskmaster(self) -> str:
        """The id of the taskmaster that runs them."""
        assert self._taskmaster is not None
        return self._taskmaster.name

    def begin(
        self, caller: task_service_pb2.Caller = ALICE, **fields: Any
    ) -> assignment_pb.Assignment:
        """Create a task with an input and an output; return its first attempt."""
        given = {"inputs": [INPUT], "outputs": [OUTPUT], **fields}
        self.running.create_all([create_request(caller=caller, **given)])
        return self.assigned()

    def assigned(self) -> assignment_pb.Assignment:
        """Take the next attempt."""
        if self._taskmaster is None:
            self._taskmaster = self.running.launched()
        while not (response := self._taskmaster.sync()).run:
            pass
        return response.run[0]

    def run(self, assignment: assignment_pb.Assignment, **ended: Any) -> str:
        """Let an attempt run to its end; return the id of its task."""
        for direction in (pb.DIRECTION_INPUTS, pb.DIRECTION_OUTPUTS):
            if direction == pb.DIRECTION_OUTPUTS:
                fields = {"stdout": "hello\n", "image_digest": self.digest, **ended}
                self.report(
                    assignment, executor_ended=assignment_pb.ExecutorEnded(**fields)
                )
            self.transfer(assignment, direction)
        self.finish(assignment)
        return assignment.attempt.task_id

    def transfer(
        self, assignment: assignment_pb.Assignment, direction: "pb.Direction.ValueType"
    ) -> None:
        """Move the files of one direction, and identify them if that is wanted."""
        attempt = assignment.attempt
        request = pb.GetTransferRequest(attempt=attempt, direction=direction)
        wanted = self.call(assignment, "GetTransfer", request).record_identities
        own = [file for file in self.files if file.direction == direction]
        if wanted:
            add = pb.AddFileIdentitiesRequest(attempt=attempt, files=own)
            self.call(assignment, "AddFileIdentities", add)
        if direction == pb.DIRECTION_OUTPUTS:
            logs = [
                task_pb2.OutputFileLog(
                    url=file.url, path=file.path, size_bytes=file.size_bytes
                )
                for file in own
            ]
            added = pb.AddOutputFilesRequest(attempt=attempt, files=logs)
            self.call(assignment, "AddOutputFiles", added)
        finished = pb.FinishTransferRequest(
            attempt=attempt, direction=direction, files=len(own), identified=wanted
        )
        self.call(assignment, "FinishTransfer", finished)

    def check(self, assignment: assignment_pb.Assignment, difference: str = "") -> None:
        """Report the result of a check."""
        request = pb.FinishCheckRequest(
            attempt=assignment.attempt, difference=difference
        )
        self.call(assignment, "FinishCheck", request)

    def to_compare(self, assignment: assignment_pb.Assignment) -> pb.GetCheckResponse:
        """Ask what a check compares."""
        request = pb.GetCheckRequest(attempt=assignment.attempt)
        found: pb.GetCheckResponse = self.call(assignment, "GetCheck", request)
        return found

    def take(self, assignment: assignment_pb.Assignment) -> None:
        """End an attempt with the results of its candidate."""
        self.finish(assignment, candidate=assignment.candidate.task_id)

    def finish(self, assignment: assignment_pb.Assignment, **fields: Any) -> None:
        """End an attempt, and release it."""
        ended = {"outcome": assignment_pb.OUTCOME_COMPLETE, **fields}
        self.report(assignment, finished=assignment_pb.Finished(**ended))
        self.report(assignment, released=assignment_pb.Released())
        if self._taskmaster is not None:
            attempt = assignment.attempt
            self._taskmaster.held.pop((attempt.task_id, attempt.number), None)

    def report(self, assignment: assignment_pb.Assignment, **event: Any) -> None:
        """Report the next event of an attempt, which must be applied."""
        assignment.last_sequence += 1
        message = assignment_pb.TaskEvent(
            attempt=assignment.attempt, sequence=assignment.last_sequence, **event
        )
        assert self._taskmaster is not None
        verdicts = self._taskmaster.report([message])
        assert verdicts == [assignment_pb.EVENT_VERDICT_APPLIED]

    def call(
        self, assignment: assignment_pb.Assignment, name: str, request: Any
    ) -> Any:
        """Call as a filer of the attempt."""
        token = assignment.transfer_token
        with open_channel(self.running.address, token=token) as channel:
            stub = pb_grpc.TransferServiceStub(channel)
            method: UnaryMethod[Any, Any] = getattr(stub, name)
            return invoke(method, request, timeout=SECONDS)

    def explain(
        self, task_id: str, caller: task_service_pb2.Caller = ALICE
    ) -> task_service_pb2.ExplainCallCacheResponse:
        """Ask what the cache did for a task."""
        request = task_service_pb2.ExplainCallCacheRequest(
            caller=caller, task_id=task_id
        )
        return invoke(self.running.tasks.ExplainCallCache, request, timeout=SECONDS)
