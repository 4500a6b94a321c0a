"""Applies the events that taskmasters report."""

from collections.abc import Sequence
from dataclasses import dataclass

from tesk_model.events import EventVerdict, Released, TaskEvent
from tesk_model.states import TaskState
from tesk_model.task import TaskId
from tesk_scheduler.domain.events import (
    Effect,
    Reporter,
    apply_event,
    occurrences_of_effect,
)
from tesk_scheduler.domain.occurrences import AttemptLeftFiles
from tesk_scheduler.domain.records import TaskRecord
from tesk_scheduler.ports.environment import Clock
from tesk_scheduler.ports.store import TaskStore, Transaction
from tesk_scheduler.usecases.notifier import LeaderWakeup


@dataclass(frozen=True, slots=True, kw_only=True)
class Reporting:
    """Applies events to tasks.

    Attributes:
        max_attempts: How often a task is tried before it is given up.
    """

    store: TaskStore
    clock: Clock
    leader: LeaderWakeup
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
        verdicts, frees_capacity = self.store.write(
            lambda tx: _apply_all(tx, events, by)
        )
        if frees_capacity:
            self.leader.notify(urgent=True)
        return verdicts


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
            _announce_leftovers(tx, event)
            after[record.id] = effect.record
    frees_capacity = False
    for task_id, record in after.items():
        if record is not before[task_id]:
            tx.save(before[task_id], record)
            frees_capacity = frees_capacity or _frees_capacity(before[task_id], record)
    return verdicts, frees_capacity


def write_effect(tx: Transaction, effect: Effect) -> None:
    """Write the logs of an effect; its record is saved by the caller."""
    seq = effect.record.seq
    for occurrence in occurrences_of_effect(effect):
        tx.announce(occurrence)
    if effect.clears_attempt:
        tx.clear_attempt(seq)
    tx.add_lines(seq, effect.lines, last=effect.end is not None)
    if effect.executor is not None:
        tx.change_executor_log(seq, effect.executor)
    tx.merge_metadata(seq, effect.metadata)


def _announce_leftovers(tx: Transaction, event: TaskEvent) -> None:
    if isinstance(event.payload, Released) and event.payload.left:
        tx.announce(
            AttemptLeftFiles(
                task_id=event.attempt.task_id,
                attempt=event.attempt.number,
                left=event.payload.left,
            )
        )


def _frees_capacity(before: TaskRecord, after: TaskRecord) -> bool:
    return (
        (after.state.is_final and not before.state.is_final)
        or after.released is not before.released
        or after.state is TaskState.QUEUED
    )
