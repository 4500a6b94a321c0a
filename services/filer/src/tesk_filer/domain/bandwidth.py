"""Limits a rate: of bytes, or of what else is counted.

Source:
    ITU-T I.371, Annex A: the generic cell rate algorithm, as virtual scheduling, which
    is a token bucket without a clock of its own.
"""

_BURST = 0.25  # seconds of the rate that may pass at once


class RateLimit:
    """Says how long to wait before more may pass."""

    def __init__(self, per_second: float, *, burst: float = _BURST) -> None:
        """Let so many pass in a second, and at once as many as in ``burst`` seconds."""
        self._rate = per_second
        self._burst = burst
        self._due = 0.0

    def take(self, size: float, now: float) -> float:
        """Count what has passed; return the seconds to wait for the next."""
        self._due = self._after(size, now)
        return max(self._due - now, 0.0)

    def wait_for(self, size: float, now: float) -> float:
        """Return the seconds until so much may pass; count nothing."""
        return max(self._after(size, now) - now, 0.0)

    def _after(self, size: float, now: float) -> float:
        return max(self._due, now - self._burst) + size / self._rate
