"""Stores why queued tasks wait, as each round of admission finds it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tesk_model.reasons import Reason
from tesk_model.task import TaskId
from tesk_scheduler.ports.environment import Clock
from tesk_scheduler.ports.store import TaskStore

# Seconds: reasons change with every task that ends, faster than people read.
_AT_MOST_EVERY = 1.0
# Seconds: so that what has lasted is noticed though nothing changes.
_AT_LEAST_EVERY = 60.0


@dataclass(slots=True, kw_only=True)
class WaitReasons:
    """Writes reasons when they change; used by the leader's thread."""

    store: TaskStore
    clock: Clock
    _stored: Mapping[TaskId, Reason] = field(default_factory=dict)
    _stored_at: float = 0.0

    def put(self, reasons: Mapping[TaskId, Reason]) -> None:
        """Store ``reasons``, unless they are those of before or these are new."""
        passed = self.clock.monotonic() - self._stored_at
        if passed < _AT_MOST_EVERY and self._stored:
            return
        if reasons and (reasons != self._stored or passed >= _AT_LEAST_EVERY):
            now = self.clock.now()
            self.store.write(lambda tx: tx.set_reasons(reasons, now=now))
            self._stored_at = self.clock.monotonic()
        self._stored = reasons
