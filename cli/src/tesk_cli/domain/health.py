"""Decides when a service that runs, but does not answer, is unresponsive."""

from dataclasses import dataclass, replace
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthPolicy:
    """When a service is unresponsive: after many failures over a long time.

    Machines sleep and are busy, so a few failures mean nothing.

    Attributes:
        interval: Between two checks.
        timeout: How long the answer to one may take.
        failures: Number of failures in a row that make a service unresponsive.
        gap: After a longer time without a check, this machine was asleep, and
            the failures before do not count.
    """

    interval: timedelta = timedelta(seconds=10)
    timeout: timedelta = timedelta(seconds=10)
    failures: int = 6
    gap: timedelta = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """The results of the checks of one process.

    Attributes:
        answered: It has answered once; before, it is starting, which may take
            long (a migration of the database).
        failures: Failures in a row since its last answer.
        checked: When it was last checked, monotonic.
    """

    answered: bool = False
    failures: int = 0
    checked: timedelta | None = None

    def after(self, policy: HealthPolicy, *, answer: bool, now: timedelta) -> "Health":
        """Return the health after one more check."""
        if answer:
            return Health(answered=True, checked=now)
        slept = self.checked is not None and now - self.checked > policy.gap
        before = 0 if slept or not self.answered else self.failures
        return replace(self, failures=before + 1, checked=now)

    def is_unresponsive(self, policy: HealthPolicy) -> bool:
        """Tell whether the service must be started again."""
        return self.answered and self.failures >= policy.failures
