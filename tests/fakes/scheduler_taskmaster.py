"""A taskmaster that works but runs nothing: every task succeeds at once.

``python scheduler_taskmaster.py`` with the environment of a real one. It keeps
the protocol: lock file, Sync, Report, release. Tasks named ``hang`` stay.
"""

import os
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from tesk.v1 import assignment_service_pb2 as pb
from tesk.v1 import assignment_service_pb2_grpc as pb_grpc
from tesk_model.errors import UnavailableError
from tesk_runtime.file_lock import FileLock
from tesk_runtime.rpc.channel import open_channel
from tesk_runtime.rpc.status import invoke


class FakeTaskmaster:
    """Holds attempts and reports on them."""

    def __init__(
        self, stub: pb_grpc.AssignmentServiceStub, name: str, *, slots: int = 2
    ) -> None:
        self._stub = stub
        self._slots = slots
        self.name = name
        self.held: dict[tuple[str, int], pb.Assignment] = {}

    def sync(self, wait: float = 5.0) -> pb.SyncResponse:
        """Ask, and take up what is offered."""
        duration = Duration()
        duration.FromTimedelta(timedelta(seconds=wait))
        request = pb.SyncRequest(
            taskmaster_id=self.name,
            held=[each.attempt for each in self.held.values()],
            slots=self._slots,
            wait=duration,
        )
        response = self.call(request)
        for assignment in response.run:
            self.held[_key(assignment.attempt)] = assignment
        return response

    def call(self, request: pb.SyncRequest) -> pb.SyncResponse:
        """Send a request as it is."""
        return invoke(self._stub.Sync, request, timeout=timedelta(seconds=40))

    def work(self, response: pb.SyncResponse) -> None:
        """Finish what was offered and what is to stop."""
        events: list[pb.TaskEvent] = []
        for assignment in response.run:
            if assignment.release_only:
                events += self.released(assignment, after=assignment.last_sequence)
            elif assignment.task.name != "hang":
                events += self.ended(assignment, pb.OUTCOME_COMPLETE)
        for stop in response.stop:
            assignment = self.held.pop(_key(stop.attempt))
            if stop.reason == pb.STOP_REASON_CANCELED:
                events += self.ended(assignment, pb.OUTCOME_CANCELED)
        self.report(events)

    def started(self, assignment: pb.Assignment) -> pb.TaskEvent:
        """Return the first event of an attempt whose command runs."""
        return pb.TaskEvent(
            attempt=assignment.attempt,
            sequence=assignment.last_sequence + 1,
            executor_started=pb.ExecutorStarted(index=0),
        )

    def ended(
        self, assignment: pb.Assignment, outcome: "pb.Outcome.ValueType"
    ) -> list[pb.TaskEvent]:
        """Return the events of an attempt from its start to its release."""
        first = assignment.last_sequence
        now = Timestamp()
        now.FromDatetime(datetime.now(UTC))
        return [
            pb.TaskEvent(
                attempt=assignment.attempt,
                sequence=first + 1,
                time=now,
                executor_ended=pb.ExecutorEnded(
                    index=0, start_time=now, end_time=now, stdout="hello\n"
                ),
            ),
            pb.TaskEvent(
                attempt=assignment.attempt,
                sequence=first + 2,
                time=now,
                finished=pb.Finished(outcome=outcome),
            ),
            *self.released(assignment, after=first + 2),
        ]

    def released(self, assignment: pb.Assignment, *, after: int) -> list[pb.TaskEvent]:
        """Return the last event of an attempt and let go of it."""
        self.held.pop(_key(assignment.attempt), None)
        return [
            pb.TaskEvent(
                attempt=assignment.attempt, sequence=after + 1, released=pb.Released()
            )
        ]

    def report(self, events: list[pb.TaskEvent]) -> list["pb.EventVerdict.ValueType"]:
        """Report what happened."""
        if not events:
            return []
        request = pb.ReportRequest(taskmaster_id=self.name, events=events)
        response = invoke(self._stub.Report, request, timeout=timedelta(seconds=10))
        return list(response.verdicts)


_SCHEDULER_TIMEOUT = 20.0  # seconds without a scheduler


def _key(attempt: pb.Attempt) -> tuple[str, int]:
    return attempt.task_id, attempt.number


def main() -> None:
    """Work until told to exit."""
    name = os.environ["TESK_TASKMASTER_ID"]
    lock = FileLock(Path(os.environ["TESK_HOME"]) / "taskmasters" / f"{name}.lock")
    lock.acquire(lambda: None)
    lock.write(str(os.getpid()))
    token = Path(os.environ["TESK_GRPC_TOKEN_FILE"]).read_text(encoding="ascii")
    channel = open_channel(
        os.environ["TESK_GRPC_SCHEDULER"],
        token=token.strip(),
        retried=["tesk.v1.AssignmentService"],
    )
    taskmaster = FakeTaskmaster(pb_grpc.AssignmentServiceStub(channel), name, slots=20)
    heard = time.monotonic()
    while time.monotonic() < heard + _SCHEDULER_TIMEOUT:
        try:
            response = taskmaster.sync()
        except UnavailableError:
            continue
        heard = time.monotonic()
        if response.exit:
            sys.exit(0)
        taskmaster.work(response)


if __name__ == "__main__":
    main()
