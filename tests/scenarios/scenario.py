"""The type of a scenario, and its building blocks."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

Task = dict[str, Any]


class Storage(Protocol):
    """Where a scenario puts its inputs and finds its outputs."""

    def url(self, name: str) -> str:
        """Return the url of ``name`` (which may have ``/``)."""

    def put(self, name: str, data: bytes) -> str:
        """Store ``data`` as ``name`` and return its url."""

    def get(self, name: str) -> bytes | None:
        """Return what is stored as ``name``, or None."""

    def names(self) -> list[str]:
        """Return the names of all that is stored, sorted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A task and what must come of it.

    Attributes:
        body: Makes the task; may put inputs into the storage first.
        state: The final state.
        check: Looks at the finished task (FULL) and the storage.
        needs_images: Why a runtime without images cannot run it; "": it can.
    """

    body: Callable[[Storage], Task]
    state: str = "COMPLETE"
    check: Callable[[Task, Storage], None] = lambda _task, _storage: None
    needs_images: str = ""


def shell(script: str, *arguments: str, **fields: Any) -> Task:
    """Return an executor that runs a POSIX shell script."""
    return {
        "image": "busybox",
        "command": ["sh", "-c", script, "sh", *arguments],
        **fields,
    }


def logs(task: Task) -> list[Task]:
    """Return the executor logs of a task."""
    entries: list[Task] = task["logs"][0]["logs"]
    return entries


def codes(task: Task) -> list[int]:
    """Return the exit codes of a task's executors, in order."""
    return [entry["exit_code"] for entry in logs(task)]


def system_logs(task: Task) -> str:
    """Return the system logs of a task as one text."""
    return "\n".join(task["logs"][0].get("system_logs", ()))
