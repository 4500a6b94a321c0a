"""Remembers what the store does not about the calls of taskmasters."""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

from tesk_scheduler.domain.orders import Order


@dataclass(frozen=True, slots=True, kw_only=True)
class CallState:
    """What is remembered of one taskmaster; may be lost.

    Attributes:
        given: Orders that it was given, and when, in monotonic seconds.
        idle_since: Since when it has had no attempts, likewise.
    """

    given: Mapping[Order, float] = field(default_factory=dict)
    idle_since: float | None = None


class CallMemory:
    """Remembers each taskmaster for as long as it calls; thread-safe."""

    def __init__(self, lifetime: float) -> None:
        """Start empty.

        Args:
            lifetime: Seconds after its last call that one is remembered.
        """
        self._lifetime = lifetime
        self._lock = threading.Lock()
        self._states: OrderedDict[str, tuple[float, CallState]] = OrderedDict()

    def __len__(self) -> int:
        """Count the remembered taskmasters."""
        return len(self._states)

    def get(self, taskmaster_id: str) -> CallState:
        """Return the state of a taskmaster."""
        with self._lock:
            _, state = self._states.get(taskmaster_id, (0.0, CallState()))
            return state

    def put(self, taskmaster_id: str, state: CallState, now: float) -> None:
        """Put the state of a calling taskmaster; drop those that stopped calling."""
        with self._lock:
            self._states[taskmaster_id] = (now, state)
            self._states.move_to_end(taskmaster_id)
            while next(iter(self._states.values()))[0] < now - self._lifetime:
                self._states.popitem(last=False)

    def forget(self, taskmaster_id: str) -> None:
        """Drop a taskmaster that was told to exit."""
        with self._lock:
            self._states.pop(taskmaster_id, None)
