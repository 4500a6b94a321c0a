"""Stores why queued tasks wait, as each round of admission finds it.

What is stored is what the last round found: a task that it did not look at has no
reason of its own and waits behind others, whatever an earlier round found, under
another quota or before a change of priorities.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tesk_model.reasons import NO_REASON, Reason
from tesk_model.task import TaskId
from tesk_scheduler.ports.environment import Clock
from tesk_scheduler.ports.store import TaskStore, Transaction

# Seconds: reasons change with every task that ends, faster than people read.
_AT_MOST_EVERY = 1.0
# Seconds: so that what has lasted is noticed though nothing changes.
_AT_LEAST_EVERY = 60.0
# Tasks of one transaction: a lowered limit may concern thousands.
_AT_ONCE = 200


@dataclass(slots=True, kw_only=True)
class WaitReasons:
    """Writes reasons when they change; used by the leader's thread."""

    store: TaskStore
    clock: Clock
    _epoch: int | None = None
    _stored: Mapping[TaskId, Reason] = field(default_factory=dict)
    _stored_at: float = 0.0

    def put(self, reasons: Mapping[TaskId, Reason], epoch: int) -> None:
        """Store ``reasons`` and clear all others, unless nothing changed or just now.

        Raises:
            ConflictError: Another scheduler leads.
        """
        if epoch != self._epoch:
            # Others may have led since, and stored what is not known here.
            self._stored = dict.fromkeys(self.store.explained(), NO_REASON)
            self._epoch = epoch
        passed = self.clock.monotonic() - self._stored_at
        if passed < _AT_MOST_EVERY and self._stored:
            return
        if reasons != self._stored or (reasons and passed >= _AT_LEAST_EVERY):
            self._write({**dict.fromkeys(self._stored, NO_REASON), **reasons}, epoch)
            self._stored_at = self.clock.monotonic()
        self._stored = reasons

    def _write(self, reasons: Mapping[TaskId, Reason], epoch: int) -> None:
        # If this fails in between, any of them may be stored.
        self._stored = dict.fromkeys(reasons, NO_REASON)
        now = self.clock.now()
        ids = list(reasons)
        for first in range(0, len(ids), _AT_ONCE):
            some = {each: reasons[each] for each in ids[first : first + _AT_ONCE]}

            def put(tx: Transaction, some: Mapping[TaskId, Reason] = some) -> None:
                tx.check_epoch(epoch)
                tx.set_reasons(some, now=now)

            self.store.write(put)
