"""How a step ended: one table of cases through the observation of each runtime."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.tasks import make_executor
from fakes.taskmaster_reports import make_report
from taskmasters.pods import RAM, ends, says, seen
from tesk_model.names import Attempt
from tesk_model.reasons import Reason, ReasonCode
from tesk_model.task import TaskId
from tesk_taskmaster.adapters.container.observation import observe as observe_container
from tesk_taskmaster.adapters.detached_process import ProcessExit
from tesk_taskmaster.adapters.kubernetes.status.observations import Ended
from tesk_taskmaster.adapters.kubernetes.status.pods import observe as see_pod
from tesk_taskmaster.adapters.launcher_report import parse_report
from tesk_taskmaster.adapters.sandbox.result import observe as observe_sandbox
from tesk_taskmaster.domain.executor_run import ExecutorRun
from tesk_taskmaster.domain.plan import ExecutorStep
from tesk_taskmaster.domain.termination import (
    INVALID_REPORT,
    Report,
    StepResult,
    Termination,
    judge,
)

RUN = ExecutorRun(
    name="tesk-t-a1-x1",
    attempt=Attempt(TaskId("t"), 1),
    step=ExecutorStep(index=1, executor=make_executor(), mounts=()),
    mounts=(),
    folder=Path("/nowhere"),
    volume=Path("/nowhere"),
    cpu_cores=1,
    ram=RAM,
)


@dataclass(frozen=True, kw_only=True)
class End:
    """What happened to an executor; ``code`` None: it is gone, and nobody saw how."""

    code: int | None
    report: str = ""
    was_stopped: bool = False
    is_out_of_memory: bool = False


def in_container(end: End) -> StepResult:
    container = {
        "State": {
            "Status": "exited",
            "ExitCode": end.code,
            "OOMKilled": end.is_out_of_memory,
            "StartedAt": "2025-01-31T12:00:00.123456789Z",
            "FinishedAt": "2025-01-31T13:00:01+01:00",
        }
    }
    found = observe_container(
        RUN,
        None if end.code is None else container,
        parse_report(end.report.encode()),
        was_stopped=end.was_stopped,
    )
    assert found is not None
    return judge(found)


def in_cluster(end: End) -> StepResult:
    reason = "OOMKilled" if end.is_out_of_memory else "Error"
    edits = [ends(exitCode=end.code, reason=reason), says(end.report)]
    judged = see_pod(
        seen(
            "runs",
            *([] if end.code is None else edits),
            pod_is_gone=end.code is None,
            was_stopped=end.was_stopped,
        )
    )
    assert isinstance(judged, Ended)
    return judged.result


def in_sandbox(end: End) -> StepResult:
    report = parse_report(end.report.encode())
    code = report.exit_code if isinstance(report, Report) else None
    leader = ProcessExit(
        code=end.code, started_at=None, ended_at=None, stopped=end.was_stopped
    )
    return judge(observe_sandbox(RUN, code, leader))


Runtime = Callable[[End], StepResult]
EVERYWHERE: dict[str, Runtime] = {
    "a container": in_container,
    "a pod": in_cluster,
    "a sandbox": in_sandbox,
}
# Where there is an engine between us and the program: a sandbox has none, and
# neither limits memory nor lets the program reach what stands for a report.
ENGINES: dict[str, Runtime] = {
    name: EVERYWHERE[name] for name in ("a container", "a pod")
}
MEMORY = "executors[1]: ran out of memory: limit 64 MiB"
FULL = "executors[1]: no space was left for the task's files; ask for more disk_gb"

RESULTS: dict[str, tuple[dict[str, Runtime], End, int, str]] = {
    "success": (EVERYWHERE, End(code=0, report=make_report(0)), 0, ""),
    "a code of the program's own": (
        EVERYWHERE,
        End(code=3, report=make_report(3)),
        3,
        "",
    ),
    "the report's code, whatever the engine's": (
        EVERYWHERE,
        End(code=255, report=make_report(3)),
        3,
        "",
    ),
    "a complaint of the launcher": (
        ENGINES,
        End(code=127, report=make_report(127, error="x: not found")),
        127,
        "executors[1]: x: not found",
    ),
    "a disk that was full": (
        ENGINES,
        End(code=1, report=make_report(1, disk_full=True)),
        1,
        FULL,
    ),
    "a disk that was full, and an output that could not be collected": (
        ENGINES,
        End(code=1, report=make_report(1, disk_full=True, error="collect: /a: failed")),
        1,
        FULL.replace(": ", ": collect: /a: failed; "),
    ),
    "a program that killed itself": (
        EVERYWHERE,
        End(code=137, report=make_report(137)),
        137,
        "",
    ),
    "a kill near the limit of memory, though nobody says so": (
        ENGINES,
        End(code=137, report=make_report(137, max_rss_bytes=RAM)),
        137,
        MEMORY,
    ),
    "a lack of memory that the engine tells of": (
        ENGINES,
        End(code=1, report=make_report(1), is_out_of_memory=True),
        1,
        MEMORY,
    ),
    "a lack of memory that the program survived": (
        ENGINES,
        End(code=0, report=make_report(0), is_out_of_memory=True),
        0,
        "",
    ),
    "a lack of memory that took the launcher, too": (
        ENGINES,
        End(code=137, is_out_of_memory=True),
        137,
        MEMORY,
    ),
    "a launcher that could not report": (ENGINES, End(code=3), 3, ""),
    "a stop by TESK that was obeyed": (
        EVERYWHERE,
        End(code=143, report=make_report(143, terminated=True), was_stopped=True),
        143,
        "",
    ),
    "a stop by TESK that ended in a kill": (
        EVERYWHERE,
        End(code=137, was_stopped=True),
        137,
        "",
    ),
    "a stop by TESK of which no end was seen": (
        EVERYWHERE,
        End(code=None, was_stopped=True),
        137,
        "",
    ),
    "a report that the program overwrote": (
        ENGINES,
        End(code=3, report='{"exit_code": Infinity}'),
        3,
        f"executors[1]: {INVALID_REPORT}",
    ),
    "an overwritten report, and a code that engines make up": (
        ENGINES,
        End(code=137, report='{"exit_code": Infinity}'),
        137,
        f"executors[1]: {INVALID_REPORT}",
    ),
}


def through(
    cases: dict[str, Any],
) -> dict[str, tuple[Any, ...]]:
    return {
        f"{case} in {runtime}": (end_in, *rest)
        for case, (runtimes, *rest) in cases.items()
        for runtime, end_in in runtimes.items()
    }


@pytest.mark.parametrize(
    ("end_in", "end", "code", "notice"), through(RESULTS).values(), ids=through(RESULTS)
)
def test_a_result(end_in: Runtime, end: End, code: int, notice: str) -> None:
    result = end_in(end)

    assert (result.exit_code, result.notice) == (code, notice)
    assert (result.error, result.lost) == ("", False)
    assert (result.code is ReasonCode.OUT_OF_MEMORY) == ("out of memory" in notice)
    assert (result.code is ReasonCode.DISK_FULL) == ("no space" in notice)


UNSEEN = "its end was not observed"
LOSSES: dict[str, tuple[dict[str, Runtime], End, str]] = {
    "a SIGKILL that nobody reported": (
        EVERYWHERE,
        End(code=137),
        "it was killed from outside, or ran out of memory without a trace",
    ),
    "an end that nobody saw": (EVERYWHERE, End(code=None), ""),
    "an end that nobody saw, shown as success": (ENGINES, End(code=0), UNSEEN),
    "an end that nobody saw, shown as 255": (EVERYWHERE, End(code=255), UNSEEN),
    "an end that nobody saw, shown as -1": (ENGINES, End(code=-1), UNSEEN),
    "a SIGTERM from outside that ended well": (
        ENGINES,
        End(code=0, report=make_report(0, terminated=True)),
        "its container was stopped from outside",
    ),
}


@pytest.mark.parametrize(
    ("end_in", "end", "cause"), through(LOSSES).values(), ids=through(LOSSES)
)
def test_a_loss(end_in: Runtime, end: End, cause: str) -> None:
    result = end_in(end)

    assert result.lost
    assert result.error.startswith("executors[1] lost: ")
    assert result.code in (ReasonCode.STEP_VANISHED, ReasonCode.NODE_LOST)
    assert cause in result.error


@pytest.mark.parametrize("end_in", ENGINES.values(), ids=ENGINES)
def test_a_result_has_what_the_launcher_says_was_used(end_in: Runtime) -> None:
    told = end_in(End(code=3, report=make_report(3)))
    untold = end_in(End(code=3, report="what a program wrote there"))

    assert (told.cpu_seconds, told.max_memory_bytes) == (1.1, 5_242_880)
    assert (untold.exit_code, untold.cpu_seconds, untold.max_memory_bytes) == (
        *(3, None, None),
    )


def test_a_result_without_a_report_has_the_times_of_the_engine() -> None:
    result = in_container(End(code=137, was_stopped=True))

    assert result.started_at == datetime(2025, 1, 31, 12, 0, 0, 123456, tzinfo=UTC)
    assert result.ended_at == datetime(2025, 1, 31, 12, 0, 1, tzinfo=UTC)


@pytest.mark.parametrize("status", ["running", "paused", "stopping", "removing"])
def test_a_container_that_has_not_ended_is_not_judged(status: str) -> None:
    container = {"State": {"Status": status}}

    assert observe_container(RUN, container, None, was_stopped=False) is None


def test_a_container_that_never_started_is_lost() -> None:
    container = {"State": {"Status": "created"}}
    found = observe_container(RUN, container, None, was_stopped=False)

    assert found is not None
    assert judge(found).error.endswith("was created but never started")


EVICTED = Reason(ReasonCode.EVICTED, "its pod was evicted")
TERMINATIONS = st.builds(
    Termination,
    name=st.just("executors[0]"),
    ram=st.just(RAM),
    report=st.none(),
    exit_code=st.none() | st.integers(-300, 300),
    has_run=st.booleans(),
    was_stopped=st.booleans(),
    is_out_of_memory=st.booleans(),
    interruption=st.sampled_from((None, EVICTED)),
)


@given(TERMINATIONS)
def test_success_needs_a_report_or_an_order(found: Termination) -> None:
    result = judge(found)

    assert 0 <= result.exit_code <= 255
    if not (found.was_stopped or found.is_out_of_memory):
        assert result.lost or result.exit_code % 256 not in (0, 137, 255)


@pytest.mark.parametrize(
    ("code", "interruption", "want"),
    [
        (0, EVICTED, 0),
        (65, EVICTED, 65),
        (75, None, 75),
        (1, None, 1),
        (None, None, 255),
        (1, EVICTED, None),
        (None, EVICTED, None),
    ],
)
def test_a_filers_verdict_stands_whatever_came_after_it(
    code: int | None, interruption: Reason | None, want: int | None
) -> None:
    result = judge(
        Termination(
            name="the transfer of inputs",
            ram=None,
            exit_code=code,
            interruption=interruption,
        )
    )

    assert (None if result.lost else result.exit_code) == want
