"""The steps of filers: their names, and when outputs are tried again.

Inputs that do not arrive cost nothing but time, so a new attempt may bring them.
Outputs stand at the end of a computation: they are tried again in the same
attempt, each try as a step of its own name, which a successor can count.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

BRING = "in"
TAKE = "out"

_DIRECTIONS = {BRING: "inputs", TAKE: "outputs"}
_AGAIN = re.compile(rf"{TAKE}-([1-9][0-9]*)")


def direction_of(step: str) -> str | None:
    """Return what the filer of a step moves; None if the step is no filer's."""
    return _DIRECTIONS.get(TAKE if _AGAIN.fullmatch(step) else step)


def take_name(tried: int) -> str:
    """Return the name of the step that takes outputs, after so many tries."""
    return f"{TAKE}-{tried}" if tried else TAKE


def last_take(steps: Iterable[str]) -> int:
    """Return how many tries went before the last that ``steps`` name."""
    found = (_AGAIN.fullmatch(step) for step in steps)
    return max((int(match[1]) for match in found if match), default=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadRetries:
    """How often and how long outputs are tried.

    Attributes:
        tries: At most so many.
        timeout: None begins later than this after the end of the first.
        backoff: Before the second; doubles with each,
        longest: up to this.
    """

    tries: int
    timeout: timedelta
    backoff: timedelta
    longest: timedelta

    def pause(self, tried: int, spent: timedelta) -> timedelta | None:
        """Return how long to wait before another try; None to give up.

        Args:
            tried: Tries that have failed.
            spent: Time since the first of them ended.
        """
        if tried >= self.tries:
            return None
        doublings = min(tried - 1, 30)  # beyond, any number is the longest
        pause = min(self.longest, self.backoff * 2**doublings)
        return pause if spent + pause <= self.timeout else None
