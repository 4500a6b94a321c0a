"""Decides how many threads move batches of small files at once.

Threads share one interpreter and few processors: where they compute all of the time,
each more makes all slower. Where they wait, for a file server or for a disk, more of them
wait at once.
"""

from dataclasses import dataclass

# Of what all threads compute in the time of a batch.
_WAITS = 1.5
_COMPUTES = 1.0


@dataclass(slots=True)
class BatchLoad:
    """How many threads move batches, beside the one that plans them and moves some, too.

    Attributes:
        most: Upper bound.
        threads: 0: the one that plans them moves all.
    """

    most: int
    threads: int = 1

    def measured(self, seconds: float, computed: float) -> None:
        """Hear what one batch took, and for how long its thread computed meanwhile."""
        ratio = seconds / max(computed * (self.threads + 1), 1e-6)
        if ratio > _WAITS:
            self.threads = min(self.threads + 1, self.most)
        elif ratio < _COMPUTES:
            self.threads = max(self.threads - 1, 0)
