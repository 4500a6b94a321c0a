"""What is told of a task before it is created, put together."""

import pytest

from tesk_api.domain.task_checks import (
    MAX_FINDINGS,
    Outlook,
    Severity,
    StorageResult,
    TaskCheck,
    invalid_check,
    task_check,
)
from tesk_model.errors import (
    InvalidRequestError,
    ResourceExhaustedError,
    TeskError,
    Violation,
)
from tesk_model.task import Wait
from tesk_model.task_checks import LocationCheck, TaskForecast

FREE = Outlook(forecast=TaskForecast())


def look(field: str, verdict: str, message: str = "m") -> LocationCheck:
    return LocationCheck(
        field=field, path="/p", url="s3://b/k", verdict=verdict, message=message
    )


def told(check: TaskCheck) -> list[tuple[str, str, str]]:
    return [(each.severity, each.path, each.message) for each in check.findings]


def test_a_task_of_which_nothing_was_found_would_run() -> None:
    check = task_check((), FREE, StorageResult(checks=(look("inputs[0]", "ok"),)))

    assert (check.accepted, check.would_run, told(check)) == (True, True, [])


def test_a_document_that_is_no_task_is_not_looked_at_further() -> None:
    check = invalid_check([Violation("executors", "must not be empty")])

    assert not check.accepted
    assert not check.would_run
    assert told(check) == [("error", "executors", "must not be empty")]
    assert check.storage.problem


REFUSALS: dict[str, tuple[TeskError, str]] = {
    "for good": (
        InvalidRequestError([Violation("resources.cpu_cores", "m")]),
        "change",
    ),
    "for now": (ResourceExhaustedError("m"), "when some of these tasks have ended"),
}


@pytest.mark.parametrize(("refusal", "cure"), REFUSALS.values(), ids=REFUSALS)
def test_a_refusal_has_a_cure(refusal: TeskError, cure: str) -> None:
    check = task_check((), Outlook(refusal=refusal), StorageResult())

    assert not check.accepted
    assert not check.would_run
    [finding] = check.findings
    assert finding.message == "m"
    assert cure in finding.cure


def test_a_missing_input_stops_a_task_that_would_be_accepted() -> None:
    storage = StorageResult(checks=(look("inputs[1]", "failed", "does not exist"),))

    check = task_check((), FREE, storage)

    assert check.accepted
    assert not check.would_run
    assert told(check) == [("error", "inputs[1].url", "does not exist")]
    assert check.findings[0].cure


def test_what_nobody_looked_at_is_said_and_stops_nothing() -> None:
    check = task_check((), FREE, StorageResult(problem="nobody looks", cure="c"))

    assert check.would_run
    [finding] = check.findings
    assert finding.severity is Severity.NOTE
    assert "not looked at: nobody looks" in finding.message


def test_what_is_not_known_is_a_note() -> None:
    check = task_check((), FREE, StorageResult(checks=(look("outputs[0]", "unknown"),)))

    assert told(check) == [("note", "outputs[0].url", "m")]


@pytest.mark.parametrize(
    ("code", "severity"),
    [("QUOTA_FULL", "note"), ("NODES_TOO_SMALL", "warning"), ("HELD", "warning")],
)
def test_a_wait_that_passes_is_a_note_and_one_that_lasts_a_warning(
    code: str, severity: str
) -> None:
    forecast = TaskForecast(
        reason="r", reason_code=code, wait=Wait(remedy="starts when …")
    )

    check = task_check((), Outlook(forecast=forecast), StorageResult())

    assert check.would_run
    assert told(check) == [(severity, "", "it would wait: r")]
    assert check.findings[0].cure == "starts when …"


def test_errors_come_first_and_lines_of_the_log_are_warnings() -> None:
    outlook = Outlook(
        forecast=TaskForecast(
            reason="r", reason_code="QUOTA_FULL", warnings=("of the scheduler",)
        )
    )
    storage = StorageResult(checks=(look("inputs[0]", "failed"),))

    check = task_check(("of the api",), outlook, storage)

    assert [each.severity for each in check.findings] == [
        "error",
        "warning",
        "warning",
        "note",
    ]


def test_findings_are_bounded_and_errors_stay() -> None:
    checks = [look(f"inputs[{index}]", "unknown") for index in range(500)]
    storage = StorageResult(checks=(*checks, look("outputs[0]", "failed")), omitted=7)

    check = task_check((), FREE, storage)

    assert len(check.findings) == MAX_FINDINGS + 1
    assert check.findings[0].severity is Severity.ERROR
    assert check.findings[-1].message == "and more findings"
    assert not check.would_run


def test_what_was_too_much_to_look_at_is_counted() -> None:
    check = task_check((), FREE, StorageResult(omitted=1200))

    [finding] = check.findings
    assert finding.message.startswith("1,200 more inputs and outputs")
