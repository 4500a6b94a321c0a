"""Judges how a step ended, by the same rules for every runtime.

A runtime only observes. What it observed of a step that no longer runs is a
``Termination``; ``judge`` makes its result of it (ADR 11, ADR 42):

- The launcher's report is the result, unless it says that the step was
  stopped from outside and that was not TESK.
- Without a report, the exit codes 0, 255 and that of SIGKILL are not believed: a
  launcher leaves a report with them, while engines and operators cause them too.
- Running out of memory is the user's failure, never a reason to run again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from tesk_model.quantities import format_bytes
from tesk_model.reasons import Reason, ReasonCode
from tesk_taskmaster.domain.transfer_result import TransferResult, transfer_result

INVALID_REPORT: Final = (
    "the launcher's report was overwritten, so that its exit code alone is known"
)

_DISK_FULL = "no space was left for the task's files; ask for more disk_gb"

_UNSEEN = Reason(
    ReasonCode.NODE_LOST, "its end was not observed, as when its machine or node fails"
)
_KILLED_OUTSIDE = Reason(
    ReasonCode.STEP_VANISHED,
    "it was killed from outside, or ran out of memory without a trace",
)
_STOPPED_OUTSIDE = Reason(
    ReasonCode.STEP_VANISHED, "its container was stopped from outside"
)

_SIGKILL = 128 + 9
_SIGTERM = 128 + 15
_UNKNOWN = 255  # of a container whose end its engine did not see
_NEAR_LIMIT = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """How one step ended.

    Attributes:
        exit_code: 0..255; 126 not executable, 127 not found, 128+n killed by
            signal n.
        notice: A line for ``system_logs``, e.g. that memory ran out; or "".
        error: Set if the step failed through no fault of the user's command
            (image not found, mount failed): what happened.
        lost: With ``error``: a new attempt may succeed.
        code: Of the error; or of a command's failure, where more is known than
            its exit code.
        metadata: Where it ran (``node``, …), for the user.
        cpu_seconds: Of the command; None if it is not known.
        max_memory_bytes: Of its largest process; None if it is not known.
        image_digest: Of the image that it ran, as the runtime says: the same text if and
            only if it is the same image; "" if it does not say.
    """

    exit_code: int
    started_at: datetime | None = None
    ended_at: datetime | None = None
    cpu_seconds: float | None = None
    max_memory_bytes: int | None = None
    notice: str = ""
    error: str = ""
    lost: bool = False
    code: ReasonCode = ReasonCode.NONE
    metadata: Mapping[str, str] = field(default_factory=dict)
    image_digest: str = ""


@dataclass(frozen=True, slots=True)
class LoggedBytes:
    """How many bytes of each stream are in a container's log, or should be."""

    stdout: int
    stderr: int

    @property
    def total(self) -> int:
        """Return the bytes of both."""
        return self.stdout + self.stderr


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What the launcher reports; see its README.

    Attributes:
        max_rss: Bytes of the largest process; None if they are not known.
        cpu_seconds: Of the command and what it waited for; None if not known.
        terminated: A SIGTERM came from outside the container.
        skipped: Its command did not run, as a step before it has failed.
        disk_full: It failed, and no space was left for the task's files.
        turn: The step that ended, where its container has two; else "".
        logged: What it gave to the container's log; None if it does not know, or
            is of a release that did not tell.
    """

    exit_code: int
    started_at: datetime | None = None
    ended_at: datetime | None = None
    max_rss: int | None = None
    cpu_seconds: float | None = None
    terminated: bool = False
    skipped: bool = False
    disk_full: bool = False
    turn: str = ""
    error: str = ""
    logged: LoggedBytes | None = None


class InvalidReport:
    """A report that the launcher did not write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Termination:
    """What was observed of a step that no longer runs.

    Attributes:
        name: Of the step, for messages: ``executors[1]``.
        ram: The memory limit in bytes; None for a filer.
        report: The launcher's; None if there is none.
        exit_code: As the runtime reports it; None if unknown.
        started_at: Likewise.
        ended_at: Likewise.
        has_run: It was started.
        was_stopped: TESK itself stopped it.
        is_out_of_memory: The runtime reports that the kernel killed it for lack
            of memory. It may report that too late, or never.
        interruption: What ended it from outside, if the runtime knows.
        metadata: See ``StepResult``.
        image_digest: Likewise.
    """

    name: str
    ram: int | None
    report: Report | InvalidReport | None = None
    exit_code: int | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    has_run: bool = True
    was_stopped: bool = False
    is_out_of_memory: bool = False
    interruption: Reason | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    image_digest: str = ""


def judge(observed: Termination) -> StepResult:
    """Decide how a step ended."""
    if observed.ram is None:
        return _judge_filer(observed)
    if isinstance(observed.report, Report):
        return _judge_report(observed, observed.report, observed.ram)
    if observed.was_stopped:
        return _ended(observed)
    if observed.is_out_of_memory:
        notice = format_memory_limit(observed.ram)
        return _ended(observed, notice, code=ReasonCode.OUT_OF_MEMORY)
    if cause := observed.interruption or _find_doubt(observed):
        return _lost(observed, cause)
    return _ended(observed, "" if observed.report is None else INVALID_REPORT)


def format_memory_limit(ram: int) -> str:
    """Return the message of a step that ran out of memory."""
    return f"ran out of memory: limit {format_bytes(ram)}"


def format_loss(name: str, cause: str) -> str:
    """Return the message of a lost step."""
    return f"{name} lost: {cause}"


def _find_doubt(observed: Termination) -> Reason | None:
    """Return why an exit code without a report is not believed; None if it is."""
    if observed.exit_code is None:
        return _UNSEEN
    if observed.report is not None:
        return None  # a program that overwrote it ran to the end
    if not 0 < observed.exit_code < _UNKNOWN:
        return _UNSEEN
    # No process inside can kill the first process of a container.
    return _KILLED_OUTSIDE if observed.exit_code == _SIGKILL else None


def _judge_report(observed: Termination, report: Report, ram: int) -> StepResult:
    if report.skipped:
        return _skipped(observed)
    if report.terminated and not observed.was_stopped:
        # As a machine does that shuts down; a program of the user cannot.
        return _lost(observed, observed.interruption or _STOPPED_OUTSIDE)
    near_limit = (
        report.exit_code == _SIGKILL and (report.max_rss or 0) >= ram * _NEAR_LIMIT
    )
    was_short = near_limit or bool(observed.is_out_of_memory and report.exit_code)
    return StepResult(
        exit_code=report.exit_code,
        started_at=report.started_at,
        ended_at=report.ended_at,
        cpu_seconds=report.cpu_seconds,
        max_memory_bytes=report.max_rss,
        notice=_notice(
            observed,
            format_memory_limit(ram) if was_short else _describe_failure(report),
        ),
        code=_code_of(report, was_short=was_short),
        metadata=observed.metadata,
        image_digest=observed.image_digest,
    )


def _describe_failure(report: Report) -> str:
    """Return what is known of a failure beside the exit code; "" if nothing is."""
    full = _DISK_FULL if report.disk_full else ""
    return "; ".join(text for text in (report.error, full) if text)


def _code_of(report: Report, *, was_short: bool) -> ReasonCode:
    if was_short:
        return ReasonCode.OUT_OF_MEMORY
    return ReasonCode.DISK_FULL if report.disk_full else ReasonCode.NONE


def _judge_filer(observed: Termination) -> StepResult:
    """Judge a filer by its exit code, whatever came after it.

    Among other steps of a pod it has a launcher, whose container may end with 0
    whatever the filer ended with.
    """
    if isinstance(observed.report, Report):
        if observed.report.skipped:
            return _skipped(observed)
        observed = replace(observed, exit_code=observed.report.exit_code)
    code = _UNKNOWN if observed.exit_code is None else observed.exit_code
    has_crashed = transfer_result(code) is TransferResult.CRASHED
    if observed.interruption and has_crashed and not observed.was_stopped:
        return _lost(observed, observed.interruption)
    return _ended(observed)


def _skipped(observed: Termination) -> StepResult:
    """Judge a step whose turn never came, though those before it had succeeded.

    Only a command can cause that: it removed what its launcher left for others.
    """
    return StepResult(
        exit_code=_UNKNOWN,
        error=f"{observed.name} did not run: a step before it left no sign of success",
        code=ReasonCode.STEP_VANISHED,
        metadata=observed.metadata,
    )


def _ended(
    observed: Termination, notice: str = "", *, code: ReasonCode = ReasonCode.NONE
) -> StepResult:
    """Return the result of an end that only the runtime reports."""
    exit_code = observed.exit_code
    if exit_code is None:
        killed = _SIGKILL if observed.has_run else _SIGTERM
        exit_code = killed if observed.was_stopped else _UNKNOWN
    return StepResult(
        exit_code=exit_code & 0xFF,
        code=code,
        started_at=observed.started_at,
        ended_at=observed.ended_at,
        notice=_notice(observed, notice),
        metadata=observed.metadata,
        image_digest=observed.image_digest,
    )


def _notice(observed: Termination, text: str) -> str:
    return f"{observed.name}: {text}" if text else ""


def _lost(observed: Termination, cause: Reason) -> StepResult:
    return StepResult(
        exit_code=_UNKNOWN,
        error=format_loss(observed.name, cause.text),
        code=cause.code,
        lost=True,
        metadata=observed.metadata,
    )
