"""Remembers since when a step is held up by the same problem."""

from datetime import datetime

from tesk_taskmaster.adapters.kubernetes.status.observations import (
    Problem,
    ProblemKind,
)

# Each try of the Job controller is an event of its own, and the first ones expire.
_OF_MANY_EVENTS = (ProblemKind.QUOTA, ProblemKind.REFUSED)


class LastProblem:
    """What holds up a step, as of the last look at it."""

    def __init__(self) -> None:
        """Nothing does."""
        self._last: tuple[ProblemKind, datetime] | None = None

    def began(self, problem: Problem, now: datetime) -> datetime:
        """Return when a problem that is there now began."""
        told = problem.since or now
        if self._last is None or self._last[0] is not problem.kind:
            self._last = problem.kind, told
        seen = self._last[1]
        if problem.kind in _OF_MANY_EVENTS:
            return min(seen, told)
        return problem.since or seen

    def forget(self) -> None:
        """Nothing holds it up any more."""
        self._last = None
