"""Assigns attempts that have no taskmaster any more; explains why the others wait.

Which these are is read beside the writer, and a few are changed in one transaction: a
site that loses all of its taskmasters has thousands of them, and every call that writes
waits for the transaction that is under way.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from tesk_model.reasons import Reason
from tesk_model.task import TaskId
from tesk_scheduler.domain.records import TaskRecord
from tesk_scheduler.domain.takeovers import needs_own_taskmaster, reassigned
from tesk_scheduler.domain.transitions import with_reason
from tesk_scheduler.ports.environment import Clock
from tesk_scheduler.ports.store import TaskStore, Transaction

# Attempts that one transaction changes.
AT_ONCE = 50


class _Choose(Protocol):
    def __call__(self, tx: Transaction, count: int, *, dedicated: bool) -> list[str]:
        """See ``Fleet.choose_taskmasters``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reassignment:
    """Finds taskmasters for attempts that lost theirs; used by the leader's thread.

    Attributes:
        choose: Chooses taskmasters.
        free_slots: Counts the attempts that could be assigned now.
        wait_reason: Returns why no more can be.
        start: Notifies taskmasters of what they were assigned, and starts new ones.
    """

    store: TaskStore
    clock: Clock
    choose: _Choose
    free_slots: Callable[[], int]
    wait_reason: Callable[[], Reason]
    start: Callable[[Collection[str]], None]

    def assign(self, epoch: int) -> bool:
        """Assign what there is room for; return True if some are left.

        Raises:
            ConflictError: Another scheduler leads.
        """
        left = self.store.unassigned()
        if not left:
            return False
        for dedicated in (True, False):
            ids = [each.id for each in left if needs_own_taskmaster(each) is dedicated]
            self._assign_all(ids, epoch, dedicated=dedicated)
        return self.explain()

    def explain(self) -> bool:
        """Store why attempts wait for a taskmaster; return True if some do."""
        left = self.store.unassigned()
        if not left:
            return False
        reason = self.wait_reason()
        ids = [each.id for each in left if each.attempt_runs and each.reason != reason]
        for first in range(0, len(ids), AT_ONCE):
            self._explain(ids[first : first + AT_ONCE], reason)
        return True

    def _assign_all(
        self, ids: Sequence[TaskId], epoch: int, *, dedicated: bool
    ) -> None:
        for first in range(0, len(ids), AT_ONCE):
            if not self.free_slots():
                return
            some = ids[first : first + AT_ONCE]
            places, is_full = self._assign(some, epoch, dedicated=dedicated)
            self.start(places)
            if is_full:
                return

    def _assign(
        self, ids: Sequence[TaskId], epoch: int, *, dedicated: bool
    ) -> tuple[list[str], bool]:
        """Assign some; return their taskmasters, and whether there were too few."""

        def assign(tx: Transaction) -> tuple[list[str], bool]:
            tx.check_epoch(epoch)
            records = _unassigned_ones(tx, ids)
            places = self.choose(tx, len(records), dedicated=dedicated)
            now = self.clock.now()
            tx.save_all(
                [
                    (record, reassigned(record, taskmaster, now))
                    for record, taskmaster in zip(records, places, strict=False)
                ]
            )
            return places, len(places) < len(records)

        return self.store.write(assign)

    def _explain(self, ids: Sequence[TaskId], reason: Reason) -> None:
        def explain(tx: Transaction) -> None:
            now = self.clock.now()
            tx.save_all(
                [
                    (record, with_reason(record, reason, now))
                    for record in _unassigned_ones(tx, ids)
                    if record.attempt_runs and record.reason != reason
                ]
            )

        self.store.write(explain)


def _unassigned_ones(tx: Transaction, ids: Sequence[TaskId]) -> list[TaskRecord]:
    """Read and lock those that are unassigned still, in the order of ``ids``."""
    records = tx.records(ids)
    found = (records.get(each) for each in ids)
    return [
        each
        for each in found
        if each is not None and each.taskmaster is None and not each.released
    ]
