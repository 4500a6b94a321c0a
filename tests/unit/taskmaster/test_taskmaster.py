"""What a taskmaster does with its assignments, with runtime and scheduler faked."""

import contextlib
import itertools
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from builders import make_assigned_task, make_executor
from fakes.taskmaster_runtime import FakeRuntime, World
from fakes.taskmaster_scheduler import FakeScheduler
from tesk_model.errors import InvalidRequestError, UnavailableError, Violation
from tesk_model.events import (
    ExecutorEnded,
    ExecutorOutput,
    ExecutorStarted,
    Finished,
    Metadata,
    Note,
    Outcome,
    Reason,
    Released,
    TaskEvent,
)
from tesk_model.names import Attempt
from tesk_model.task import Input, Output, Task, TaskId
from tesk_runtime.clock import SystemClock
from tesk_taskmaster.domain.assignment import Assignment, Stop, StopReason
from tesk_taskmaster.ports import StepFailedError, StepResult
from tesk_taskmaster.usecases.attempt import AttemptSettings
from tesk_taskmaster.usecases.reporter import Reporter
from tesk_taskmaster.usecases.taskmaster import Taskmaster, TaskmasterSettings

ATTEMPT = Attempt(TaskId("t1"), 1)
NO_TIME = timedelta(0)
SETTINGS = TaskmasterSettings(
    slots=3,
    wait=timedelta(seconds=30),
    pause=timedelta(milliseconds=1),
    patience=timedelta(milliseconds=50),
    farewell=timedelta(seconds=5),
    attempts=AttemptSettings(
        grace=timedelta(seconds=1),
        live_interval=timedelta(seconds=10),
        retry_pause=timedelta(milliseconds=1),
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
class Crew:
    """A running taskmaster and what is around it."""

    world: World = field(default_factory=World)
    scheduler: FakeScheduler = field(default_factory=FakeScheduler)
    stop: threading.Event = field(default_factory=threading.Event)
    done: list[bool] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.runtime = FakeRuntime(self.world)
        clock = SystemClock()
        self.taskmaster = Taskmaster(
            scheduler=self.scheduler,
            runtime=self.runtime,
            reporter=Reporter(self.scheduler, clock),
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
        return list(self.scheduler.whats(given.attempt))

    def join(self) -> bool:
        self.thread.join(30)
        assert not self.thread.is_alive()
        return self.done[0]


@contextlib.contextmanager
def running(crew: Crew) -> Iterator[Crew]:
    crew.thread.start()
    try:
        yield crew
    finally:
        crew.stop.set()
        crew.thread.join(30)


@pytest.fixture
def crew() -> Iterator[Crew]:
    with running(Crew()) as crew:
        yield crew


def steps(crew: Crew) -> list[str]:
    return [step for _, step in crew.world.started]


def outcome(told: Sequence[object]) -> Finished:
    return next(what for what in told if isinstance(what, Finished))


def kinds(told: Sequence[object]) -> list[type]:
    return [type(what) for what in told if not isinstance(what, Reason)]


def test_a_task_is_told_from_start_to_release(crew: Crew) -> None:
    told = crew.finish(assignment(commands("echo hello")))

    assert kinds(told) == [ExecutorStarted, ExecutorEnded, Finished, Released]
    ended = told[1]
    assert isinstance(ended, ExecutorEnded)
    assert (ended.index, ended.exit_code, ended.stdout) == (0, 0, "hello\n")
    assert outcome(told) == Finished(Outcome.COMPLETE)


def test_events_are_numbered_from_the_last_known(crew: Crew) -> None:
    crew.finish(assignment(last_sequence=7))

    assert [event.sequence for event in crew.scheduler.events] == [8, 9, 10, 11]


@dataclass(frozen=True)
class Flow:
    """A task, what its filers end with, and what must come of it."""

    task: Task
    steps: list[str]
    outcome: Outcome
    words: str = ""
    filer_codes: tuple[int, ...] = ()


FLOWS = {
    "inputs, executors and outputs run in order": Flow(
        commands("true", "true", inputs=INPUTS, outputs=OUTPUTS),
        ["in", "x0", "x1", "out"],
        Outcome.COMPLETE,
    ),
    "phases with nothing to do are skipped": Flow(
        commands("true"), ["x0"], Outcome.COMPLETE
    ),
    "the first failing executor ends the task": Flow(
        commands("true", "false", "true"),
        ["x0", "x1"],
        Outcome.EXECUTOR_ERROR,
        "executors[1] ended with exit code 1",
    ),
    "outputs are stored after a failure": Flow(
        commands("false", outputs=OUTPUTS),
        ["x0", "out"],
        Outcome.EXECUTOR_ERROR,
        "executors[0] ended with exit code 1",
    ),
    "a failure to store does not hide the failed command": Flow(
        commands("false", outputs=OUTPUTS),
        ["x0", "out"],
        Outcome.EXECUTOR_ERROR,
        "executors[0] ended with exit code 1",
        (75,),
    ),
    "an ignored failure is none": Flow(
        make_assigned_task(
            executors=(
                make_executor(command=("false",), ignore_error=True),
                make_executor(command=("true",)),
            )
        ),
        ["x0", "x1"],
        Outcome.COMPLETE,
    ),
    "inputs that fail for good end the task": Flow(
        commands("true", inputs=INPUTS),
        ["in"],
        Outcome.SYSTEM_ERROR,
        "the inputs failed to arrive",
        (65,),
    ),
    "inputs that may arrive later lose the attempt": Flow(
        commands("true", inputs=INPUTS),
        ["in"],
        Outcome.LOST,
        "the inputs did not arrive this time",
        (75,),
    ),
    "a filer that dies is started again": Flow(
        commands("true", inputs=INPUTS),
        ["in", "in", "in", "x0"],
        Outcome.COMPLETE,
        "",
        (137, 1, 0),
    ),
    "a filer that keeps dying loses the attempt": Flow(
        commands("true", outputs=OUTPUTS),
        ["x0", "out", "out", "out", "out"],
        Outcome.LOST,
        "the transfer of outputs crashed 4 times",
        (1, 1, 1, 1),
    ),
    "a mount that hides programs is explained": Flow(
        commands("true", volumes=("/usr",)),
        [],
        Outcome.SYSTEM_ERROR,
        "volumes[0]: /usr holds the programs of the image, which would be hidden; "
        "name a directory of its own",
    ),
}


@pytest.mark.parametrize("flow", FLOWS.values(), ids=FLOWS)
def test_flow(crew: Crew, flow: Flow) -> None:
    crew.world.filer_codes += flow.filer_codes

    told = crew.finish(assignment(flow.task))

    assert steps(crew) == flow.steps
    assert outcome(told) == Finished(flow.outcome, flow.words)
    assert crew.runtime.attempts() == []


FAILURES = {
    "an image that does not exist": (
        "x0",
        StepFailedError("image x: not found"),
        Finished(Outcome.SYSTEM_ERROR, "image x: not found"),
    ),
    "a machine that is out of memory": (
        "prepare",
        StepFailedError("no memory", lost=True),
        Finished(Outcome.LOST, "no memory"),
    ),
}


@pytest.mark.parametrize(("step", "error", "want"), FAILURES.values(), ids=FAILURES)
def test_a_step_that_cannot_start_ends_the_attempt(
    crew: Crew, step: str, error: StepFailedError, want: Finished
) -> None:
    crew.world.failures[step] = error

    assert outcome(crew.finish(assignment())) == want


def test_an_executor_that_vanished_loses_the_attempt(crew: Crew) -> None:
    crew.world.results["x0"] = StepResult(exit_code=137, error="gone", lost=True)

    told = crew.finish(assignment())

    assert outcome(told) == Finished(Outcome.LOST, "gone")
    assert ExecutorEnded not in kinds(told)


def test_what_a_lost_executor_printed_is_told(crew: Crew) -> None:
    crew.scheduler.assign(assignment(commands("sleep")))
    crew.world.wait_started(ATTEMPT, "x0")
    with crew.world.changed:
        step = crew.world.steps[ATTEMPT]["x0"]
        step.stdout = b"so far"
        step.result = StepResult(exit_code=255, error="gone", lost=True)
        crew.world.changed.notify_all()

    crew.scheduler.wait_for(ATTEMPT, Released)

    told = crew.scheduler.whats(ATTEMPT)
    assert ExecutorOutput(0, "so far", "") in told
    assert outcome(told) == Finished(Outcome.LOST, "gone")


def test_notes_of_runtime_and_step_are_told_once(crew: Crew) -> None:
    crew.world.note_lines.append("sandbox")
    crew.world.results["x0"] = StepResult(exit_code=137, note="memory ran out")

    told = crew.finish(assignment())

    assert [what.text for what in told if isinstance(what, Note)] == [
        "sandbox",
        "memory ran out",
    ]


def test_waiting_is_told_as_a_reason_and_not_repeated(crew: Crew) -> None:
    crew.world.says["x0"] = ["pulling image", "", "pulling image", "starting"]

    told = crew.finish(assignment())

    reasons = [what.text for what in told if isinstance(what, Reason)]
    assert reasons == ["pulling image", "starting"]


def test_a_transfer_is_told_again_after_its_start_waited(crew: Crew) -> None:
    crew.world.says["in"] = ["no node can take it"]
    inputs = (Input(path="/w/a", url="s3://b/a"),)

    told = crew.finish(assignment(make_assigned_task(inputs=inputs)))

    reasons = [what.text for what in told if isinstance(what, Reason)]
    assert reasons == [
        "transferring inputs",
        "no node can take it",
        "transferring inputs",
    ]


def test_where_an_executor_ran_is_told(crew: Crew) -> None:
    where = {"node": "n1", "pod": "p1"}
    crew.world.results["x0"] = StepResult(exit_code=0, metadata=where)

    told = crew.finish(assignment())

    entries = {"executors[0].node": "n1", "executors[0].pod": "p1"}
    assert Metadata(entries) in told


def test_output_of_a_running_executor_is_told_when_it_changes(crew: Crew) -> None:
    crew.scheduler.assign(assignment(commands("sleep")))
    crew.world.wait_started(ATTEMPT, "x0")
    crew.scheduler.wait_for(ATTEMPT, ExecutorStarted)
    crew.world.print(ATTEMPT, "x0", b"half\xff")

    told = crew.scheduler.wait_for(ATTEMPT, ExecutorOutput)

    assert told == ExecutorOutput(0, "half\N{REPLACEMENT CHARACTER}", "")
    crew.world.finish(ATTEMPT, "x0")
    crew.scheduler.wait_for(ATTEMPT, Released)


def test_nothing_is_deleted_before_the_outcome_is_durable(crew: Crew) -> None:
    there_at_finish: list[bool] = []

    def look(event: TaskEvent) -> None:
        if isinstance(event.what, Finished):
            there_at_finish.append(ATTEMPT in crew.runtime.attempts())

    crew.scheduler.on_event = look
    crew.finish(assignment())

    assert there_at_finish == [True]


def test_a_cancel_stops_and_deletes_before_it_is_told(crew: Crew) -> None:
    there_at_finish: list[bool] = []

    def look(event: TaskEvent) -> None:
        if isinstance(event.what, Finished):
            there_at_finish.append(ATTEMPT in crew.runtime.attempts())

    crew.scheduler.on_event = look
    crew.scheduler.assign(assignment(commands("sleep", "true", outputs=OUTPUTS)))
    crew.scheduler.wait_for(ATTEMPT, ExecutorStarted)
    crew.scheduler.stop(Stop(ATTEMPT, StopReason.CANCELED))
    crew.scheduler.wait_for(ATTEMPT, Released)

    told = list(crew.scheduler.whats(ATTEMPT))
    assert kinds(told) == [ExecutorStarted, ExecutorEnded, Finished, Released]
    assert isinstance(told[1], ExecutorEnded)
    assert told[1].exit_code == 143
    assert outcome(told) == Finished(Outcome.CANCELED)
    assert there_at_finish == [False]
    assert steps(crew) == ["x0"]


def test_a_cancel_ends_a_transfer(crew: Crew) -> None:
    crew.world.filer_codes.append(None)
    crew.scheduler.assign(assignment(commands("true", inputs=INPUTS)))
    crew.world.wait_started(ATTEMPT, "in")
    crew.scheduler.stop(Stop(ATTEMPT, StopReason.CANCELED))
    crew.scheduler.wait_for(ATTEMPT, Released)

    assert outcome(list(crew.scheduler.whats(ATTEMPT))) == Finished(Outcome.CANCELED)
    assert steps(crew) == ["in"]


def test_a_cancel_ends_a_wait_for_an_image(crew: Crew) -> None:
    class Pulling(list[str]):
        """Layers without end."""

        def __iter__(self) -> Iterator[str]:
            number = 0
            while True:
                number += 1
                yield f"layer {number}"
                if number == 3:
                    crew.scheduler.stop(Stop(ATTEMPT, StopReason.CANCELED))

    crew.world.says["x0"] = Pulling()
    told = crew.finish(assignment())

    assert outcome(told) == Finished(Outcome.CANCELED)
    assert steps(crew) == []


def test_a_reassigned_attempt_is_left_as_it_is(crew: Crew) -> None:
    crew.scheduler.assign(assignment(commands("sleep")))
    crew.scheduler.wait_for(ATTEMPT, ExecutorStarted)
    crew.scheduler.refuse(ATTEMPT)
    crew.scheduler.stop(Stop(ATTEMPT, StopReason.REASSIGNED))
    crew.world.print(ATTEMPT, "x0", b"more")  # the thread wakes and sees the order
    crew.stop.set()

    assert crew.join()
    assert crew.runtime.attempts() == [ATTEMPT]
    assert crew.runtime.released == []


def test_a_refused_attempt_is_left_as_it_is(crew: Crew) -> None:
    crew.scheduler.assign(assignment(commands("sleep")))
    crew.scheduler.wait_for(ATTEMPT, ExecutorStarted)
    crew.scheduler.refuse(ATTEMPT)
    crew.world.finish(ATTEMPT, "x0")

    other = Attempt(TaskId("t2"), 1)
    crew.finish(assignment(attempt=other))  # the others go on

    assert crew.runtime.released == [other]
    assert ATTEMPT in crew.runtime.attempts()


def test_what_is_over_is_only_released(crew: Crew) -> None:
    crew.world.steps[ATTEMPT] = {}

    told = crew.finish(assignment(release_only=True, last_sequence=4))

    assert kinds(told) == [Released]
    assert steps(crew) == []
    assert crew.runtime.released == [ATTEMPT]


def test_a_successor_adopts_the_running_step(crew: Crew) -> None:
    first = Crew(world=crew.world)
    with running(first):
        first.scheduler.assign(assignment(commands("true", "sleep", "true")))
        crew.world.wait_started(ATTEMPT, "x1")
        first.scheduler.wait_for(ATTEMPT, ExecutorEnded)
        first.stop.set()
        assert first.join()

    crew.scheduler.assign(
        assignment(
            commands("true", "sleep", "true"),
            finished_executors={0: 0},
            last_sequence=3,
        )
    )
    crew.scheduler.wait_for(ATTEMPT, ExecutorStarted)
    crew.world.finish(ATTEMPT, "x1")
    crew.scheduler.wait_for(ATTEMPT, Released)

    assert steps(crew) == ["x0", "x1", "x2"]
    assert outcome(list(crew.scheduler.whats(ATTEMPT))).outcome is Outcome.COMPLETE


RESUMED: dict[str, tuple[dict[str, Any], list[str], Outcome]] = {
    "inputs are not brought twice": (
        {"inputs_finished": True},
        ["x0", "x1", "out"],
        Outcome.COMPLETE,
    ),
    "an executor that failed still fails the task": (
        {"inputs_finished": True, "finished_executors": {0: 3}},
        ["out"],
        Outcome.EXECUTOR_ERROR,
    ),
    "outputs are not stored twice": (
        {
            "inputs_finished": True,
            "finished_executors": {0: 0, 1: 0},
            "outputs_finished": True,
        },
        [],
        Outcome.COMPLETE,
    ),
}


@pytest.mark.parametrize(("known", "steps_left", "want"), RESUMED.values(), ids=RESUMED)
def test_what_is_done_is_not_done_again(
    crew: Crew, known: dict[str, Any], steps_left: list[str], want: Outcome
) -> None:
    crew.world.steps[ATTEMPT] = {}
    task = commands("true", "true", inputs=INPUTS, outputs=OUTPUTS)

    told = crew.finish(assignment(task, last_sequence=9, **known))

    assert steps(crew) == steps_left
    assert outcome(told).outcome is want


def test_an_executor_that_started_and_is_gone_is_lost(crew: Crew) -> None:
    crew.world.steps[ATTEMPT] = {}

    told = crew.finish(
        assignment(
            commands("true", "true", "true", outputs=OUTPUTS),
            finished_executors={0: 0},
            started_executors=frozenset({0, 1}),
            last_sequence=4,
        )
    )

    assert steps(crew) == []
    assert outcome(told) == Finished(Outcome.LOST, "x1 lost: nothing is left of it")


def test_an_attempt_whose_files_are_gone_is_lost(crew: Crew) -> None:
    told = crew.finish(
        assignment(commands("true", inputs=INPUTS), inputs_finished=True)
    )

    assert outcome(told).outcome is Outcome.LOST


def test_reports_are_repeated_until_they_are_durable(crew: Crew) -> None:
    gone = UnavailableError("not the leader")
    crew.scheduler.fail_next(gone, gone, gone)

    told = crew.finish(assignment())

    assert kinds(told) == [ExecutorStarted, ExecutorEnded, Finished, Released]


def test_the_last_exit_and_the_outcome_cost_one_report(crew: Crew) -> None:
    told = crew.finish(assignment(commands("true", "true")))

    ends = list(itertools.accumulate(crew.scheduler.batches))
    finished = told.index(outcome(told))
    assert isinstance(told[finished - 1], ExecutorEnded)
    assert finished not in ends  # no batch ended between the two


def logged(caplog: pytest.LogCaptureFixture, *events: str) -> list[str]:
    return [record.message for record in caplog.records if record.message in events]


def test_reports_that_fail_again_and_again_are_logged_once(
    crew: Crew, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    gone = UnavailableError("not the leader")
    crew.scheduler.fail_next(gone, gone, gone)

    crew.finish(assignment())

    assert logged(caplog, "report not delivered", "reports delivered again") == [
        "report not delivered",
        "reports delivered again",
    ]


def test_a_scheduler_that_is_away_is_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    crew = Crew()
    crew.scheduler.fall_silent(UnavailableError("gone"))
    with running(crew):
        crew.join()

    assert logged(caplog, "no orders") == ["no orders"]


def test_a_malformed_event_harms_its_attempt_alone(crew: Crew) -> None:
    crew.scheduler.fail_next(InvalidRequestError([Violation("events[0]", "bad")]))
    crew.scheduler.assign(assignment(commands("sleep")))
    crew.world.wait_started(ATTEMPT, "x0")

    other = Attempt(TaskId("t2"), 1)
    told = crew.finish(assignment(attempt=other))

    assert outcome(told).outcome is Outcome.COMPLETE


def test_a_stop_leaves_steps_running(crew: Crew) -> None:
    crew.scheduler.assign(assignment(commands("sleep")))
    crew.scheduler.wait_for(ATTEMPT, ExecutorStarted)
    crew.stop.set()

    assert crew.join()
    assert crew.world.steps[ATTEMPT]["x0"].result is None
    assert crew.runtime.released == []


def test_it_leaves_when_dismissed(crew: Crew) -> None:
    crew.scheduler.dismiss()

    assert crew.join()


def test_it_lets_go_of_everything_when_the_lease_is_lost() -> None:
    crew = Crew()
    crew.scheduler.lease = timedelta(milliseconds=200)
    with running(crew):
        crew.scheduler.assign(assignment(commands("sleep")))
        crew.scheduler.wait_for(ATTEMPT, ExecutorStarted)
        crew.scheduler.fall_silent(UnavailableError("gone"))

        assert not crew.join()
    assert crew.world.steps[ATTEMPT]["x0"].result is None
    assert crew.runtime.released == []


def test_it_gives_up_when_there_never_was_a_scheduler() -> None:
    crew = Crew()
    crew.scheduler.fall_silent(UnavailableError("gone"))
    with running(crew):
        assert not crew.join()


def test_all_slots_are_offered(crew: Crew) -> None:
    crew.finish(assignment())

    assert set(crew.scheduler.slots_seen) == {SETTINGS.slots}


def test_a_secret_is_not_in_what_is_logged() -> None:
    assert "secret" not in repr(assignment())
