"""When a service that runs, but does not answer, is taken for lost."""

from dataclasses import dataclass, replace
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthPolicy:
    """Many failures in a row, over a long time: machines sleep and are busy.

    Attributes:
        interval: Between two checks.
        timeout: How long the answer to one may take.
        failures: So many in a row, and the service is lost.
        gap: After a longer time without a check it was us who did not run,
            and what was counted before says nothing.
    """

    interval: timedelta = timedelta(seconds=10)
    timeout: timedelta = timedelta(seconds=10)
    failures: int = 6
    gap: timedelta = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What the checks of one process have found.

    Attributes:
        answered: It has answered once; before, it is starting, and may take
            its time (a migration of the database).
        failures: Without an answer since then, in a row.
        checked: When it was last checked, monotonic.
    """

    answered: bool = False
    failures: int = 0
    checked: timedelta | None = None

    def after(self, policy: HealthPolicy, *, answer: bool, now: timedelta) -> "Health":
        """Return what is known after one more check."""
        if answer:
            return Health(answered=True, checked=now)
        slept = self.checked is not None and now - self.checked > policy.gap
        before = 0 if slept or not self.answered else self.failures
        return replace(self, failures=before + 1, checked=now)

    def is_lost(self, policy: HealthPolicy) -> bool:
        """Tell whether it is time to start the service again."""
        return self.answered and self.failures >= policy.failures
