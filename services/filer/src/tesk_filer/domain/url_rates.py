"""Limits how many urls are looked at for each owner before tasks run.

Whoever may check tasks has the server look at addresses of its choice: seldom enough
that this finds out no more than tasks would.
"""

from collections import OrderedDict

from tesk_filer.domain.bandwidth import RateLimit

_MINUTE = 60.0
_MAX_OWNERS = 10_000
_ALMOST = 1e-6  # seconds: what is left of arithmetic with fractions


class UrlRates:
    """The rates of owners; not thread-safe."""

    def __init__(self, per_minute: int) -> None:
        """Let each owner have so many in a minute, and after a pause at once."""
        self._per_minute = per_minute
        self._owners: OrderedDict[str, RateLimit] = OrderedDict()

    def take(self, owner: str, urls: int, now: float) -> float:
        """Count urls of an owner, unless they are too many.

        Args:
            owner: "" where nobody is known by name: all share one rate.
            urls: At most as many as an owner may have in a minute.
            now: Seconds of a clock that never goes back.

        Returns:
            0 if they were counted, else the seconds after which they would be.
        """
        rate = self._owners.setdefault(
            owner, RateLimit(self._per_minute / _MINUTE, burst=_MINUTE)
        )
        self._owners.move_to_end(owner)
        # Who asked longest ago is forgotten, which allows one more burst.
        if len(self._owners) > _MAX_OWNERS:
            self._owners.popitem(last=False)
        wait = rate.wait_for(urls, now)
        if wait > _ALMOST:
            return wait
        rate.take(urls, now)
        return 0.0
