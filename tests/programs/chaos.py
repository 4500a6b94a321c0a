"""Tasks for a scheduler that is killed again and again, and what must hold of them."""

import os
import signal
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

from sqlalchemy import create_engine, func, select

from programs.scheduler import Process
from programs.waiting import eventually
from schedulers.served import TOKEN, create_request
from tesk.v1 import task_pb2, task_service_pb2, task_service_pb2_grpc
from tesk_model.errors import TeskError
from tesk_model.states import TaskState
from tesk_runtime.rpc.channel import open_channel
from tesk_runtime.rpc.status import invoke
from tesk_scheduler.adapters.store import schema
from tesk_scheduler.adapters.store.rows import RECORD_COLUMNS, record_of
from tesk_scheduler.adapters.store.usage_reads import read_counters
from tesk_scheduler.domain.accounting import charge
from tesk_scheduler.domain.quota import Amounts, Subject
from tesk_scheduler.domain.records import TaskRecord

KILLED = "programs.killed_scheduler"
_WAIT = 0.05
# Seconds: one scheduler after the other may die before it answers, and the machine be
# busy.
LONG = 900.0
# Seconds. A taskmaster that is late because the machine is busy, or because one scheduler
# after the other dies, would lose its attempts, as it must when its lease is over.
LONG_LEASE = "3600"
_CALL = timedelta(seconds=5)
_RUN_TIME = "1"
OWNERS = ("alice", "bob", "carol")
KINDS = ["short", "", "hang", "", "overdue"]


@dataclass(kw_only=True)
class Chaos:
    """A scheduler that may die at any time, and clients that do not give up.

    What never happens: two taskmasters act on one attempt at the same time. And without
    a reason none loses an attempt: that is, unless the test kills it or leases may end.

    Attributes:
        process: The scheduler; started and killed by the test.
        address: Where clients call.
        home: Its folder.
        database: Its url.
        created: Ids of acknowledged tasks, by their idempotency keys.
        canceled: Those that were then canceled.
        overdue: Those that run until they have run for too long.
        requeued: Those of which an operator may have begun another attempt.
        killed: Process ids of taskmasters that the test killed.
        leases_may_end: Those of living taskmasters, by the test or a busy machine.
    """

    process: Process
    address: str
    home: Path
    database: str
    created: dict[str, str] = field(default_factory=dict)
    canceled: set[str] = field(default_factory=set)
    overdue: set[str] = field(default_factory=set)
    requeued: set[str] = field(default_factory=set)
    killed: set[int] = field(default_factory=set)
    leases_may_end: bool = False

    @property
    def journal(self) -> Path:
        """Which points were reached."""
        return self.home / "points.txt"

    def start(self, point: str = "") -> None:
        """Start the scheduler, which dies at ``point``."""
        self.process.start("-m", KILLED, str(self.journal), *point.split(" "))

    def has_died(self) -> bool:
        """Tell whether it reached its point."""
        return not self.process.running or self.process.wait(0) is not None

    def stop(self) -> int:
        """End it in good order; it may die on the way. Return its exit code."""
        return self.process.end(signal.SIGTERM)

    def points(self) -> Counter[str]:
        """Count the points that were reached so far."""
        return Counter(self._lines(self.journal.name))

    def submit(self, count: int, *, until: threading.Event | None = None) -> None:
        """Create tasks of all kinds, and cancel some; go on until all is done.

        With ``until``, all of them run until it is set, and are canceled then.
        """
        with open_channel(self.address, token=TOKEN) as channel:
            stub = task_service_pb2_grpc.TaskServiceStub(channel)
            names = (KINDS if until is None else ["hang"]) * count
            keys = [uuid4().hex for _ in range(count)]
            pairs = list(zip(names, keys, strict=False))
            for name, key in pairs:
                self._create(stub, name, key)
            if until is not None:
                until.wait()
            for name, key in pairs:
                if name == "hang":
                    self._cancel(stub, self.created[key])

    def _create(
        self, stub: task_service_pb2_grpc.TaskServiceStub, name: str, key: str
    ) -> None:
        owner = OWNERS[int(key, 16) % len(OWNERS)]
        limits = {"max_run_time": _RUN_TIME} if name == "overdue" else {}
        request = create_request(
            caller=task_service_pb2.Caller(user=owner),
            key=key,
            name=name,
            resources=task_pb2.Resources(
                cpu_cores=0.05, ram_gb=0.01, backend_parameters=limits
            ),
        )
        batch = task_service_pb2.BatchCreateTasksRequest(requests=[request])

        def created() -> str:
            with suppress(TeskError):
                answer = invoke(stub.BatchCreateTasks, batch, timeout=_CALL)
                return answer.results[0].task_id
            return ""

        task_id = eventually(created, every=_WAIT, within=LONG, what="creating")
        self.created[key] = task_id
        if name == "overdue":
            self.overdue.add(task_id)

    def _cancel(
        self, stub: task_service_pb2_grpc.TaskServiceStub, task_id: str
    ) -> None:
        admin = task_service_pb2.Caller(user="root", admin=True)
        request = task_service_pb2.CancelTaskRequest(caller=admin, task_id=task_id)

        def canceled() -> bool:
            with suppress(TeskError):
                invoke(stub.CancelTask, request, timeout=_CALL)
                return True
            return False

        eventually(canceled, every=_WAIT, within=LONG, what="canceling")
        self.canceled.add(task_id)

    def kill_a_taskmaster(self) -> bool:
        """Kill one that lives and has begun an attempt; return whether there is one."""
        began = {pid for _, _, pid in self.runs()}
        for pid in began.intersection(self.process.taskmasters()):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                self.killed.add(pid)
                return True
        return False

    def runs(self) -> list[tuple[str, str, int]]:
        """List the attempts that began: task, number, process id of the taskmaster."""
        fields = (line.split(" ") for line in self._lines("runs.txt"))
        return [(task_id, attempt, int(pid)) for task_id, attempt, pid in fields]

    def overlaps(self) -> list[str]:
        """List attempts that began while another taskmaster might act on them."""
        return self._lines("overlaps.txt")

    def lapsed(self) -> set[int]:
        """Return the process ids of taskmasters that ended because their lease did."""
        return {int(line) for line in self._lines("lapses.txt")}

    def _lines(self, name: str) -> list[str]:
        file = self.home / name
        return file.read_text("ascii").splitlines() if file.exists() else []

    def records(self) -> list[TaskRecord]:
        """Read all tasks, past the scheduler."""
        engine = create_engine(self.database)
        with engine.connect() as connection:
            rows = connection.execute(select(*RECORD_COLUMNS)).all()
        engine.dispose()
        return [record_of(row) for row in rows]

    def all_have_ended(self) -> bool:
        """Tell whether all tasks ended and nothing of them is left."""
        records = self.records()
        return len(records) >= len(self.created) and all(
            each.state.is_final and each.released for each in records
        )

    def wait_for_the_end(self) -> None:
        """Wait until all tasks and taskmasters have ended."""
        for ended in (self.all_have_ended, self.no_taskmaster_is_left):
            eventually(ended, every=0.1, within=LONG, what=ended.__name__)

    def check_counters(self) -> None:
        """Compare the counters of usage with the tasks there are."""
        engine = create_engine(self.database)
        if engine.dialect.name == "postgresql":
            # A server may still commit what a scheduler sent before it died.
            engine = engine.execution_options(isolation_level="REPEATABLE READ")
        with engine.connect() as connection:
            usage = read_counters(connection).usage
            rows = connection.execute(select(*RECORD_COLUMNS)).all()
        engine.dispose()
        counted: dict[Subject, Amounts] = {}
        for record in map(record_of, rows):
            taken = charge(record.state, record.demand)
            for subject in record.subjects:
                counted[subject] = counted.get(subject, Amounts()).plus(taken)
        assert {subject: tuple(each) for subject, each in usage.items()} == {
            subject: tuple(each) for subject, each in counted.items()
        }

    def check(self) -> None:
        """Check what must hold in the end: nothing lost, doubled, left or miscounted."""
        records = self.records()
        assert sorted(each.id for each in records) == sorted(self.created.values())
        for record in records:
            assert record.state in self._ends_of(record.id), record
            assert record.released, record
        self.check_runs(records)
        self.check_counters()

    def _ends_of(self, task_id: str) -> set[TaskState]:
        if task_id in self.overdue:
            return {TaskState.SYSTEM_ERROR}
        if task_id in self.canceled:
            # A task may end before its cancellation arrives.
            return {TaskState.CANCELED, TaskState.COMPLETE}
        return {TaskState.COMPLETE}

    def check_runs(self, records: list[TaskRecord]) -> None:
        """Check who began attempts, and that none but an operator made another."""
        assert self.overlaps() == []
        assert {each.id for each in records if each.attempt > 1} <= self.requeued
        if self.leases_may_end:
            return
        # No machine is as slow as their leases are long.
        assert self.lapsed() == set()
        began: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
        for task_id, attempt, pid in self.runs():
            began[task_id, attempt].append(pid)
        doubled = {
            attempt: pids
            for attempt, pids in began.items()
            if not self.killed.issuperset(pids[:-1]) or len(set(pids)) < len(pids)
        }
        assert not doubled, doubled

    def no_taskmaster_is_left(self) -> bool:
        """Tell whether all have gone, in the database, too."""
        engine = create_engine(self.database)
        with engine.connect() as connection:
            left = connection.scalar(
                select(func.count()).select_from(schema.TASKMASTER)
            )
        engine.dispose()
        return not left and not self.process.taskmasters()


@contextmanager
def chaos(home: Path, database: str, *, lease: str = LONG_LEASE) -> Iterator[Chaos]:
    """Prepare one; everything of it ends with the block."""
    process = Process(
        home,
        taskmaster="programs.steady_taskmaster",
        database=database,
        tasks_per_taskmaster="3",
        max_taskmasters="2",
        # Tests kill them, and no task does.
        max_takeovers="100",
        lease=lease,
    )
    each = Chaos(
        process=process,
        address=process.address,
        home=home,
        database=database,
        leases_may_end=lease != LONG_LEASE,
    )
    try:
        yield each
    finally:
        end_all(process)


def end_all(process: Process) -> None:
    """Kill a scheduler and its taskmasters."""
    if process.running:
        process.end(signal.SIGKILL)
    for pid in process.taskmasters():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
