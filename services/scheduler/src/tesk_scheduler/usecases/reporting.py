"""Applies the events that taskmasters report."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tesk_model.events import EventVerdict, Released, TaskEvent
from tesk_model.states import TaskState
from tesk_model.task import TaskId
from tesk_scheduler.domain.attempt_rules import AttemptRules
from tesk_scheduler.domain.events import (
    Effect,
    Reporter,
    apply_event,
    occurrences_of_effect,
)
from tesk_scheduler.domain.lost_attempts import describe_lost
from tesk_scheduler.domain.occurrences import AttemptLeftFiles
from tesk_scheduler.domain.records import TaskRecord
from tesk_scheduler.ports.environment import Clock
from tesk_scheduler.ports.store import TaskStore, Transaction
from tesk_scheduler.usecases.call_cache import CallCache, named_candidates
from tesk_scheduler.usecases.notifier import LeaderWakeup


@dataclass(frozen=True, slots=True, kw_only=True)
class Reporting:
    """Applies events to tasks.

    Attributes:
        rules: Returns the rules for attempts that are in force.
        call_cache: Decides whether results of another task are taken.
    """

    store: TaskStore
    clock: Clock
    leader: LeaderWakeup
    rules: Callable[[], AttemptRules] = AttemptRules
    call_cache: CallCache = field(default_factory=CallCache)

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
            taskmaster=taskmaster_id, now=self.clock.now(), rules=self.rules()
        )
        verdicts, is_due, is_freed = self.store.write(
            lambda tx: _apply_all(tx, events, by, self.call_cache)
        )
        if is_due:
            self.leader.notify(urgent=True)
        elif is_freed:
            self.leader.notify_freed()
        return verdicts


def _apply_all(
    tx: Transaction, events: Sequence[TaskEvent], by: Reporter, call_cache: CallCache
) -> tuple[list[EventVerdict], bool, bool]:
    """Return the verdicts, and whether the leader has to act, or room is free."""
    ids = {event.attempt.task_id for event in events}
    # Locked together, or two transactions might wait for each other.
    before = tx.records(ids | named_candidates(events))
    after: dict[TaskId, TaskRecord] = dict(before)
    told = dict(before)
    verdicts = [EventVerdict.REFUSED] * len(events)
    in_order = sorted(
        range(len(events)), key=lambda n: (events[n].attempt, events[n].sequence)
    )
    for number in in_order:
        record = after.get(events[number].attempt.task_id)
        if record is None:
            continue
        event = call_cache.checked_event(tx, events[number], after)
        effect = apply_event(record, event, by)
        verdicts[number] = effect.verdict
        if effect.verdict is EventVerdict.APPLIED:
            write_effect(tx, effect)
            call_cache.note(tx, event, effect.record)
            _announce_leftovers(tx, event)
            if record.state not in (effect.record.state, told[record.id].state):
                tx.pass_through(told[record.id], record)
                told[record.id] = record
            after[record.id] = effect.record
    changed = [
        (before[task_id], record)
        for task_id, record in after.items()
        if record is not before[task_id]
    ]
    tx.save_all(changed)
    is_due = any(_is_due(*each) for each in changed)
    is_freed = any(_is_freed(*each) for each in changed)
    return verdicts, is_due, is_freed


def write_effect(tx: Transaction, effect: Effect) -> None:
    """Write the logs of an effect; its record is saved by the caller."""
    seq = effect.record.seq
    for occurrence in occurrences_of_effect(effect):
        tx.announce(occurrence)
    lines = effect.lines
    if effect.lost:
        lines = (*lines, *describe_lost(effect.lost, tx.metadata(seq)))
        tx.clear_attempt(seq)
    tx.add_lines(seq, lines, last=effect.end is not None)
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


def _is_due(before: TaskRecord, after: TaskRecord) -> bool:
    """Tell whether something is to be done that only the leader does."""
    return after.state is TaskState.QUEUED or after.due_at not in (None, before.due_at)


def _is_freed(before: TaskRecord, after: TaskRecord) -> bool:
    """Tell whether quota or a place of a taskmaster is free."""
    is_over = after.state.is_final and not before.state.is_final
    return is_over or after.released is not before.released
