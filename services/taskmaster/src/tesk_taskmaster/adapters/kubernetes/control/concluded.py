"""Remembers the transfers of one attempt of which the scheduler knows that they succeeded.

The scheduler gets the result from the filer itself, and tells it before the kubelet
tells of the end of the filer's container.
"""

from dataclasses import dataclass, field

from tesk_taskmaster.adapters.kubernetes.control.cache import AttemptObjects
from tesk_taskmaster.domain.step_names import direction_of


@dataclass(slots=True)
class ConcludedTransfers:
    """Directions of transfers that have succeeded; thread-safe."""

    _cached: AttemptObjects
    _directions: frozenset[str] = field(default=frozenset(), init=False)

    def add(self, direction: str) -> None:
        """Add one, and wake who waits for a change of the attempt."""
        # Only the thread that syncs adds.
        self._directions |= {direction}
        self._cached.touch()

    def has(self, step: str) -> bool:
        """Tell whether the step of a filer is known to have succeeded."""
        return direction_of(step) in self._directions
