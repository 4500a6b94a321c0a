"""Deletes tasks that ended long ago, with their logs and keys; and old changes."""

from dataclasses import dataclass
from datetime import timedelta

from tesk_scheduler.domain.occurrences import Occurrence
from tesk_scheduler.ports.environment import Clock
from tesk_scheduler.ports.store import TaskStore, Transaction

# All other writes wait for a batch: 500 took three times the CPU, and longer than a
# client should wait for an answer.
_BATCH = 100
# Narrow rows, one after the other.
_CHANGES = 2000
_MOST_CHANGES = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """Deletes finished tasks, and changes of states, when their time is over."""

    store: TaskStore
    clock: Clock
    keep: timedelta
    keep_changes: timedelta

    def sweep(self) -> bool:
        """Delete one batch of each; return True if there may be more."""
        tasks = self.delete_batch()
        return self._delete_changes() or tasks > 0

    def delete_batch(self, *announced: Occurrence) -> int:
        """Delete one batch, and notify of ``announced`` if that deletes any."""
        before = self.clock.now() - self.keep

        def delete(tx: Transaction) -> int:
            deleted = tx.delete_tasks(ended_before=before, limit=_BATCH)
            for each in announced if deleted else ():
                tx.announce(each)
            return deleted

        return self.store.write(delete)

    def _delete_changes(self) -> bool:
        before = self.clock.now() - self.keep_changes
        deleted = self.store.write(
            lambda tx: tx.delete_changes(
                before=before, most=_MOST_CHANGES, limit=_CHANGES
            )
        )
        return deleted == _CHANGES

    def count(self) -> int:
        """Count the tasks that would be deleted now."""
        return self.store.count_expired(self.clock.now() - self.keep)
