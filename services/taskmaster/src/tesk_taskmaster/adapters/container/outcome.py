"""How a container ended, decided from what the engine and the launcher say.

The launcher's report counts, because engines invent exit codes: after a crash
of the machine one shows 0 and another 255 for a container whose end nobody saw.
Without a report, only what a killed launcher looks like is believed; with a wrong
one, which the user's program must have written, the engine's exit code.
"""

from collections.abc import Mapping
from typing import Any

from tesk_taskmaster.adapters.launcher_report import (
    WRONG_REPORT,
    Report,
    WrongReport,
    memory_note,
    memory_words,
    parse_time,
)
from tesk_taskmaster.ports import StepResult

ENDED = frozenset({"exited", "stopped", "dead"})
NEVER_STARTED = frozenset({"created", "configured", "initialized"})
VANISHED = "its container vanished from the engine"

_SIGKILL = 128 + 9
_CRASHED = 255  # Docker's code for "the machine went down"


def outcome_of(
    container: Mapping[str, Any] | None,
    report: Report | WrongReport | None,
    *,
    ram: int,
    was_stopped: bool,
) -> StepResult | None:
    """Decide how a started container ended; None if it has not yet.

    Args:
        container: As the engine describes it; None if it is gone.
        report: The launcher's, if there is one.
        ram: The memory limit in bytes.
        was_stopped: TESK itself asked for the end.
    """
    if container is None:
        return _lost(VANISHED)
    state = container["State"]
    if state["Status"] in NEVER_STARTED:
        return _lost("its container was created but never started")
    if state["Status"] not in ENDED:
        return None
    if not isinstance(report, Report):
        is_wrong = report is not None
        return _unreported(state, ram=ram, was_stopped=was_stopped, is_wrong=is_wrong)
    if report.terminated and not was_stopped:
        # An engine that shuts down with its machine asks like this.
        return _lost("its container was stopped from outside")
    return StepResult(
        exit_code=report.exit_code,
        started_at=report.started_at,
        ended_at=report.ended_at,
        note=memory_note(report, ram, flagged=_ran_out(state)) or report.error,
    )


def lost_words(what: str) -> str:
    """Say that an executor is lost, and why."""
    return f"executor lost: {what}"


def _unreported(
    state: Mapping[str, Any], *, ram: int, was_stopped: bool, is_wrong: bool
) -> StepResult:
    """Judge a launcher that was killed before it could report, or overwritten."""
    exit_code = int(state["ExitCode"])
    out_of_memory = _ran_out(state)
    if is_wrong and not out_of_memory:
        return _ended(state, note=WRONG_REPORT)
    if exit_code in {0, _CRASHED} or not 0 <= exit_code <= _CRASHED:
        return _lost("the container engine lost sight of its container")
    if exit_code == _SIGKILL and not (out_of_memory or was_stopped):
        # Nobody inside can kill the first process of a container.
        return _lost("its container was killed from outside")
    return _ended(state, note=memory_words(ram) if out_of_memory else "")


def _ran_out(state: Mapping[str, Any]) -> bool:
    return bool(state.get("OOMKilled"))


def _ended(state: Mapping[str, Any], *, note: str) -> StepResult:
    """Return an end of which the engine alone tells."""
    return StepResult(
        exit_code=int(state["ExitCode"]) & 0xFF,
        started_at=parse_time(state["StartedAt"]),
        ended_at=parse_time(state["FinishedAt"]),
        note=note,
    )


def _lost(what: str) -> StepResult:
    return StepResult(exit_code=_CRASHED, error=lost_words(what), lost=True)
