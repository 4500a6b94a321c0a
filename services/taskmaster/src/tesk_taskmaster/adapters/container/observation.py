"""Observes the end of a container, from engine and launcher."""

from collections.abc import Mapping
from typing import Any

from tesk_model.reasons import Reason, ReasonCode
from tesk_taskmaster.adapters.launcher_report import parse_time
from tesk_taskmaster.domain.executor_run import ExecutorRun
from tesk_taskmaster.domain.step_names import title_of
from tesk_taskmaster.domain.termination import InvalidReport, Report, Termination

ENDED = frozenset({"exited", "stopped", "dead"})
NEVER_STARTED = frozenset({"created", "configured", "initialized"})
VANISHED = Reason(ReasonCode.STEP_VANISHED, "its container vanished from the engine")
_NEVER_STARTED = Reason(
    ReasonCode.STEP_VANISHED, "its container was created but never started"
)


def observe(
    run: ExecutorRun,
    container: Mapping[str, Any] | None,
    report: Report | InvalidReport | None,
    *,
    was_stopped: bool,
) -> Termination | None:
    """Return what is observed of the end of a started container; None if it runs.

    Args:
        run: Whose container it is.
        container: As the engine describes it; None if it is gone.
        report: The launcher's, if there is one.
        was_stopped: TESK itself stopped it.
    """
    if container is None:
        return Termination(
            name=title_of(run.step.name),
            ram=run.ram,
            report=report,
            was_stopped=was_stopped,
            interruption=VANISHED,
        )
    state = container["State"]
    if state["Status"] in NEVER_STARTED:
        return Termination(
            name=title_of(run.step.name),
            ram=run.ram,
            was_stopped=was_stopped,
            has_run=False,
            interruption=_NEVER_STARTED,
        )
    if state["Status"] not in ENDED:
        return None
    return Termination(
        name=title_of(run.step.name),
        ram=run.ram,
        report=report,
        exit_code=int(state["ExitCode"]),
        started_at=parse_time(state["StartedAt"]),
        ended_at=parse_time(state["FinishedAt"]),
        was_stopped=was_stopped,
        is_out_of_memory=bool(state.get("OOMKilled")),
        image_digest=image_digest(container.get("Image", "")),
    )


def image_digest(found: str) -> str:
    """Return the digest of an image from its id, which some engines write without kind."""
    return found if ":" in found or not found else f"sha256:{found}"
