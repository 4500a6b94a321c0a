"""Deletes tasks that ended long ago, with their logs and keys."""

from dataclasses import dataclass
from datetime import timedelta

from tesk_scheduler.ports.environment import Clock
from tesk_scheduler.ports.store import TaskStore

_BATCH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """Deletes finished tasks when their retention time is over."""

    store: TaskStore
    clock: Clock
    keep: timedelta

    def sweep(self) -> bool:
        """Delete one batch; return True if there may be more."""
        before = self.clock.now() - self.keep
        deleted = self.store.write(
            lambda tx: tx.delete_tasks(ended_before=before, limit=_BATCH)
        )
        return deleted > 0
