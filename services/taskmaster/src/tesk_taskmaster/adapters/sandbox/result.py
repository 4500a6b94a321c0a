"""Observes the end of a sandbox, and returns the result of its step."""

import signal
from dataclasses import replace

from tesk_taskmaster.adapters.detached_process import ProcessExit
from tesk_taskmaster.adapters.sandbox.bubblewrap import (
    StartFailure,
    parse_start_failure,
)
from tesk_taskmaster.adapters.sandbox.init import SandboxInit
from tesk_taskmaster.adapters.sandbox.layout import collect
from tesk_taskmaster.adapters.sandbox.start_failure import (
    NOT_STARTED,
    write_start_failure,
)
from tesk_taskmaster.adapters.sandbox.streams import empty, tail
from tesk_taskmaster.adapters.sandbox.usage import read_usage
from tesk_taskmaster.domain.executor_run import ExecutorRun
from tesk_taskmaster.domain.step_names import title_of
from tesk_taskmaster.domain.termination import Report, StepResult, Termination, judge

_KILLED = 128 + signal.SIGKILL


def sandbox_result(run: ExecutorRun, end: ProcessExit) -> StepResult:
    """Return how a run ended; collect its outputs if its command has run.

    Args:
        run: An ended one.
        end: Of its leader.
    """
    code = SandboxInit(run.folder).status().exit_code
    if code is None and not end.stopped and end.code is not None and end.code < _KILLED:
        return _not_started(run, end)
    if code is not None:
        try:
            collect(run)
        except OSError as error:
            reason = f"the outputs of the command cannot be collected: {error.strerror}"
            return StepResult(exit_code=code, error=reason)
    result = judge(observe(run, code, end))
    used = read_usage(run.folder)
    if code is None or used is None:
        return result
    # Not judged: no limit of memory is enforced here, so that none was exceeded.
    return replace(
        result, cpu_seconds=used.cpu_seconds, max_memory_bytes=used.max_memory_bytes
    )


def observe(run: ExecutorRun, code: int | None, end: ProcessExit) -> Termination:
    """Return what is observed of the end of a sandbox.

    Bubblewrap's status is the equivalent of a launcher's report.

    Args:
        run: Of the command.
        code: Of the command, as bubblewrap recorded it; None if it did not.
        end: Of its leader.
    """
    report = None
    if code is not None:
        executor = run.step.executor
        incomplete = [
            (executor.stdout, executor.stderr)[number] for number in end.failed_copies
        ]
        names = " and ".join(path or "what it printed" for path in incomplete)
        report = Report(
            # As the launcher does: the failure of the command comes first.
            exit_code=code or (NOT_STARTED if incomplete else 0),
            started_at=end.started_at,
            ended_at=end.ended_at,
            error=f"{names} could not be written to its end: is the disk full?"
            if incomplete
            else "",
        )
    return Termination(
        name=title_of(run.step.name),
        ram=run.ram,
        report=report,
        exit_code=end.code,
        was_stopped=end.stopped,
    )


def _not_started(run: ExecutorRun, end: ProcessExit) -> StepResult:
    executor = run.step.executor
    stderr = tail(run, executor.stderr, "stderr")
    if end.code == 126:  # noqa: PLR2004 - the shell could not run bubblewrap
        name = executor.command[0]
        failure: StartFailure | None = StartFailure(
            126, f"{name}: not executable: Argument list too long"
        )
    else:
        failure = parse_start_failure(stderr, executor.command[0])
    if failure is None:
        message = stderr.decode(errors="replace").strip()
        return StepResult(
            exit_code=NOT_STARTED, error=f"the sandbox cannot be set up: {message}"
        )
    empty(run, executor.stderr, "stderr")
    write_start_failure(run, failure)
    return StepResult(
        exit_code=failure.exit_code,
        started_at=end.started_at,
        ended_at=end.ended_at,
    )
