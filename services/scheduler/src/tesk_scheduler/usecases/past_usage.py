"""Keeps what users and groups have used, in memory and in the store.

The leader alone writes it, under its epoch; a new leader reads what the one before
has written. Each admission is charged in the transaction that makes it: a plan that
was not carried out costs nobody anything.
"""

from collections.abc import Mapping, Sequence

from tesk_scheduler.domain.quota import FairShare, Subject, Usage
from tesk_scheduler.domain.records import TaskRecord
from tesk_scheduler.domain.usage_history import (
    History,
    HistoryChange,
    charged,
    new_part,
    sampled,
)
from tesk_scheduler.ports.environment import Clock
from tesk_scheduler.ports.store import TaskStore, Transaction


class PastUsages:
    """The history of usage; used by the leader's thread."""

    def __init__(self, *, store: TaskStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._epoch: int | None = None
        self._history: History = {}
        self._sampled_at: float | None = None

    def history(
        self, epoch: int, usage: Mapping[Subject, Usage], fair_share: FairShare
    ) -> History:
        """Return what was used, after a sample if one is due.

        Args:
            epoch: Of the leader.
            usage: What is used now and who waits: without either, nothing changes but
                by time, for which the next sample accounts.
            fair_share: How past usage counts; if it does not, nothing is kept.

        Raises:
            ConflictError: Another scheduler leads.
        """
        if not fair_share.is_enabled:
            self._epoch = None
            return {}
        if epoch != self._epoch:
            self._history = self._store.usage_history()
            self._epoch, self._sampled_at = epoch, None
        if self._is_due(fair_share) and any(map(any, usage.values())):
            self._sample(epoch, usage, fair_share)
        return self._history

    def charge(
        self, tx: Transaction, records: Sequence[TaskRecord], fair_share: FairShare
    ) -> HistoryChange:
        """Charge tasks that ``tx`` admits; call ``committed`` when it is durable."""
        if not fair_share.is_enabled:
            return HistoryChange(changed={})
        change = charged(
            self._history,
            [(record.subjects, record.demand) for record in records],
            now=self._clock.now(),
            penalty=new_part(fair_share.sample, fair_share.half_life),
        )
        tx.change_usage_history(change)
        return change

    def committed(self, change: HistoryChange) -> None:
        """Take over a change that is in the store."""
        self._history = change.applied_to(self._history)

    def _is_due(self, fair_share: FairShare) -> bool:
        last = self._sampled_at
        sample = fair_share.sample.total_seconds()
        return last is None or self._clock.monotonic() - last >= sample

    def _sample(
        self, epoch: int, usage: Mapping[Subject, Usage], fair_share: FairShare
    ) -> None:
        change = sampled(
            self._history,
            usage,
            now=self._clock.now(),
            sample=fair_share.sample,
            half_life=fair_share.half_life,
        )

        def write(tx: Transaction) -> None:
            tx.check_epoch(epoch)
            tx.change_usage_history(change)

        if change.changed or change.forgotten:
            self._store.write(write)
        self.committed(change)
        self._sampled_at = self._clock.monotonic()
