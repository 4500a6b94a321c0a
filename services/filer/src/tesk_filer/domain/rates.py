"""Computes how fast a transfer is now."""

from collections import deque

from tesk_model.progress import bytes_per_second

_SPAN = 10.0  # seconds: smooth, and yet a stall shows soon


class RateWindow:
    """The rate of the last seconds, from totals that are looked at now and then."""

    def __init__(self, began: float) -> None:
        """Begin with nothing moved at ``began``, in seconds of any clock."""
        self._samples = deque([(began, 0)])

    def rate(self, now: float, total: int) -> int:
        """Return the bytes per second up to ``now``, when ``total`` have moved."""
        self._samples.append((now, total))
        while len(self._samples) > 2 and self._samples[1][0] <= now - _SPAN:  # noqa: PLR2004 - the two ends
            self._samples.popleft()
        then, before = self._samples[0]
        return bytes_per_second(total - before, now - then)
