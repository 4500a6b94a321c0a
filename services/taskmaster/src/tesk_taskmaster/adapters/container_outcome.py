"""How a container ended, decided from what the engine and the launcher say.

The launcher's report counts, because engines invent exit codes: after a crash
of the machine one shows 0 and another 255 for a container whose end nobody saw.
Without a report, only what a killed launcher looks like is believed.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tesk_model.quantities import byte_words
from tesk_taskmaster.ports import StepResult

ENDED = frozenset({"exited", "stopped", "dead"})
NEVER_STARTED = frozenset({"created", "configured", "initialized"})

_SIGKILL = 128 + 9
_CRASHED = 255  # Docker's code for "the machine went down"
_NEAR_LIMIT = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What the launcher reports; see its README.

    Attributes:
        max_rss: Bytes of the largest process.
        terminated: Somebody outside the container asked for its end.
    """

    exit_code: int
    started_at: datetime | None
    ended_at: datetime | None
    max_rss: int
    terminated: bool
    error: str


def parse_report(text: bytes) -> Report | None:
    """Read a report; None if it is missing, partial or no report of ours.

    The user's program could write to the file too, so nothing is taken for
    granted; what it can forge is its own result.
    """
    try:
        fields = json.loads(text)
        return Report(
            exit_code=int(fields["exit_code"]) & 0xFF,
            started_at=parse_time(fields["started_at"]),
            ended_at=parse_time(fields["ended_at"]),
            max_rss=int(fields["max_rss_bytes"]),
            terminated=fields.get("terminated") is True,
            error=str(fields.get("error", "")),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def parse_time(text: str) -> datetime | None:
    """Read an engine's time; None for its zero, ``0001-01-01T00:00:00Z``."""
    time = datetime.fromisoformat(text)
    return time if time.year > 1 and time.tzinfo is not None else None


def outcome_of(
    container: Mapping[str, Any] | None,
    report: Report | None,
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
        return _lost("its container vanished from the engine")
    state = container["State"]
    if state["Status"] in NEVER_STARTED:
        return _lost("its container was created but never started")
    if state["Status"] not in ENDED:
        return None
    if report is None:
        return _unreported(state, ram=ram, was_stopped=was_stopped)
    if report.terminated and not was_stopped:
        # An engine that shuts down with its machine asks like this.
        return _lost("its container was stopped from outside")
    return StepResult(
        exit_code=report.exit_code,
        started_at=report.started_at,
        ended_at=report.ended_at,
        note=_memory_note(state, report, ram) or report.error,
    )


def _unreported(state: Mapping[str, Any], *, ram: int, was_stopped: bool) -> StepResult:
    """Judge a launcher that was killed before it could report."""
    exit_code = int(state["ExitCode"])
    out_of_memory = bool(state.get("OOMKilled"))
    if exit_code in {0, _CRASHED} or not 0 <= exit_code <= _CRASHED:
        return _lost("the container engine lost sight of its container")
    if exit_code == _SIGKILL and not (out_of_memory or was_stopped):
        # Nobody inside can kill the first process of a container.
        return _lost("its container was killed from outside")
    return StepResult(
        exit_code=exit_code,
        started_at=parse_time(state["StartedAt"]),
        ended_at=parse_time(state["FinishedAt"]),
        note=_memory_words(ram) if out_of_memory else "",
    )


def _memory_note(state: Mapping[str, Any], report: Report, ram: int) -> str:
    # The engine's flag may come late, so a kill near the limit counts as well.
    near_limit = report.exit_code == _SIGKILL and report.max_rss >= ram * _NEAR_LIMIT
    flagged = bool(state.get("OOMKilled")) and report.exit_code != 0
    return _memory_words(ram) if near_limit or flagged else ""


def _memory_words(ram: int) -> str:
    return f"ran out of memory: limit {byte_words(ram)}"


def _lost(what: str) -> StepResult:
    return StepResult(exit_code=_CRASHED, error=f"executor lost: {what}", lost=True)
