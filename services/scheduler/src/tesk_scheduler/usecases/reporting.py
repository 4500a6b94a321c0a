"""Taking down what taskmasters report."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from tesk_model.events import EventVerdict, Released, TaskEvent
from tesk_model.states import TaskState
from tesk_model.task import TaskId
from tesk_scheduler.domain.events import Effect, Reporter, apply_event
from tesk_scheduler.domain.records import TaskRecord
from tesk_scheduler.ports.environment import Clock
from tesk_scheduler.ports.store import TaskStore, Transaction
from tesk_scheduler.usecases.notifier import LeaderWakeup
from tesk_scheduler.usecases.status import Status

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reporting:
    """Applies events.

    Attributes:
        status: Hears what could not be removed.
        max_attempts: How often a task is tried before it is given up.
    """

    store: TaskStore
    clock: Clock
    leader: LeaderWakeup
    status: Status
    max_attempts: int

    def report(
        self, taskmaster_id: str, events: Sequence[TaskEvent]
    ) -> list[EventVerdict]:
        """Apply events, all in one transaction; durable when this returns.

        Returns:
            One verdict for each event, in their order.
        """
        if not events:
            return []
        by = Reporter(
            taskmaster=taskmaster_id,
            now=self.clock.now(),
            max_attempts=self.max_attempts,
        )
        verdicts, room = self.store.write(lambda tx: _apply_all(tx, events, by))
        if room:
            self.leader.notify(urgent=True)
        self._count_leftovers(events, verdicts)
        return verdicts

    def _count_leftovers(
        self, events: Sequence[TaskEvent], verdicts: Sequence[EventVerdict]
    ) -> None:
        for event, verdict in zip(events, verdicts, strict=True):
            what = event.payload
            if (
                verdict is EventVerdict.APPLIED
                and isinstance(what, Released)
                and what.left
            ):
                self.status.add_leftovers(1)
                _LOG.warning(
                    "attempt left files",
                    extra={
                        "task_id": event.attempt.task_id,
                        "attempt": event.attempt.number,
                        "left": what.left,
                    },
                )


def _apply_all(
    tx: Transaction, events: Sequence[TaskEvent], by: Reporter
) -> tuple[list[EventVerdict], bool]:
    before = tx.records({event.attempt.task_id for event in events})
    after: dict[TaskId, TaskRecord] = dict(before)
    verdicts = [EventVerdict.REFUSED] * len(events)
    in_order = sorted(
        range(len(events)), key=lambda n: (events[n].attempt, events[n].sequence)
    )
    for number in in_order:
        event = events[number]
        record = after.get(event.attempt.task_id)
        if record is None:
            continue
        effect = apply_event(record, event, by)
        verdicts[number] = effect.verdict
        if effect.verdict is EventVerdict.APPLIED:
            write_effect(tx, effect)
            after[record.id] = effect.record
    room = False
    for task_id, record in after.items():
        if record is not before[task_id]:
            tx.save(before[task_id], record)
            room = room or _makes_room(before[task_id], record)
    return verdicts, room


def write_effect(tx: Transaction, effect: Effect) -> None:
    """Write the logs of an effect; its record is saved by the caller."""
    seq = effect.record.seq
    if effect.clears_attempt:
        tx.clear_attempt(seq)
    tx.add_lines(seq, effect.lines, last=effect.end is not None)
    if effect.executor is not None:
        tx.change_executor_log(seq, effect.executor)
    tx.merge_metadata(seq, effect.metadata)


def _makes_room(before: TaskRecord, after: TaskRecord) -> bool:
    return (
        (after.state.is_final and not before.state.is_final)
        or after.released is not before.released
        or after.state is TaskState.QUEUED
    )
