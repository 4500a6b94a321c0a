"""Limits a rate of bytes.

Source:
    ITU-T I.371, Annex A: the generic cell rate algorithm, as virtual scheduling, which
    is a token bucket without a clock of its own.
"""

_BURST = 0.25  # seconds of the rate that may pass at once


class RateLimit:
    """Says how long to wait before more bytes may pass."""

    def __init__(self, bytes_per_second: float) -> None:
        """Let so many bytes pass in a second."""
        self._rate = bytes_per_second
        self._due = 0.0

    def take(self, size: int, now: float) -> float:
        """Count bytes that have passed; return the seconds to wait for the next ones."""
        self._due = max(self._due, now - _BURST) + size / self._rate
        return max(self._due - now, 0.0)
