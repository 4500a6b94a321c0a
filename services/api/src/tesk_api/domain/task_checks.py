"""Puts together what is told of a task before it is created.

From what three sides say: the document by itself, the scheduler, and storages. Each
finding names the field and, where the sentence does not, what would help.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from tesk_model.errors import InvalidRequestError, TeskError, Violation
from tesk_model.reasons import ReasonCode
from tesk_model.task_checks import LocationCheck, TaskForecast

MAX_FINDINGS = 100
"""That are told of one task."""

_LIMIT_CURE = "change the task, or ask an administrator to change that limit"
_QUEUE_CURE = "create it when some of these tasks have ended"
_CURES = {
    "inputs": "correct the url, or ask an administrator to let the server read it",
    "outputs": "correct the url, or ask an administrator to let the server write there",
}
# What does not pass when tasks end.
_LASTING = frozenset(
    {
        ReasonCode.HELD.value,
        ReasonCode.NODES_NOT_READY.value,
        ReasonCode.NODES_TOO_SMALL.value,
        ReasonCode.TASKMASTER_REFUSED.value,
    }
)
_FAILED, _UNKNOWN = "failed", "unknown"


class Severity(StrEnum):
    """How much a finding matters."""

    ERROR = "error"
    """The task would not be created, or would fail."""

    WARNING = "warning"
    """It would not do all that it says, or would wait until somebody acts."""

    NOTE = "note"
    """It would wait for a while, or something is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was found.

    Attributes:
        path: Of the field; "" for the task as a whole.
        cure: What would help; "" if the message says so.
    """

    path: str
    severity: Severity
    message: str
    cure: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What the scheduler says.

    Attributes:
        refusal: How it would refuse the task; None if it would not.
        forecast: None if the refusal is about the task itself.
    """

    refusal: TeskError | None = None
    forecast: TaskForecast | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageResult:
    """What storages say.

    Attributes:
        checks: One for each input, then one for each output.
        omitted: Number of those that were left out, because they were too many.
        problem: Why nothing was looked at; "" if it was.
        cure: What would help.
    """

    checks: tuple[LocationCheck, ...] = ()
    omitted: int = 0
    problem: str = ""
    cure: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCheck:
    """What is told of a task.

    Attributes:
        accepted: It would be created now.
        findings: Errors first, then warnings, then notes.
    """

    accepted: bool
    findings: tuple[Finding, ...]
    storage: StorageResult
    forecast: TaskForecast | None = None

    @property
    def would_run(self) -> bool:
        """Whether nothing was found by which the task would not run."""
        return all(each.severity is not Severity.ERROR for each in self.findings)


def invalid_check(violations: Sequence[Violation]) -> TaskCheck:
    """Return what is told of a document that is no valid task."""
    problem = "the task is not valid"
    cure = "correct the errors, and check it again"
    return TaskCheck(
        accepted=False,
        findings=tuple(
            Finding(path=each.path, severity=Severity.ERROR, message=each.message)
            for each in violations
        ),
        storage=StorageResult(problem=problem, cure=cure),
    )


def task_check(
    warnings: Sequence[str], outlook: Outlook, storage: StorageResult
) -> TaskCheck:
    """Return what is told of a valid task.

    Args:
        warnings: Lines about what of the document is ignored.
        outlook: What the scheduler says.
        storage: What storages say.
    """
    lines = outlook.forecast.warnings if outlook.forecast else ()
    findings = [
        *_refusals(outlook.refusal),
        *_waits(outlook.forecast),
        *_locations(storage),
        *(
            Finding(path="", severity=Severity.WARNING, message=line)
            for line in (*warnings, *lines)
        ),
    ]
    order = list(Severity)
    findings.sort(key=lambda each: order.index(each.severity))
    if len(findings) > MAX_FINDINGS:
        more = Finding(path="", severity=Severity.NOTE, message="and more findings")
        findings[MAX_FINDINGS:] = [more]
    return TaskCheck(
        accepted=outlook.refusal is None,
        findings=tuple(findings),
        storage=storage,
        forecast=outlook.forecast,
    )


def _refusals(refusal: TeskError | None) -> Iterator[Finding]:
    if isinstance(refusal, InvalidRequestError):
        for each in refusal.violations:
            yield Finding(
                path=each.path,
                severity=Severity.ERROR,
                message=each.message,
                cure=_LIMIT_CURE,
            )
    elif refusal is not None:
        yield Finding(
            path="",
            severity=Severity.ERROR,
            message=refusal.message,
            cure=_QUEUE_CURE,
        )


def _waits(forecast: TaskForecast | None) -> Iterator[Finding]:
    if forecast is None or not forecast.reason:
        return
    lasts = forecast.reason_code in _LASTING
    yield Finding(
        path="",
        severity=Severity.WARNING if lasts else Severity.NOTE,
        message=f"it would wait: {forecast.reason}",
        cure=(forecast.wait and forecast.wait.remedy) or "",
    )


def _locations(storage: StorageResult) -> Iterator[Finding]:
    if storage.problem:
        yield Finding(
            path="",
            severity=Severity.NOTE,
            message=f"inputs and outputs were not looked at: {storage.problem}",
            cure=storage.cure,
        )
    if storage.omitted:
        yield Finding(
            path="",
            severity=Severity.NOTE,
            message=f"{storage.omitted:,} more inputs and outputs were not looked at:"
            " they are too many for one check",
        )
    for each in storage.checks:
        path = f"{each.field}.url" if each.url else each.field
        cure = _CURES.get(each.field.partition("[")[0], "")
        if each.verdict == _FAILED:
            yield Finding(
                path=path, severity=Severity.ERROR, message=each.message, cure=cure
            )
        elif each.verdict == _UNKNOWN:
            yield Finding(path=path, severity=Severity.NOTE, message=each.message)
