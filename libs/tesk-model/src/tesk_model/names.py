"""Defines task ids and the names that are derived from them.

Guarantee: an object name is a DNS label (RFC 1123) of at most 57 characters,
so that Kubernetes can append its own suffix to a Job's pods.
"""

import re
from dataclasses import dataclass

from tesk_model.task import TaskId

# Legacy clients ask for /tasks/service-info, so no task may have that id.
RESERVED_IDS = frozenset({"service-info"})

_TASK_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")


def is_task_id(text: str) -> bool:
    """Tell whether ``text`` could be the id of a task."""
    return _TASK_ID.fullmatch(text) is not None and text not in RESERVED_IDS


@dataclass(frozen=True, slots=True, order=True)
class Attempt:
    """One try at running a task; ``number`` counts from 1."""

    task_id: TaskId
    number: int

    @property
    def name(self) -> str:
        """Name of the anchor of the attempt: ``tesk-<task id>-a<number>``."""
        return f"tesk-{self.task_id}-a{self.number}"

    @property
    def log_fields(self) -> dict[str, object]:
        """What names the attempt in a line of a log."""
        return {"task_id": self.task_id, "attempt": self.number}
