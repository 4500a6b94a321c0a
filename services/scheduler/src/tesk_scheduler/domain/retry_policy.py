"""Decides whether another attempt follows one that was lost or failed, and when.

A table says for each cause whether the loss counts against the attempts of the task,
how many losses of the kind there may be, and whether the next attempt follows at once.
What does not count (a spot node that was taken away, a queue that takes back what it
lent) has a generous bound of its own, so that every task comes to an end.

Attempts that the cluster ended elsewhere follow at once the first time: another node
will hardly do the same. What the next attempt would meet again (an image, a storage)
waits. Pauses double with each loss of the kind; their jitter follows from the task and
its attempt, so that tasks that were lost together do not come back together, and a test
can name the time.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from tesk_model.attempt_parameters import AttemptParameters
from tesk_model.backoff import Backoff
from tesk_model.reasons import Reason, ReasonCode
from tesk_scheduler.domain.records import TaskRecord

# Of a pause, added to it; below 1, so that a later pause is never shorter.
_JITTER = 0.5
_BACKOFF = Backoff(first=timedelta(seconds=10), longest=timedelta(minutes=10))


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryRule:
    """What follows the losses of one kind.

    Attributes:
        counts: Against the attempts of the task.
        most: How many losses of the kind another attempt follows; None: only the
            attempts of the task bound that.
        at_once: Another attempt follows without a pause after the first of them.
    """

    counts: bool = True
    most: int | None = None
    at_once: bool = False


_UNKNOWN = ReasonCode.NONE
_WAITS = RetryRule()
_ELSEWHERE = RetryRule(at_once=True)
_NOT_COUNTED = RetryRule(counts=False, at_once=True)

DEFAULT_RULES: Mapping[ReasonCode, RetryRule] = {
    ReasonCode.NODE_LOST: _NOT_COUNTED,
    ReasonCode.EVICTED: _NOT_COUNTED,
    ReasonCode.PREEMPTED: _NOT_COUNTED,
    ReasonCode.REQUEUED: _NOT_COUNTED,
    ReasonCode.CANDIDATE_GONE: _NOT_COUNTED,
    ReasonCode.STEP_VANISHED: _ELSEWHERE,
    ReasonCode.TASKMASTER_LOST: _ELSEWHERE,
    ReasonCode.TASKMASTER_FAILED: _ELSEWHERE,
    ReasonCode.NODE_UNRESPONSIVE: _ELSEWHERE,
    # A failure that the task itself wants to be repeated.
    ReasonCode.EXECUTOR_FAILED: _ELSEWHERE,
    ReasonCode.OUT_OF_MEMORY: _ELSEWHERE,
    ReasonCode.NONE: _ELSEWHERE,
}
"""Rules of the causes for which ``RetryRule()`` does not hold."""

LASTING = frozenset(
    {
        ReasonCode.TASK_INVALID,
        ReasonCode.IMAGE_INVALID,
        ReasonCode.LIMIT_EXCEEDED,
        ReasonCode.QUEUE_TIME_EXCEEDED,
        ReasonCode.RUN_TIME_EXCEEDED,
    }
)
"""Causes that another attempt would meet again for certain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Another attempt follows.

    Attributes:
        after: Pause before it can be admitted.
        counts: The loss counts against the attempts of the task.
        losses: Of the task, this one included.
    """

    after: timedelta
    counts: bool
    losses: Mapping[ReasonCode, int]


@dataclass(frozen=True, slots=True)
class GiveUp:
    """No attempt follows; ``text`` says why, for people."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """The rules of an installation.

    Attributes:
        max_attempts: Of a task that does not say how many, losses that do not count
            left out.
        most_attempts: That a task can ask for; None: any.
        max_uncounted: How many losses that do not count another attempt follows.
        backoff: Of the pauses before attempts.
        rules: By cause, in place of ``DEFAULT_RULES``.
    """

    max_attempts: int = 3
    most_attempts: int | None = None
    max_uncounted: int = 20
    backoff: Backoff = _BACKOFF
    rules: Mapping[ReasonCode, RetryRule] = field(default_factory=dict)

    def rule(self, code: ReasonCode) -> RetryRule:
        """Return the rule for a cause."""
        return self.rules.get(code) or DEFAULT_RULES.get(code, _WAITS)

    def attempts_of(self, record: TaskRecord) -> int:
        """Return how many attempts that count a task has."""
        asked = record.parameters.max_attempts
        if asked is None:
            return self.max_attempts
        return asked if self.most_attempts is None else min(asked, self.most_attempts)

    def warnings(self, asked: AttemptParameters) -> tuple[str, ...]:
        """Return the lines of ``system_logs`` of a task that asks for too much."""
        wanted, most = asked.max_attempts, self.most_attempts
        if wanted is None or most is None or wanted <= most:
            return ()
        return (f"max_attempts: {most}, which one task may have, not {wanted}",)

    def decide(self, record: TaskRecord, reason: Reason) -> Retry | GiveUp:
        """Decide what follows the end of the present attempt for ``reason``."""
        # An operator alone requeues tasks, without a bound.
        code = reason.code if reason.code is not ReasonCode.REQUEUED else _UNKNOWN
        rule = self.rule(code)
        losses = _with_loss(record, code)
        if code in LASTING:
            return GiveUp("another attempt would meet the same")
        if rule.most is not None and losses[code] > rule.most:
            return GiveUp(f"gave up after {losses[code]} losses of the kind {code}")
        taken = self._uncounted(losses) - losses.get(ReasonCode.REQUEUED, 0)
        if not rule.counts and taken > self.max_uncounted:
            return GiveUp(
                f"gave up after {record.attempt} attempts: {taken}"
                " were lost for causes that do not count"
            )
        if rule.counts and self._counted(record, losses) >= self.attempts_of(record):
            return GiveUp(f"gave up after {record.attempt} attempts")
        failures = losses[code] - 1 if rule.at_once else losses[code]
        pause = self.backoff.pause(failures) * (1 + _JITTER * _fraction(record))
        return Retry(
            after=min(pause, self.backoff.longest), counts=rule.counts, losses=losses
        )

    def requeued(self, record: TaskRecord) -> Retry:
        """Return what follows when an operator ends an attempt: another, at once."""
        losses = _with_loss(record, ReasonCode.REQUEUED)
        return Retry(after=timedelta(), counts=False, losses=losses)

    def _uncounted(self, losses: Mapping[ReasonCode, int]) -> int:
        return sum(
            count for code, count in losses.items() if not self.rule(code).counts
        )

    def _counted(self, record: TaskRecord, losses: Mapping[ReasonCode, int]) -> int:
        """Count the attempts that count; an earlier release kept no causes."""
        return record.attempt - self._uncounted(losses)


def with_most_attempts(policy: RetryPolicy, most: int | None) -> RetryPolicy:
    """Return the policy under a quota that lets one task have ``most`` attempts."""
    if most is None:
        return policy
    return replace(
        policy, max_attempts=min(policy.max_attempts, most), most_attempts=most
    )


def _with_loss(record: TaskRecord, code: ReasonCode) -> Mapping[ReasonCode, int]:
    return {**record.losses, code: record.losses.get(code, 0) + 1}


def _fraction(record: TaskRecord) -> float:
    """Return a number from 0 to 1 that follows from the attempt."""
    name = f"{record.id}/{record.attempt}".encode()
    return int.from_bytes(hashlib.sha256(name).digest()[:4]) / 2**32
