"""A taskmaster that runs nothing and lets no event be lost.

As the real one it holds an attempt until the scheduler has taken its last event, so
that a scheduler that is killed before its answer never has a task run again, and ends
when its lease is over. Tasks named ``hang`` run until they are canceled, those named
``overdue`` until they have run for too long, those named ``short`` for a moment.

Each attempt that it begins is a line of ``runs.txt`` in ``TESK_HOME``. While it may act
on an attempt it has the lock of a file of that attempt: that another has it is a
line of ``overlaps.txt``. Who ended with its lease is a line of ``lapses.txt``.
"""

import os
import sys
import time
from datetime import timedelta
from pathlib import Path

from google.protobuf.duration_pb2 import Duration

from tesk.v1 import assignment_service_pb2 as pb
from tesk.v1 import assignment_service_pb2_grpc as pb_grpc
from tesk_model.errors import RetryableError
from tesk_runtime.file_lock import FileLock
from tesk_runtime.rpc.channel import open_channel
from tesk_runtime.rpc.status import invoke

_SHORT = 0.2
# Seconds for the first answer: a busy machine is no failure.
_START_TIMEOUT = 900.0
_PAUSE = 0.05
_CALL = timedelta(seconds=5)

_Key = tuple[str, int]


class SteadyTaskmaster:
    """Holds attempts, and what is not yet reported of them."""

    def __init__(
        self, stub: pb_grpc.AssignmentServiceStub, name: str, home: Path
    ) -> None:
        self._stub = stub
        self._name = name
        self._home = home
        self._lease_until = time.monotonic() + _START_TIMEOUT
        self._locks: dict[_Key, FileLock] = {}
        self._held: dict[_Key, pb.Assignment] = {}
        self._ends: dict[_Key, float] = {}
        self._events: list[pb.TaskEvent] = []

    def step(self) -> bool:
        """Report, and take up what is offered; return False when told to exit.

        Raises:
            RetryableError: The scheduler does not answer.
        """
        self._report()
        wait = Duration()
        wait.FromTimedelta(timedelta(seconds=_PAUSE if self._ends else 2))
        request = pb.SyncRequest(
            taskmaster_id=self._name,
            held=[each.attempt for each in self._held.values()],
            slots=20,
            wait=wait,
        )
        asked_at = time.monotonic()
        response = invoke(self._stub.Sync, request, timeout=_CALL)
        self.check_lease()  # or it is too late for this response
        lease = response.lease.ToTimedelta()
        self._lease_until = asked_at + lease.total_seconds()
        for assignment in response.run:
            self._begin(assignment)
        for stop in response.stop:
            held = self._held.get(_key(stop.attempt))
            if held is not None and stop.reason == pb.STOP_REASON_CANCELED:
                self._end(held, pb.OUTCOME_CANCELED)
            elif held is not None:
                del self._held[_key(stop.attempt)]
        now = time.monotonic()
        for key in [key for key, until in self._ends.items() if until <= now]:
            self._end(self._held[key], pb.OUTCOME_COMPLETE)
        return not response.exit

    def check_lease(self) -> None:
        """End the process if its lease is over."""
        if time.monotonic() >= self._lease_until:
            self._note("lapses.txt", str(os.getpid()))
            os._exit(1)

    def _note(self, file: str, line: str) -> None:
        with (self._home / file).open("a", encoding="ascii") as opened:
            opened.write(f"{line}\n")

    def _begin(self, assignment: pb.Assignment) -> None:
        key = _key(assignment.attempt)
        if key in self._held:
            return
        self._held[key] = assignment
        self._lock(key)
        if assignment.release_only:
            self._release(assignment, after=assignment.last_sequence)
            return
        self._note("runs.txt", f"{key[0]} {key[1]} {os.getpid()}")
        if assignment.task.name == "short":
            self._ends[key] = time.monotonic() + _SHORT
        elif assignment.task.name == "overdue":
            self._start(assignment)
        elif assignment.task.name != "hang":
            self._end(assignment, pb.OUTCOME_COMPLETE)

    def _lock(self, key: _Key) -> None:
        """Lock an attempt until it is released: once it was lost, with the process."""
        folder = self._home / "attempts"
        folder.mkdir(exist_ok=True)
        name = f"{key[0]} {key[1]}"
        lock = self._locks.setdefault(key, FileLock(folder / name))
        if not lock.try_acquire():
            self._note("overlaps.txt", f"{name} {os.getpid()}")

    def _start(self, held: pb.Assignment) -> None:
        held.last_sequence += 1
        started = pb.ExecutorStarted(index=0)
        self._events.append(
            pb.TaskEvent(
                attempt=held.attempt,
                sequence=held.last_sequence,
                executor_started=started,
            )
        )

    def _end(self, held: pb.Assignment, outcome: "pb.Outcome.ValueType") -> None:
        if any(_key(each.attempt) == _key(held.attempt) for each in self._events):
            return
        self._ends.pop(_key(held.attempt), None)
        first = held.last_sequence
        ended = pb.ExecutorEnded(index=0, stdout="hello\n")
        finished = pb.Finished(outcome=outcome)
        self._events += [
            pb.TaskEvent(
                attempt=held.attempt, sequence=first + 1, executor_ended=ended
            ),
            pb.TaskEvent(attempt=held.attempt, sequence=first + 2, finished=finished),
        ]
        self._release(held, after=first + 2)

    def _release(self, held: pb.Assignment, *, after: int) -> None:
        event = pb.TaskEvent(
            attempt=held.attempt, sequence=after + 1, released=pb.Released()
        )
        self._events.append(event)

    def _report(self) -> None:
        if not self._events:
            return
        request = pb.ReportRequest(taskmaster_id=self._name, events=self._events)
        invoke(self._stub.Report, request, timeout=_CALL)
        for event in self._events:
            if event.HasField("released"):
                self._held.pop(_key(event.attempt), None)
                if lock := self._locks.pop(_key(event.attempt), None):
                    lock.release()
        self._events.clear()


def _key(attempt: pb.Attempt) -> _Key:
    return attempt.task_id, attempt.number


def main() -> None:
    """Work until told to exit."""
    name, home = os.environ["TESK_TASKMASTER_ID"], Path(os.environ["TESK_HOME"])
    lock = FileLock(home / "taskmasters" / f"{name}.lock")
    lock.acquire(lambda: None)
    lock.write(str(os.getpid()))
    token = Path(os.environ["TESK_GRPC_TOKEN_FILE"]).read_text(encoding="ascii")
    channel = open_channel(os.environ["TESK_GRPC_SCHEDULER"], token=token.strip())
    stub = pb_grpc.AssignmentServiceStub(channel)
    taskmaster = SteadyTaskmaster(stub, name, home)
    while True:
        try:
            if not taskmaster.step():
                sys.exit(0)
        except RetryableError:
            taskmaster.check_lease()
            time.sleep(_PAUSE)


if __name__ == "__main__":
    main()
