"""Holds the conditions of this process, for metrics."""

from dataclasses import dataclass


@dataclass(slots=True)
class Status:
    """Conditions of one process; each is set by one thread.

    Attributes:
        is_leader: This process leads.
        is_ready: The store could be written when it was last checked.
    """

    is_leader: bool = False
    is_ready: bool = True
