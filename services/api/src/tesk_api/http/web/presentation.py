"""Says in words and numbers what the page shows of a task; pure.

The page shows what REST shows, by the same documents.
"""

from datetime import datetime, timedelta
from urllib.parse import urlsplit

from tesk_model.progress import format_progress, format_seconds
from tesk_model.quantities import format_bytes, format_number
from tesk_model.states import TaskState
from tesk_model.task import ExecutorLog, Task, TransferStatus
from tesk_model.task_checks import LocationCheck
from tesk_model.wait_sentences import place_sentence, wait_sentences

STATE_SIGNS = {
    TaskState.UNKNOWN: "?",
    TaskState.QUEUED: "…",
    TaskState.INITIALIZING: "↓",
    TaskState.RUNNING: "▶",
    TaskState.PAUSED: "‖",
    TaskState.COMPLETE: "✓",
    TaskState.EXECUTOR_ERROR: "✗",
    TaskState.SYSTEM_ERROR: "!",
    TaskState.CANCELED: "∅",
    TaskState.PREEMPTED: "↶",
    TaskState.CANCELING: "⊘",
}
"""Signs by which the states are told apart without colours."""

_AGES = ((86400, "day"), (3600, "hour"), (60, "minute"))


def format_age(moment: datetime | None, now: datetime) -> str:
    """Say how long ago a time was: ``3 hours ago``; "" if there is none."""
    if moment is None:
        return ""
    seconds = (now - moment).total_seconds()
    for size, noun in _AGES:
        if seconds >= size:
            number = int(seconds // size)
            return f"{number} {noun}{'' if number == 1 else 's'} ago"
    return "just now" if seconds < 10 else f"{int(seconds)} seconds ago"  # noqa: PLR2004 - a breath


def format_moment(moment: datetime | None) -> str:
    """Format a time for people, in UTC."""
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment else ""


def format_found(check: LocationCheck) -> str:
    """Say what is at a url: the size of a file, else what it is; "" if unknown."""
    if check.size_bytes is not None:
        return format_bytes(check.size_bytes)
    return (check.type or "").lower()


def format_moved(transfer: TransferStatus) -> str:
    """Say how far a transfer is."""
    return format_progress(transfer)


def format_size(count: int) -> str:
    """Format a number of bytes."""
    return format_bytes(count)


def format_amount(number: float | None) -> str:
    """Format an amount of the quota; "" if there is none."""
    return "" if number is None else format_number(number)


def isolate(text: str) -> str:
    """Keep the direction of a text from what follows it, where no element can."""
    return f"\u2068{text}\u2069"  # "Unicode Bidirectional Algorithm": FSI and PDI


def sentence(message: str) -> str:
    """Make a sentence of a message of an error, which begins in lower case."""
    first = message.partition(" ")[0]
    begun = message[:1].upper() + message[1:] if first.isalpha() else message
    return begun if begun.endswith((".", "!", "?")) else f"{begun}."


def is_over(task: Task) -> bool:
    """Tell whether the task has ended."""
    return task.state is not None and task.state.is_final


def waits(task: Task) -> list[str]:
    """Return what is said of what a task waits for, beside its reason."""
    if task.wait is None or is_over(task):
        return []
    return list(wait_sentences(task.wait))


def place(task: Task) -> str:
    """Return where a task stands in the queue; "" if it is not known."""
    return place_sentence(task.wait) if task.wait and not is_over(task) else ""


def executor_time(log: ExecutorLog, now: datetime) -> str:
    """Return how long an executor ran, or has run."""
    if log.start_time is None:
        return ""
    stop = log.end_time or now
    return format_seconds(max(stop - log.start_time, timedelta()).total_seconds())


def link_of(url: str | None) -> str:
    """Return a url that a browser can open, without credentials; "" for others."""
    try:
        parts = urlsplit(url or "")
        has_user = "@" in parts.netloc
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not parts.hostname or has_user:
        return ""
    return url or ""
