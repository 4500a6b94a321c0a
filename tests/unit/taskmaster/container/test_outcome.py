"""How a container ended, by what the engine and the launcher say."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tesk_taskmaster.adapters.container.outcome import outcome_of
from tesk_taskmaster.adapters.launcher_report import (
    WRONG_REPORT,
    Report,
    WrongReport,
)
from tesk_taskmaster.ports import StepResult

RAM = 100_000_000


def make_container(**overrides: Any) -> dict[str, Any]:
    state: dict[str, Any] = {
        "Status": "exited",
        "ExitCode": 0,
        "OOMKilled": False,
        "StartedAt": "2025-01-31T12:00:00.123456789Z",
        "FinishedAt": "2025-01-31T13:00:01+01:00",
    }
    return {"State": state | overrides}


def make_report(**overrides: Any) -> Report:
    fields: dict[str, Any] = {
        "exit_code": 0,
        "started_at": None,
        "ended_at": None,
        "max_rss": 1000,
        "terminated": False,
        "error": "",
    }
    return Report(**(fields | overrides))


def decide(
    container: dict[str, Any] | None,
    report: Report | WrongReport | None,
    *,
    was_stopped: bool,
) -> StepResult | None:
    return outcome_of(container, report, ram=RAM, was_stopped=was_stopped)


ENDS = {
    "the launcher's exit code counts": (
        make_container(ExitCode=255),
        make_report(exit_code=3),
        (3, ""),
    ),
    "a launcher's error is a note": (
        make_container(ExitCode=127),
        make_report(exit_code=127, error="x: not found"),
        (127, "x: not found"),
    ),
    "a kill near the limit is for memory, also without the engine's flag": (
        make_container(ExitCode=137),
        make_report(exit_code=137, max_rss=95_000_000),
        (137, "ran out of memory: limit 95.4 MiB"),
    ),
    "a kill far from the limit is not": (
        make_container(ExitCode=137),
        make_report(exit_code=137),
        (137, ""),
    ),
    "the engine's flag is believed": (
        make_container(ExitCode=1, OOMKilled=True),
        make_report(exit_code=1),
        (1, "ran out of memory: limit 95.4 MiB"),
    ),
    "a program that survived the loss of a child did not run out of memory": (
        make_container(OOMKilled=True),
        make_report(),
        (0, ""),
    ),
    "a launcher that was itself killed for memory": (
        make_container(ExitCode=137, OOMKilled=True),
        None,
        (137, "ran out of memory: limit 95.4 MiB"),
    ),
}


@pytest.mark.parametrize(("container", "report", "want"), ENDS.values(), ids=ENDS)
def test_an_end(
    container: dict[str, Any], report: Report | None, want: tuple[int, str]
) -> None:
    result = decide(container, report, was_stopped=False)

    assert result is not None
    assert (result.exit_code, result.note) == want
    assert (result.error, result.lost) == ("", False)


LOSSES = {
    "the container is gone": (None, None),
    "it was never started": (make_container(Status="created"), None),
    "an end that nobody saw, shown as success": (make_container(), None),
    "an end that nobody saw, shown as 255": (make_container(ExitCode=255), None),
    "an end that nobody saw, shown as -1": (make_container(ExitCode=-1), None),
    "killed, and not by us": (make_container(ExitCode=137), None),
    "asked to end, and not by us": (make_container(), make_report(terminated=True)),
}


@pytest.mark.parametrize(("container", "report"), LOSSES.values(), ids=LOSSES)
def test_a_loss(container: dict[str, Any] | None, report: Report | None) -> None:
    result = decide(container, report, was_stopped=False)

    assert result is not None
    assert result.lost
    assert result.error.startswith("executor lost: ")


def test_an_end_that_we_asked_for_is_no_loss() -> None:
    killed = decide(make_container(ExitCode=137), None, was_stopped=True)
    asked = make_report(exit_code=143, terminated=True)
    ended = decide(make_container(ExitCode=143), asked, was_stopped=True)

    assert killed == StepResult(
        exit_code=137,
        started_at=datetime(2025, 1, 31, 12, 0, 0, 123456, tzinfo=UTC),
        ended_at=datetime(2025, 1, 31, 12, 0, 1, tzinfo=UTC),
    )
    assert ended == StepResult(exit_code=143)


@pytest.mark.parametrize("status", ["running", "paused", "stopping", "removing"])
def test_what_has_not_ended_has_no_result(status: str) -> None:
    assert decide(make_container(Status=status), None, was_stopped=False) is None


@pytest.mark.parametrize("code", [0, 3, 137, 255])
def test_a_wrong_report_is_an_outcome_with_a_sentence(code: int) -> None:
    result = decide(make_container(ExitCode=code), WrongReport(), was_stopped=False)

    assert result is not None
    assert (result.exit_code, result.note) == (code, WRONG_REPORT)
    assert not result.error
