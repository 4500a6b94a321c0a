"""Looks at the places of tasks that do not exist yet, within bounds.

The number of urls, the time, how many calls run at once and how often an owner may ask
are all limited: whoever may check tasks must neither occupy the service nor make a
scanner of it.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import islice

from tesk_filer.domain.checks import Check, LocationsToCheck, unknown_check
from tesk_filer.domain.url_rates import UrlRates
from tesk_filer.ports import MonotonicClock
from tesk_filer.ports.checks import LocationChecker
from tesk_model.errors import ResourceExhaustedError

CALL_COST = 10
"""Urls that a call counts for, besides its own: it takes a process."""

_SLOT_TIMEOUT = 2.0  # seconds
_RETRY_AFTER = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckLimits:
    """Bounds of checks.

    Attributes:
        timeout: Of one call.
        at_once: Calls that run at once.
        urls_per_minute: Of one owner; also the most of one call.
    """

    timeout: timedelta
    at_once: int
    urls_per_minute: int


@dataclass(slots=True, kw_only=True)
class LocationChecks:
    """Checks locations; thread-safe."""

    checker: LocationChecker
    clock: MonotonicClock
    limits: CheckLimits
    _rates: UrlRates = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _slots: threading.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        """Begin with nothing counted."""
        self._rates = UrlRates(self.limits.urls_per_minute)
        self._slots = threading.Semaphore(self.limits.at_once)

    def check(self, wanted: LocationsToCheck) -> Sequence[Check]:
        """Return what is known of each input, then of each output, in their order.

        Of no more than an owner may have in a minute: the others are left out.

        Raises:
            ResourceExhaustedError: Its owner asked for too many urls of late, or too
                many calls run.
        """
        most = self.limits.urls_per_minute - CALL_COST
        entries = list(islice(wanted.entries(), most))
        self._count(wanted.owner.name, len(entries) + CALL_COST)
        if not self._slots.acquire(timeout=_SLOT_TIMEOUT):
            raise ResourceExhaustedError(
                "too many storage checks run; check the task again later", _RETRY_AFTER
            )
        try:
            looked = replace(
                wanted,
                inputs=wanted.inputs[:most],
                outputs=wanted.outputs[: max(0, most - len(wanted.inputs))],
            )
            found = self.checker.check(looked, self.limits.timeout)
        finally:
            self._slots.release()
        late = f"no answer within {self.limits.timeout.total_seconds():g} s"
        return [
            found.get(name) or unknown_check(name, entry, late)
            for name, entry in entries
        ]

    def _count(self, owner: str, urls: int) -> None:
        with self._lock:
            wait = self._rates.take(owner, urls, self.clock.monotonic())
        if wait:
            whose = f" of {owner}" if owner else ""
            message = (
                f"too many urls{whose} were looked at of late: at most"
                f" {self.limits.urls_per_minute:,} are in a minute"
            )
            raise ResourceExhaustedError(message, timedelta(seconds=wait))
