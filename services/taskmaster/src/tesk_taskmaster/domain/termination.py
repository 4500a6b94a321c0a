"""How a step ended: one rule, whatever runs it.

A runtime only observes. What it saw of a step that no longer runs is a
``Termination``; ``judge`` decides what that means for the step (ADR 11, ADR 42):

- The launcher's report is the result, unless it says that somebody outside
  asked for the end and that was not TESK.
- Without a report, an exit code is believed only as far as a launcher can leave
  one: 0, 255 and SIGKILL are what engines and outsiders make up.
- A lack of memory is the user's result, never a reason to run again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from tesk_model.quantities import format_bytes
from tesk_model.reasons import Reason, ReasonCode
from tesk_taskmaster.domain.verdicts import TransferVerdict, transfer_verdict

INVALID_REPORT: Final = (
    "the launcher's report was overwritten, so that its exit code alone is known"
)

_UNSEEN = Reason(
    ReasonCode.NODE_LOST, "nobody saw its end, as when its machine or node fails"
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
        note: A line for ``system_logs``, e.g. that memory ran out; or "".
        error: Set if the step failed through no fault of the user's command
            (image not found, mount failed): what happened.
        lost: With ``error``: a new attempt may succeed.
        code: Of the error; or of a command's failure, where more is known than
            its exit code tells.
        metadata: What a user may want to know of where it ran (``node``, …).
    """

    exit_code: int
    started_at: datetime | None = None
    ended_at: datetime | None = None
    note: str = ""
    error: str = ""
    lost: bool = False
    code: ReasonCode = ReasonCode.NONE
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What the launcher reports; see its README.

    Attributes:
        max_rss: Bytes of the largest process.
        terminated: Somebody outside the container asked for its end.
    """

    exit_code: int
    started_at: datetime | None = None
    ended_at: datetime | None = None
    max_rss: int = 0
    terminated: bool = False
    error: str = ""


class InvalidReport:
    """Something is there, and it is not what the launcher writes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Termination:
    """What was observed of a step that no longer runs.

    Attributes:
        name: Of the step, for messages: ``executors[1]``.
        ram: The memory limit in bytes; None for a filer, which has no launcher.
        report: The launcher's; None if there is none.
        exit_code: As the runtime tells it; None if it knows none.
        started_at: Likewise.
        ended_at: Likewise.
        has_run: It was started.
        was_stopped: TESK itself asked for the end.
        is_out_of_memory: The runtime says that the kernel killed for want of
            memory. It may say so too late, or never.
        interruption: Who or what ended it from outside, if the runtime knows.
        metadata: See ``StepResult``.
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


def judge(seen: Termination) -> StepResult:
    """Decide how a step ended."""
    if seen.ram is None:
        return _judge_filer(seen)
    if isinstance(seen.report, Report):
        return _judge_report(seen, seen.report, seen.ram)
    if seen.was_stopped:
        return _ended(seen)
    if seen.is_out_of_memory:
        note = format_memory_limit(seen.ram)
        return _ended(seen, note, code=ReasonCode.OUT_OF_MEMORY)
    if cause := seen.interruption or _doubt(seen):
        return _lost(seen, cause)
    return _ended(seen, "" if seen.report is None else INVALID_REPORT)


def format_memory_limit(ram: int) -> str:
    """Say that memory ran out."""
    return f"ran out of memory: limit {format_bytes(ram)}"


def format_loss(name: str, cause: str) -> str:
    """Say that a step is lost, and why."""
    return f"{name} lost: {cause}"


def _doubt(seen: Termination) -> Reason | None:
    """Return why an exit code without a report is not believed, if it is not."""
    if seen.exit_code is None:
        return _UNSEEN
    if seen.report is not None:
        return None  # whoever overwrote it was there at the end
    if not 0 < seen.exit_code < _UNKNOWN:
        return _UNSEEN
    # Nobody inside can kill the first process of a container.
    return _KILLED_OUTSIDE if seen.exit_code == _SIGKILL else None


def _judge_report(seen: Termination, report: Report, ram: int) -> StepResult:
    if report.terminated and not seen.was_stopped:
        # A machine that shuts down asks like this: no program of the user's.
        return _lost(seen, seen.interruption or _STOPPED_OUTSIDE)
    near_limit = report.exit_code == _SIGKILL and report.max_rss >= ram * _NEAR_LIMIT
    was_short = near_limit or bool(seen.is_out_of_memory and report.exit_code)
    return StepResult(
        exit_code=report.exit_code,
        started_at=report.started_at,
        ended_at=report.ended_at,
        note=_note(seen, format_memory_limit(ram) if was_short else report.error),
        code=ReasonCode.OUT_OF_MEMORY if was_short else ReasonCode.NONE,
        metadata=seen.metadata,
    )


def _judge_filer(seen: Termination) -> StepResult:
    """Judge a filer: its exit code is its verdict, whatever came after it."""
    code = _UNKNOWN if seen.exit_code is None else seen.exit_code
    has_verdict = transfer_verdict(code) is not TransferVerdict.CRASHED
    if seen.interruption and not (has_verdict or seen.was_stopped):
        return _lost(seen, seen.interruption)
    return _ended(seen)


def _ended(
    seen: Termination, note: str = "", *, code: ReasonCode = ReasonCode.NONE
) -> StepResult:
    """Return an end of which the runtime alone tells."""
    exit_code = seen.exit_code
    if exit_code is None:
        killed = _SIGKILL if seen.has_run else _SIGTERM
        exit_code = killed if seen.was_stopped else _UNKNOWN
    return StepResult(
        exit_code=exit_code & 0xFF,
        code=code,
        started_at=seen.started_at,
        ended_at=seen.ended_at,
        note=_note(seen, note),
        metadata=seen.metadata,
    )


def _note(seen: Termination, text: str) -> str:
    return f"{seen.name}: {text}" if text else ""


def _lost(seen: Termination, cause: Reason) -> StepResult:
    return StepResult(
        exit_code=_UNKNOWN,
        error=format_loss(seen.name, cause.text),
        code=cause.code,
        lost=True,
        metadata=seen.metadata,
    )
