"""A running taskmaster with fakes of runtime and scheduler."""

import contextlib
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from builders.tasks import make_assigned_task, make_executor
from fakes.taskmaster_runtime import FakeRuntime, RuntimeState
from fakes.taskmaster_scheduler import FakeScheduler
from tesk_model.events import Finished, ReasonChanged, Released
from tesk_model.names import Attempt
from tesk_model.task import Input, Output, Task, TaskId
from tesk_model.upload_retries import UploadRetries
from tesk_runtime.clock import SystemClock
from tesk_taskmaster.domain.assignment import Assignment
from tesk_taskmaster.usecases.attempt import AttemptSettings
from tesk_taskmaster.usecases.reporter import Reporter
from tesk_taskmaster.usecases.taskmaster import Taskmaster, TaskmasterSettings

ATTEMPT = Attempt(TaskId("t1"), 1)
SETTINGS = TaskmasterSettings(
    slots=3,
    sync_wait=timedelta(seconds=30),
    retry_interval=timedelta(milliseconds=1),
    start_timeout=timedelta(milliseconds=50),
    flush_timeout=timedelta(seconds=5),
    attempts=AttemptSettings(
        grace=timedelta(seconds=1),
        live_interval=timedelta(seconds=10),
        release_backoff=timedelta(milliseconds=1),
        uploads=UploadRetries(
            tries=3,
            timeout=timedelta(minutes=1),
            backoff=timedelta(milliseconds=1),
            max_backoff=timedelta(milliseconds=2),
        ),
    ),
)
INPUTS = (Input(path="/work/a", url="s3://b/a"),)
OUTPUTS = (Output(path="/work/b", url="s3://b/b"),)


def assignment(task: Task | None = None, **overrides: Any) -> Assignment:
    fields: dict[str, Any] = {
        "attempt": ATTEMPT,
        "task": task or make_assigned_task(),
        "transfer_token": "secret",
    }
    return Assignment(**(fields | overrides))


def commands(*words: str, **fields: Any) -> Task:
    return make_assigned_task(
        executors=tuple(make_executor(command=tuple(w.split())) for w in words),
        **fields,
    )


@dataclass
class TaskmasterHarness:
    """A running taskmaster and what is around it."""

    state: RuntimeState = field(default_factory=RuntimeState)
    scheduler: FakeScheduler = field(default_factory=FakeScheduler)
    stop: threading.Event = field(default_factory=threading.Event)
    done: list[bool] = field(default_factory=list)
    hold: timedelta = timedelta(0)

    def __post_init__(self) -> None:
        self.runtime = FakeRuntime(self.state)
        clock = SystemClock()
        self.taskmaster = Taskmaster(
            scheduler=self.scheduler,
            runtime=self.runtime,
            reporter=Reporter(self.scheduler, clock, hold=self.hold),
            clock=clock,
            settings=SETTINGS,
        )
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        self.done.append(self.taskmaster.run(self.stop))

    def finish(self, given: Assignment) -> list[object]:
        """Assign, wait for the release, and return all that was told."""
        self.scheduler.assign(given)
        self.scheduler.wait_for(given.attempt, Released)
        return list(self.scheduler.payloads(given.attempt))

    def join(self) -> bool:
        self.thread.join(30)
        assert not self.thread.is_alive()
        return self.done[0]


@contextlib.contextmanager
def running(harness: TaskmasterHarness) -> Iterator[TaskmasterHarness]:
    harness.thread.start()
    try:
        yield harness
    finally:
        harness.stop.set()
        harness.thread.join(30)


def steps(harness: TaskmasterHarness) -> list[str]:
    return [step for _, step in harness.state.started]


def outcome(told: Sequence[object]) -> Finished:
    return next(what for what in told if isinstance(what, Finished))


def kinds(told: Sequence[object]) -> list[type]:
    return [type(what) for what in told if not isinstance(what, ReasonChanged)]
