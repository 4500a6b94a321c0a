"""Formats the changes of a task, one line each."""

from tesk_cli.domain.snapshot import ExecutorSnapshot, Snapshot
from tesk_cli.domain.transfer_lines import transfer_lines
from tesk_model.states import TaskState
from tesk_model.task import TransferStatus

_EXPLANATIONS = {
    TaskState.QUEUED: "waiting",
    TaskState.INITIALIZING: "preparing",
    TaskState.RUNNING: "running",
    TaskState.CANCELING: "stopping",
    TaskState.COMPLETE: "all commands succeeded, all outputs are written",
    TaskState.EXECUTOR_ERROR: "a command of the task failed",
    TaskState.SYSTEM_ERROR: "something outside the task's commands failed",
    TaskState.CANCELED: "canceled, nothing is left running",
}


def format_state(task: Snapshot) -> str:
    """Return the state of the task and its reason, in one line."""
    reason = task.reason or _EXPLANATIONS.get(task.state, "")
    return f"{task.state.value}: {reason}" if reason else task.state.value


def format_reason(task: Snapshot) -> str:
    """Return why the task waits or ended, with the code; "" if unknown."""
    code = task.reason_code
    return f"{task.reason} ({code})" if task.reason and code else task.reason or code


def format_changes(
    previous: Snapshot | None, current: Snapshot, *, transfers: bool = True
) -> list[str]:
    """Return a line for each difference between two snapshots of a task.

    Args:
        previous: None if there is none.
        current: The later one.
        transfers: Whether progress of transfers has lines, now and then.
    """
    lines: list[str] = []
    if previous is None or format_state(previous) != format_state(current):
        lines.append(format_state(current))
    before = dict(previous.metadata) if previous else {}
    told = _transfers_told_of(current)
    lines += [
        f"{key}: {value}"
        for key, value in current.metadata.items()
        if before.get(key) != value and key not in told
    ]
    if transfers:
        moving = _by_direction(previous) if previous else {}
        lines += transfer_lines(moving, _by_direction(current))
    known = {item.index: item for item in previous.executors} if previous else {}
    for executor in current.executors:
        lines += _executor_lines(known.get(executor.index), executor)
    shown = len(previous.system_logs) if previous else 0
    lines += [f"note: {line}" for line in current.system_logs[shown:]]
    return lines


def _by_direction(task: Snapshot) -> dict[str, TransferStatus]:
    return {status.direction: status for status in task.transfers}


def _transfers_told_of(task: Snapshot) -> set[str]:
    """Return the transfers that are shown in a better way than by metadata."""
    return {
        *_by_direction(task),
        *(line.partition(": ")[0] for line in task.system_logs if ": " in line),
    }


def _executor_lines(
    previous: ExecutorSnapshot | None, current: ExecutorSnapshot
) -> list[str]:
    lines = []
    if previous is None:
        lines.append(f"executor {current.index}: started")
    ended = previous is not None and previous.exit_code is not None
    if current.exit_code is not None and not ended:
        lines.append(f"executor {current.index}: exit code {current.exit_code}")
    return lines


def last_lines(task: Snapshot, count: int) -> list[str]:
    """Return the last ``count`` lines that the newest executor printed."""
    if not task.executors:
        return []
    newest = task.executors[-1]
    lines = newest.stdout.splitlines() + newest.stderr.splitlines()
    return lines[-count:]
