"""What the end of a sandbox means for its step."""

import signal

from tesk_taskmaster.adapters.detached import Exit
from tesk_taskmaster.adapters.sandbox.bubblewrap import ExecFailure, exec_failure
from tesk_taskmaster.adapters.sandbox.init import SandboxInit
from tesk_taskmaster.adapters.sandbox.layout import collect
from tesk_taskmaster.adapters.sandbox.streams import empty, tail
from tesk_taskmaster.adapters.sandbox.verdict import NOT_STARTED, write_verdict
from tesk_taskmaster.ports import ExecutorRun, StepResult

_KILLED = 128 + signal.SIGKILL


def sandbox_result(run: ExecutorRun, end: Exit) -> StepResult:
    """Return how a run ended, and keep what it left if its command has run.

    Args:
        run: Nothing of it runs any more.
        end: Of its leader.
    """
    code = SandboxInit(run.folder).status().exit_code
    if code is None and end.stopped:
        code = _KILLED
    if code is None and end.code is not None and end.code < _KILLED:
        return _not_started(run, end)
    if code is None:
        return StepResult(
            exit_code=_KILLED,
            error="the sandbox has vanished: this machine was restarted, or "
            "somebody killed it",
            lost=True,
        )
    try:
        collect(run)
    except OSError as error:
        reason = f"what the command wrote cannot be kept: {error.strerror}"
        return StepResult(exit_code=code, error=reason)
    executor = run.step.executor
    cut = [(executor.stdout, executor.stderr)[number] for number in end.uncopied]
    names = " and ".join(path or "what it printed" for path in cut)
    return StepResult(
        # As the launcher does: the user's own failure is the better news.
        exit_code=code or (NOT_STARTED if cut else 0),
        started_at=end.started_at,
        ended_at=end.ended_at,
        note=f"{names} could not be written to its end: is the disk full?"
        if cut
        else "",
    )


def _not_started(run: ExecutorRun, end: Exit) -> StepResult:
    executor = run.step.executor
    said = tail(run, executor.stderr, "stderr")
    if end.code == 126:  # noqa: PLR2004 - the shell could not run bubblewrap
        name = executor.command[0]
        failure: ExecFailure | None = ExecFailure(
            126, f"{name}: not executable: Argument list too long"
        )
    else:
        failure = exec_failure(said, executor.command[0])
    if failure is None:
        words = said.decode(errors="replace").strip()
        return StepResult(
            exit_code=NOT_STARTED, error=f"the sandbox cannot be set up: {words}"
        )
    empty(run, executor.stderr, "stderr")
    write_verdict(run, failure)
    return StepResult(
        exit_code=failure.exit_code,
        started_at=end.started_at,
        ended_at=end.ended_at,
    )
