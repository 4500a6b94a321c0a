"""Decides whether what holds up a step has lasted too long.

A step is given up by what the cluster says of it then: what is known may be old, and the
step about to start. Nor is a failure there for as long as nothing else is told: of a
pod that fails for minutes, a cluster tells little more.
"""

from datetime import datetime

from tesk_kubernetes.settings import KubernetesSettings
from tesk_taskmaster.adapters.kubernetes.status.failure_table import judge_problem
from tesk_taskmaster.adapters.kubernetes.status.observations import (
    Ended,
    Problem,
    ProblemKind,
    Subject,
    Waiting,
)
from tesk_taskmaster.ports import Clock

# Most tries of the Job controller are an event of their own, and the first ones expire.
_OF_MANY_EVENTS = (ProblemKind.QUOTA, ProblemKind.REFUSED)


class HoldUp:
    """What holds up a step, as of the last look at it."""

    def __init__(
        self, subject: Subject, *, clock: Clock, settings: KubernetesSettings
    ) -> None:
        """Nothing does.

        Args:
            subject: The step.
            clock: For times.
            settings: With the limits.
        """
        self._subject = subject
        self._clock = clock
        self._settings = settings
        self._last: tuple[ProblemKind, datetime] | None = None  # and since when
        self._held: Waiting | None = None

    def judge(self, problem: Problem, *, was_queried: bool) -> Waiting | Ended | None:
        """Judge a problem; None: it has lasted too long, if it is still there.

        Args:
            problem: That is there.
            was_queried: The cluster has told of it just now.
        """
        now = self._clock.now()
        since = self._began(problem, now)
        judged = self._judge(problem, since, now)
        if not isinstance(judged, Ended):
            self._held = None
            return judged
        if not was_queried:
            return self._held
        judged = self._judge(problem, since, min(now, problem.told or now))
        return judged if isinstance(judged, Ended) else self.hold(judged)

    def hold(self, waiting: Waiting) -> Waiting:
        """Return why it is not given up yet; until the next regular query, too."""
        self._held = waiting
        return waiting

    def forget(self) -> None:
        """Nothing holds it up any more."""
        self._last = self._held = None

    def _judge(
        self, problem: Problem, since: datetime, now: datetime
    ) -> Waiting | Ended:
        return judge_problem(
            problem, self._subject, since=since, now=now, settings=self._settings
        )

    def _began(self, problem: Problem, now: datetime) -> datetime:
        """Return when it began."""
        told = problem.since or now
        if self._last is None or self._last[0] is not problem.kind:
            self._last = problem.kind, told
        seen = self._last[1]
        if problem.kind in _OF_MANY_EVENTS:
            return min(seen, told)
        return problem.since or seen
