"""Lets the results of one task count for another, by the rules of ``domain.call_cache``.

A candidate is chosen when an attempt is admitted, checked by its taskmaster, and taken
in the transaction that ends the task, if it is then still what it was.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from tesk_model.events import CandidateRejected, Finished, Outcome, TaskEvent
from tesk_model.reasons import Reason, ReasonCode
from tesk_model.states import TaskState
from tesk_model.task import TaskId
from tesk_scheduler.domain import call_cache as rules
from tesk_scheduler.domain.calls import (
    CacheScope,
    CallCandidate,
    CallDescription,
    CallRecord,
    NewCall,
)
from tesk_scheduler.domain.occurrences import CandidateChecked
from tesk_scheduler.domain.quota import Demand
from tesk_scheduler.domain.records import Document, TaskRecord
from tesk_scheduler.ports.store import TaskStore, Transaction

METADATA_KEY = "call_cache"


def _undescribed(_document: Document) -> CallDescription:
    return CallDescription(fields={}, input_urls=(), outputs=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallCache:
    """The call cache; one that is off neither reads nor writes anything.

    Attributes:
        scope: Whose results count,
        generation: and of which generation; another one forgets all earlier results.
        describe: Reads from a document what its call is.
    """

    scope: CacheScope = CacheScope.NONE
    generation: str = ""
    describe: Callable[[Document], CallDescription] = _undescribed

    @property
    def is_on(self) -> bool:
        """Tell whether results of other tasks may count."""
        return self.scope is not CacheScope.NONE

    def new_call(
        self, document: Document, *, owner: str, group: str | None, demand: Demand
    ) -> NewCall | None:
        """Return the call of a task that is created; None if the cache is off."""
        if not self.is_on:
            return None
        scope = self._scope_of(owner, group)
        return rules.new_call(self.describe(document), scope, demand)

    def choose(self, tx: Transaction, records: Sequence[TaskRecord]) -> None:
        """Choose the candidates of attempts that begin."""
        if not self.is_on:
            return
        calls = tx.calls([record.seq for record in records])
        for record in records:
            call = calls.get(record.seq)
            if call is None:
                continue
            shared = bool(call.key) and self._is_in_scope(call, record)
            chosen = tx.newest_reusable(call) if shared else None
            after = rules.begun(call, chosen)
            if after != call:
                tx.save_call(after)

    def candidate(self, store: TaskStore, record: TaskRecord) -> CallCandidate | None:
        """Return the candidate of an attempt none of whose executors has started."""
        if not self.is_on or record.inputs_finished or not record.attempt_runs:
            return None
        call = store.call(record.id)
        if call is None or call.candidate is None or call.difference:
            return None
        digests = tuple(store.image_digests(call.candidate))
        if not digests:
            return None  # it was deleted
        return CallCandidate(
            task_id=call.candidate,
            image_digests=digests,
            files_equal=call.difference == "",
        )

    def checked_event(
        self, tx: Transaction, event: TaskEvent, records: Mapping[TaskId, TaskRecord]
    ) -> TaskEvent:
        """Return the event, or a loss if results that it names cannot be taken.

        Args:
            tx: Of the report.
            event: To be applied.
            records: Locked: of the task, and of the candidate if it is there.
        """
        payload = event.payload
        if not isinstance(payload, Finished) or payload.candidate is None:
            return event
        record = records[event.attempt.task_id]
        source = records.get(payload.candidate)
        if self._may_take(tx, record, source, payload):
            return event
        text = rules.format_gone(payload.candidate)
        reason = Reason(ReasonCode.CANDIDATE_GONE, text)
        return replace(event, payload=Finished(Outcome.LOST, reason))

    def note(self, tx: Transaction, event: TaskEvent, record: TaskRecord) -> None:
        """Store what an applied event means for the cache.

        Args:
            tx: Of the report.
            event: As ``checked_event`` returned it.
            record: Of the task, with the event applied.
        """
        payload = event.payload
        if isinstance(payload, CandidateRejected):
            self._reject(tx, record, payload.difference)
        elif isinstance(payload, Finished) and record.state is TaskState.COMPLETE:
            if payload.candidate is not None:
                self._take(tx, record, payload.candidate)
            elif self.is_on:
                self._complete(tx, record)

    def _may_take(
        self,
        tx: Transaction,
        record: TaskRecord,
        source: TaskRecord | None,
        payload: Finished,
    ) -> bool:
        if record.state is TaskState.CANCELING:
            return True  # it ends as canceled; nothing is taken
        if (
            not self.is_on
            or source is None
            or source.state is not TaskState.COMPLETE
            or payload.outcome is not Outcome.COMPLETE
            or record.state is not TaskState.INITIALIZING
            or record.inputs_finished
        ):
            return False
        calls = tx.calls([record.seq, source.seq])
        call = calls.get(record.seq)
        return (
            call is not None
            and self._is_in_scope(call, record)
            and rules.may_take(call, calls.get(source.seq), source.id)
        )

    def _take(self, tx: Transaction, record: TaskRecord, candidate: TaskId) -> None:
        source = tx.records([candidate])[candidate]
        tx.copy_results(source.seq, record.seq)
        tx.merge_metadata(record.seq, {METADATA_KEY: candidate})
        tx.add_lines(record.seq, [rules.format_hit(candidate)], last=True)
        tx.save_call(rules.took(tx.calls([record.seq])[record.seq]))
        tx.announce(_checked(record, candidate, taken=True))

    def _complete(self, tx: Transaction, record: TaskRecord) -> None:
        call = tx.calls([record.seq]).get(record.seq)
        if call is not None and call.key:
            digests = tx.image_digests(record.seq)
            tx.save_call(rules.completed(call, record, digests))

    def _reject(self, tx: Transaction, record: TaskRecord, difference: str) -> None:
        call = tx.calls([record.seq]).get(record.seq)
        if call is None or call.candidate is None:
            return
        after = rules.rejected(call, difference)
        tx.save_call(after)
        line = rules.format_miss(call.candidate, after.difference or "")
        tx.add_lines(record.seq, [line], source=METADATA_KEY)
        tx.announce(_checked(record, call.candidate, taken=False))

    def _is_in_scope(self, call: CallRecord, record: TaskRecord) -> bool:
        """Tell whether a call has the scope of today; the setting may have changed."""
        return call.scope == self._scope_of(record.owner, record.group)

    def _scope_of(self, owner: str, group: str | None) -> str:
        return rules.scope_of(self.scope, owner, group, self.generation)


def named_candidates(events: Sequence[TaskEvent]) -> set[TaskId]:
    """Return the tasks whose results the events take."""
    return {
        event.payload.candidate
        for event in events
        if isinstance(event.payload, Finished) and event.payload.candidate is not None
    }


def _checked(record: TaskRecord, candidate: TaskId, *, taken: bool) -> CandidateChecked:
    return CandidateChecked(
        task_id=record.id, attempt=record.attempt, candidate=candidate, taken=taken
    )
