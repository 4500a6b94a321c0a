"""Computes the pause before a failed call is tried again."""

from dataclasses import dataclass
from datetime import timedelta

# Keeps the power small; any maximum is reached before.
_MAX_DOUBLINGS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Exponential backoff: each pause is twice the one before.

    Attributes:
        first: Pause after the first failure.
        longest: Upper bound of every pause.
    """

    first: timedelta
    longest: timedelta

    def pause(self, failures: int) -> timedelta:
        """Return the pause after ``failures`` in a row; zero after none."""
        if failures <= 0:
            return timedelta()
        doublings = min(failures - 1, _MAX_DOUBLINGS)
        return timedelta(
            seconds=min(
                self.first.total_seconds() * 2**doublings,
                self.longest.total_seconds(),
            )
        )
