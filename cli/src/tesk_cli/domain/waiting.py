"""Formats why a task waits, for people."""

from collections.abc import Mapping
from typing import Any

from tesk_cli.domain.snapshot import Snapshot
from tesk_model.states import TaskState
from tesk_model.wait_sentences import wait_sentences

_WAITING = frozenset(
    {TaskState.QUEUED, TaskState.INITIALIZING, TaskState.RUNNING, TaskState.CANCELING}
)


def format_wait(task: Snapshot) -> list[str]:
    """Return a paragraph about what a task waits for; empty if it does not."""
    wait = task.wait
    if wait is None or task.state not in _WAITING:
        return []
    return list(wait_sentences(wait))


def is_waiting(task: Mapping[str, Any]) -> bool:
    """Tell whether a tesTask may wait for something."""
    return task.get("state") in _WAITING
