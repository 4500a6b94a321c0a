"""Defines where the quota in force comes from."""

from dataclasses import dataclass
from typing import Protocol

from tesk_scheduler.domain.quota import Quota


class QuotaSource(Protocol):
    """Has the quota in force, which may change between two calls; thread-safe."""

    def current(self) -> Quota:
        """Return it; whoever decides on it asks once for each decision."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaComparison:
    """How a quota that was proposed differs from the one in force.

    Attributes:
        problems: Why it would be refused; then there is nothing else.
        changes: Settings that differ: path, value in force, proposed value.
        warnings: What is allowed and hardly meant.
    """

    problems: tuple[str, ...] = ()
    changes: tuple[tuple[str, str, str], ...] = ()
    warnings: tuple[str, ...] = ()


class QuotaCheck(Protocol):
    """Compares the text of a quota with what is in force; changes nothing."""

    def __call__(self, text: str) -> QuotaComparison:
        """Read it as a file of the quota is read."""


@dataclass(frozen=True, slots=True)
class FixedQuota:
    """A quota that never changes."""

    quota: Quota

    def current(self) -> Quota:
        """See ``QuotaSource``."""
        return self.quota
