"""Holds the conditions of this process, for metrics."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(slots=True)
class Status:
    """Conditions of one process; each is set by one thread.

    Attributes:
        is_leader: This process leads.
        is_ready: The store could be written when it was last checked.
        round_at: When this process, as the leader, last looked at waiting tasks.
    """

    is_leader: bool = False
    is_ready: bool = True
    round_at: datetime | None = None
