"""Defines the lead: one of several schedulers admits tasks and keeps taskmasters."""

from dataclasses import dataclass
from datetime import datetime, timedelta

TERM = timedelta(seconds=6)
"""How long the lead lasts unless it is renewed."""

RENEWED_AFTER = TERM / 3
"""After which part of its term a leader renews it."""

STALL_TIMEOUT = TERM / 2
"""How long the database keeps the locks of a scheduler that does not go on.

Leaders wait for them when they renew: ``RENEWED_AFTER`` and this are less than ``TERM``.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leadership:
    """The lead as stored.

    Attributes:
        holder: Host and name of the process that has or last had it.
        epoch: Number of the leader; writes of earlier ones are refused.
        since: When ``holder`` got it.
        until: When it ends, unless it is renewed.
    """

    holder: str
    epoch: int
    since: datetime | None
    until: datetime

    def is_free(self, now: datetime) -> bool:
        """Tell whether another may take it."""
        return self.until <= now
