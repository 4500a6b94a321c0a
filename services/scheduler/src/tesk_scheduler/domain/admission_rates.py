"""Limits how fast tasks are admitted: token buckets, for all and for each owner.

A bucket holds up to ``burst`` tokens and gets ``per_second`` more; an admission
takes one of each. A library would bring a clock and a lock of its own; what a plan
needs is arithmetic on the time that it is given.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import inf

from tesk_model.quantities import format_number
from tesk_model.reasons import Reason, ReasonCode
from tesk_model.waits import WaitDetails, WaitScope
from tesk_scheduler.domain.dimensions import RUNNING
from tesk_scheduler.domain.quota import Rates

# Of a token: what is left of arithmetic with fractions.
_ALMOST = 1e-9
_LONGEST = 3600.0  # seconds; then it is computed anew


@dataclass(frozen=True, slots=True)
class TokenBucket:
    """``tokens`` that were there ``at`` a time."""

    tokens: float
    at: datetime

    def refilled(self, per_second: float, burst: int, now: datetime) -> "TokenBucket":
        """Return the bucket at ``now``; a clock that was set back adds nothing."""
        elapsed = max((now - self.at).total_seconds(), 0)
        return TokenBucket(min(burst, self.tokens + elapsed * per_second), now)


@dataclass(frozen=True, slots=True, kw_only=True)
class RateMemory:
    """The buckets that are not full; losing it permits one more burst.

    Attributes:
        everybody: That of all; None if it is full.
        owners: Those of owners.
    """

    everybody: TokenBucket | None = None
    owners: Mapping[str, TokenBucket] = field(default_factory=dict)


class AdmissionRates:
    """The rates while a plan is made."""

    def __init__(self, rates: Rates, memory: RateMemory, now: datetime) -> None:
        self._rates = rates
        self._now = now
        self._everybody = self._refilled(memory.everybody, rates.per_second)
        self._owners = {
            owner: self._refilled(bucket, rates.per_owner_per_second)
            for owner, bucket in memory.owners.items()
        }

    def delay(self, owner: str) -> timedelta | None:
        """Return after what time a task of ``owner`` may be admitted; None: now."""
        rates = self._rates
        seconds = max(
            _seconds_to_token(self._everybody, rates.per_second),
            _seconds_to_token(self._bucket(owner), rates.per_owner_per_second),
        )
        return timedelta(seconds=seconds) if seconds else None

    def take(self, owner: str) -> None:
        """Count an admission."""
        self._everybody -= self._rates.per_second < inf
        if self._rates.per_owner_per_second < inf:
            self._owners[owner] = self._bucket(owner) - 1

    def reason(self, owner: str) -> Reason:
        """Return the reason of a task that waits for a token."""
        everybody = _seconds_to_token(self._everybody, self._rates.per_second)
        rate = self._rates.per_owner_per_second
        whose = f" of {owner}" if owner else ""
        if everybody:
            rate, whose = self._rates.per_second, ""
        text = (
            f"waiting for admission: at most {format_number(rate)} tasks{whose} are"
            " admitted in a second"
        )
        details = WaitDetails(
            scope=WaitScope.RATE,
            subject="" if everybody else owner,
            dimension=RUNNING.setting,
            limit=rate,
            needed=1,
            remedy="starts in turn, as soon as the rate permits it",
        )
        return Reason(ReasonCode.ADMISSION_PENDING, text, details)

    def memory(self) -> RateMemory:
        """Return what the next plan needs."""
        burst = self._rates.burst
        limited = self._rates.per_second < inf and self._everybody < burst
        return RateMemory(
            everybody=TokenBucket(self._everybody, self._now) if limited else None,
            owners={
                owner: TokenBucket(tokens, self._now)
                for owner, tokens in self._owners.items()
                if self._rates.per_owner_per_second < inf and tokens < burst
            },
        )

    def _bucket(self, owner: str) -> float:
        return self._owners.get(owner, float(self._rates.burst))

    def _refilled(self, bucket: TokenBucket | None, per_second: float) -> float:
        burst = self._rates.burst
        if bucket is None or per_second == inf:
            return float(burst)
        return bucket.refilled(per_second, burst, self._now).tokens


def _seconds_to_token(tokens: float, per_second: float) -> float:
    """Return how long it takes until a token is there; 0 if one is."""
    if per_second == inf or tokens >= 1 - _ALMOST:
        return 0.0
    return min((1 - tokens) / per_second, _LONGEST) if per_second else _LONGEST
