"""Applies the events that taskmasters report."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tesk_model.events import (
    EventVerdict,
    ExecutorEnded,
    ExecutorOutput,
    Released,
    TaskEvent,
)
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
from tesk_scheduler.usecases.batched_writes import BatchedWrites
from tesk_scheduler.usecases.call_cache import CallCache, named_candidates
from tesk_scheduler.usecases.notifier import LeaderWakeup

# Events of one transaction, of reports that wait at the same time: to write them does
# not hold up others for long. So much output counts as one more event.
_EVENTS_AT_ONCE = 200
_OUTPUT_OF_AN_EVENT = 4096


@dataclass(frozen=True, slots=True)
class _Report:
    """Events, and who reports them."""

    by: Reporter
    events: Sequence[TaskEvent]


@dataclass(frozen=True, slots=True)
class _Applied:
    """One verdict for each event; the rest is of all that was written together.

    Attributes:
        is_due: Something is to be done that only the leader does.
        is_freed: Quota or a place of a taskmaster is free.
    """

    verdicts: list[EventVerdict]
    is_due: bool
    is_freed: bool


class Reporting:
    """Applies events to tasks."""

    def __init__(
        self,
        *,
        store: TaskStore,
        clock: Clock,
        leader: LeaderWakeup,
        rules: Callable[[], AttemptRules] = AttemptRules,
        call_cache: CallCache | None = None,
    ) -> None:
        """Prepare.

        Args:
            store: Where tasks are.
            clock: Tells when events arrive.
            leader: Notified of what it is to do, and of room.
            rules: Returns the rules for attempts that are in force.
            call_cache: Decides whether results of another task are taken.
        """
        self._clock = clock
        self._leader = leader
        self._rules = rules
        self._call_cache = call_cache or CallCache()
        self._writes = BatchedWrites(
            store,
            self._write,
            size=lambda report: sum(map(_size_of, report.events)),
            largest=_EVENTS_AT_ONCE,
        )

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
            taskmaster=taskmaster_id, now=self._clock.now(), rules=self._rules()
        )
        applied = self._writes.run(_Report(by, events))
        if applied.is_due:
            self._leader.notify(urgent=True)
        elif applied.is_freed:
            self._leader.notify_freed()
        return applied.verdicts

    def _write(self, tx: Transaction, reports: Sequence[_Report]) -> list[_Applied]:
        events = [event for report in reports for event in report.events]
        # Locked together, or two transactions might wait for each other.
        before = tx.records(
            {event.attempt.task_id for event in events} | named_candidates(events)
        )
        applying = _Applying(tx, before, self._call_cache)
        verdicts = [applying.apply(report) for report in reports]
        changed = applying.save()
        is_due = any(_is_due(*each) for each in changed)
        is_freed = any(_is_freed(*each) for each in changed)
        return [_Applied(each, is_due, is_freed) for each in verdicts]


class _Applying:
    """Applies reports, one after the other, to the records that they are about."""

    def __init__(
        self,
        tx: Transaction,
        before: Mapping[TaskId, TaskRecord],
        call_cache: CallCache,
    ) -> None:
        self._tx = tx
        self._before = before
        self._after = dict(before)
        self._told = dict(before)
        self._call_cache = call_cache

    def apply(self, report: _Report) -> list[EventVerdict]:
        """Apply events in the order of attempts and sequences; return their verdicts."""
        events = report.events
        verdicts = [EventVerdict.REFUSED] * len(events)
        in_order = sorted(
            range(len(events)), key=lambda n: (events[n].attempt, events[n].sequence)
        )
        for number in in_order:
            record = self._after.get(events[number].attempt.task_id)
            if record is not None:
                verdicts[number] = self._apply(record, events[number], report.by)
        return verdicts

    def _apply(
        self, record: TaskRecord, event: TaskEvent, by: Reporter
    ) -> EventVerdict:
        tx = self._tx
        event = self._call_cache.checked_event(tx, event, self._after)
        effect = apply_event(record, event, by)
        if effect.verdict is EventVerdict.APPLIED:
            write_effect(tx, effect)
            self._call_cache.note(tx, event, effect.record)
            _announce_leftovers(tx, event)
            told = self._told[record.id]
            if record.state not in (effect.record.state, told.state):
                tx.pass_through(told, record)
                self._told[record.id] = record
            self._after[record.id] = effect.record
        return effect.verdict

    def save(self) -> list[tuple[TaskRecord, TaskRecord]]:
        """Save what has changed, and return it as it was and as it is."""
        changed = [
            (self._before[task_id], record)
            for task_id, record in self._after.items()
            if record is not self._before[task_id]
        ]
        self._tx.save_all(changed)
        return changed


def _size_of(event: TaskEvent) -> int:
    payload = event.payload
    if not isinstance(payload, ExecutorEnded | ExecutorOutput):
        return 1
    return 1 + (len(payload.stdout) + len(payload.stderr)) // _OUTPUT_OF_AN_EVENT


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
