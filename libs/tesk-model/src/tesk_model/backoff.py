"""How long to wait before something that failed is tried again."""

from dataclasses import dataclass
from datetime import timedelta

# So that no number gets too large; longer than any wait at all.
_MOST_DOUBLINGS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Exponential: each pause is twice the one before.

    Attributes:
        first: After the first failure.
        longest: No pause is longer.
    """

    first: timedelta
    longest: timedelta

    def pause(self, failures: int) -> timedelta:
        """Return the pause after so many failures in a row; none after none."""
        if failures <= 0:
            return timedelta()
        doublings = min(failures - 1, _MOST_DOUBLINGS)
        return timedelta(
            seconds=min(
                self.first.total_seconds() * 2**doublings,
                self.longest.total_seconds(),
            )
        )
