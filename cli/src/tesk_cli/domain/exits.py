"""Defines the exit codes of the command."""

from enum import IntEnum

from tesk_cli.domain.snapshot import Snapshot
from tesk_model.errors import ErrorKind
from tesk_model.states import TaskState


class ExitCode(IntEnum):
    """The exit codes; ``--help`` and the README show this table."""

    SUCCESS = 0
    TASK_FAILED = 1
    INVALID = 2
    UNAVAILABLE = 3
    NOT_FOUND = 4
    DENIED = 5
    TIMED_OUT = 6
    INTERNAL = 70
    INTERRUPTED = 130


MEANINGS = {
    ExitCode.SUCCESS: "success; the task is COMPLETE",
    ExitCode.TASK_FAILED: "the task failed or was canceled "
    "(`tesk run`: the exit code of the failed executor instead), "
    "files could not be read or moved, or a task that was only checked would not run",
    ExitCode.INVALID: "wrong usage, or a task that is not valid",
    ExitCode.UNAVAILABLE: "the server cannot be reached, is not ready, or is full",
    ExitCode.NOT_FOUND: "no such task or file",
    ExitCode.DENIED: "credentials are missing, wrong or not sufficient",
    ExitCode.TIMED_OUT: "the time given by --timeout is over",
    ExitCode.INTERNAL: "a bug of TESK",
    ExitCode.INTERRUPTED: "interrupted by Ctrl-C",
}

EXIT_CODES: dict[ErrorKind, ExitCode] = {
    ErrorKind.INVALID_REQUEST: ExitCode.INVALID,
    ErrorKind.UNAUTHENTICATED: ExitCode.DENIED,
    ErrorKind.PERMISSION_DENIED: ExitCode.DENIED,
    ErrorKind.NOT_FOUND: ExitCode.NOT_FOUND,
    ErrorKind.CONFLICT: ExitCode.INVALID,
    ErrorKind.RESOURCE_EXHAUSTED: ExitCode.UNAVAILABLE,
    ErrorKind.UNAVAILABLE: ExitCode.UNAVAILABLE,
    ErrorKind.INTERNAL: ExitCode.INTERNAL,
}


def exit_code_of(task: Snapshot) -> int:
    """Return the exit code of ``tesk run`` for a task that has ended.

    The code of a failed executor is returned, so that a script sees what it
    would have seen without TESK.
    """
    if task.state is TaskState.COMPLETE:
        return ExitCode.SUCCESS
    if task.state is TaskState.EXECUTOR_ERROR and task.executors:
        return task.executors[-1].exit_code or ExitCode.TASK_FAILED
    return ExitCode.TASK_FAILED
