"""Tasks whose taskmaster does not come up: their reason says what it waits for.

Level-triggered: the reason follows from what the launcher says now. It is
written when it changes, and taken back when it no longer holds or when the
taskmaster calls.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from tesk_model.reasons import NO_REASON
from tesk_model.task import TaskId
from tesk_scheduler.domain.fleet import Taskmaster
from tesk_scheduler.domain.launches import is_about_taskmasters, starting_reason
from tesk_scheduler.domain.records import TaskRecord
from tesk_scheduler.ports.launcher import TaskmasterLauncher
from tesk_scheduler.ports.store import TaskStore, Transaction
from tesk_scheduler.ports.surroundings import Clock

# People do not read faster, and rounds are many.
_EVERY = timedelta(seconds=1)
# Some causes are not told by any change, only found by asking again.
_ASK_AGAIN = timedelta(seconds=15)


class Delays:
    """Explains them; used by the leader's one thread."""

    def __init__(
        self, *, store: TaskStore, launcher: TaskmasterLauncher, clock: Clock
    ) -> None:
        self._store = store
        self._launcher = launcher
        self._clock = clock
        self._told: Mapping[str, str] = {}
        self._told_at = 0.0
        self._due: timedelta | None = None

    def explain(
        self, epoch: int, members: Sequence[Taskmaster], stuck: Mapping[str, str]
    ) -> None:
        """Say of each such task why it waits.

        Args:
            epoch: Of the leader.
            members: All taskmasters of the store.
            stuck: Why taskmasters could not be ended that are lost, by id.
        """
        absent = [each for each in members if is_absent(each, self._clock)]
        words = {
            member.id: f"the last one cannot be ended yet: {stuck[member.id]}"
            if member.id in stuck
            else self._launcher.last_words(member.id)
            for member in absent
        }
        now = self._clock.monotonic()
        if words == self._told and now - self._told_at < _EVERY.total_seconds():
            self._due = _EVERY if words else None
            return
        self._due = _ASK_AGAIN if words else None
        concerned = {
            name: text for name, text in words.items() if text or self._told.get(name)
        }
        self._told, self._told_at = words, now
        reasons = {
            record.id: text
            for name, text in concerned.items()
            for record in self._store.assigned(name)
            if explained(record, text) is not record
        }
        if reasons:
            self._store.write(lambda tx: self._write(tx, epoch, reasons))

    def due(self) -> timedelta | None:
        """Say when to look again though nothing happens; None if not at all."""
        return self._due

    def _write(
        self, tx: Transaction, epoch: int, reasons: Mapping[TaskId, str]
    ) -> None:
        tx.check_epoch(epoch)
        absent = {each.id for each in tx.taskmasters() if is_absent(each, self._clock)}
        for record in tx.records(set(reasons)).values():
            after = explained(record, reasons[record.id])
            if record.taskmaster in absent and after is not record:
                tx.save(record, after)


def is_absent(member: Taskmaster, clock: Clock) -> bool:
    """Tell whether a taskmaster has not called yet, or not for longer than it may."""
    return not member.seen or member.lease_until <= clock.now()


def explained(record: TaskRecord, cause: str) -> TaskRecord:
    """Return ``record`` with the reason that ``cause`` is; itself if it has that."""
    reason = starting_reason(cause) if cause else record.reason
    if not cause and is_about_taskmasters(reason):
        reason = NO_REASON
    if not record.attempt_runs or record.reason == reason:
        return record
    return replace(record, reason=reason)
