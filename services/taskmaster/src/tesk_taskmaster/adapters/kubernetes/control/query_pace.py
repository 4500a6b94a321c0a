"""Keeps queries of many waiting steps from slowing down the cluster that they wait for.

A list of events costs the API server as much as the namespace has events. So the slower
it answers, the more seldom a taskmaster asks: one query at a time, for a tenth of
the time in all. Not bound to that is the last query before a step is given up.
"""

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tesk_taskmaster.ports import Clock

_PAUSE = 9  # as long as the query before has taken, times this
_LONGEST_PAUSE = 60.0  # seconds; one that hung says little of the next


@dataclass(slots=True, kw_only=True)
class QueryPace:
    """Says when the steps of a taskmaster may query the cluster; thread-safe."""

    clock: Clock
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _free_at: float = -math.inf

    @contextmanager
    def turn(self) -> Iterator[bool]:
        """Give whether a query may be made now; it ends with the block."""
        with self._lock:
            started = self.clock.monotonic()
            is_free = started >= self._free_at
            if is_free:
                self._free_at = math.inf
        try:
            yield is_free
        finally:
            if is_free:
                ended = self.clock.monotonic()
                pause = min(_PAUSE * (ended - started), _LONGEST_PAUSE)
                self._free_at = ended + pause
