"""What the end of a sandbox means for its step."""

import signal

from tesk_taskmaster.adapters.detached import Exit
from tesk_taskmaster.adapters.sandbox.bubblewrap import ExecFailure, exec_failure
from tesk_taskmaster.adapters.sandbox.init import SandboxInit
from tesk_taskmaster.adapters.sandbox.layout import collect
from tesk_taskmaster.adapters.sandbox.streams import empty, tail
from tesk_taskmaster.adapters.sandbox.verdict import NOT_STARTED, write_verdict
from tesk_taskmaster.domain.step_names import title_of
from tesk_taskmaster.domain.termination import Report, StepResult, Termination, judge
from tesk_taskmaster.ports import ExecutorRun

_KILLED = 128 + signal.SIGKILL


def sandbox_result(run: ExecutorRun, end: Exit) -> StepResult:
    """Return how a run ended, and keep what it left if its command has run.

    Args:
        run: Nothing of it runs any more.
        end: Of its leader.
    """
    code = SandboxInit(run.folder).status().exit_code
    if code is None and not end.stopped and end.code is not None and end.code < _KILLED:
        return _not_started(run, end)
    if code is not None:
        try:
            collect(run)
        except OSError as error:
            reason = f"what the command wrote cannot be kept: {error.strerror}"
            return StepResult(exit_code=code, error=reason)
    return judge(observe(run, code, end))


def observe(run: ExecutorRun, code: int | None, end: Exit) -> Termination:
    """Return what is known of the end of a sandbox.

    Bubblewrap's status is what a launcher's report is elsewhere.

    Args:
        run: Of the command.
        code: Of the command, as bubblewrap wrote it down; None if it did not.
        end: Of its leader.
    """
    report = None
    if code is not None:
        executor = run.step.executor
        cut = [(executor.stdout, executor.stderr)[number] for number in end.uncopied]
        names = " and ".join(path or "what it printed" for path in cut)
        report = Report(
            # As the launcher does: the user's own failure is the better news.
            exit_code=code or (NOT_STARTED if cut else 0),
            started_at=end.started_at,
            ended_at=end.ended_at,
            error=f"{names} could not be written to its end: is the disk full?"
            if cut
            else "",
        )
    return Termination(
        name=title_of(run.step.name),
        ram=run.ram,
        report=report,
        exit_code=end.code,
        was_stopped=end.stopped,
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
