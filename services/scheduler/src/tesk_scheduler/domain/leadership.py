"""Who leads: the one scheduler of several that admits and keeps taskmasters."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Leadership:
    """What the store knows of the lead.

    Attributes:
        holder: Who has or had it last: host and name of a process.
        epoch: Counts the leaders; writes of earlier ones are refused.
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
