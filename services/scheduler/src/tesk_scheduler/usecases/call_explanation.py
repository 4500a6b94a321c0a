"""Explains why a task has, or has not, the results of another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tesk_model.call_cache import CacheExplanation, CacheResult, CallDifference
from tesk_model.states import TaskState
from tesk_model.task import TaskId
from tesk_scheduler.domain.call_differences import (
    MOST_DIFFERENCES,
    differences,
    with_demand,
)
from tesk_scheduler.domain.callers import Caller
from tesk_scheduler.domain.calls import CallRecord
from tesk_scheduler.domain.records import TaskRecord
from tesk_scheduler.ports.store import TaskStore
from tesk_scheduler.usecases.call_cache import CallCache
from tesk_scheduler.usecases.reading import not_found

# Documents to compare with; each may be large.
_COMPARED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class CallExplanation:
    """Explains the call cache to those who may see a task."""

    store: TaskStore
    call_cache: CallCache

    def explain(self, caller: Caller, task_id: TaskId) -> CacheExplanation:
        """Explain what the cache did for a task.

        Raises:
            NotFoundError: There is no such task, or the caller may not see it.
        """
        record = self.store.record(task_id)
        owner = caller.visible_owner
        if record is None or owner not in (None, record.owner):
            raise not_found(task_id)
        call = self.store.call(task_id)
        if call is None:
            text = "the call cache was off when the task was created"
            return CacheExplanation(result=CacheResult.OFF, explanation=text)
        ended = record.state is TaskState.COMPLETE and not call.hit
        return replace(
            self._explain(record, call),
            reusable=call.reusable,
            not_reusable=call.problem if ended and not call.reusable else "",
        )

    def _explain(self, record: TaskRecord, call: CallRecord) -> CacheExplanation:
        if not call.key:
            text = f"the task cannot have the results of another: {call.problem}"
            return CacheExplanation(result=CacheResult.NO_KEY, explanation=text)
        if record.attempt == 0 and not record.state.is_final:
            text = "the task has not begun: only then is a candidate looked for"
            return CacheExplanation(result=CacheResult.PENDING, explanation=text)
        if call.candidate is None:
            return self._without_candidate(record, call)
        return _with_candidate(record, call, call.candidate)

    def _without_candidate(
        self, record: TaskRecord, call: CallRecord
    ) -> CacheExplanation:
        equal = self.store.equal_call(call)
        if equal is not None:
            return CacheExplanation(
                result=CacheResult.NO_CANDIDATE,
                explanation=self._why_equal_does_not_count(equal),
                candidate=equal,
            )
        nearest = self._nearest(record)
        if nearest is None:
            text = (
                "no earlier task of the same owner and name is COMPLETE, so that there"
                " is nothing to compare with"
            )
            return CacheExplanation(result=CacheResult.NO_CANDIDATE, explanation=text)
        other, found = nearest
        text = f"the nearest earlier task, {other}, differs in {len(found)} field{'' if len(found) == 1 else 's'}"
        if not found:
            text = (
                f"task {other} made the same call, but shares no results with this one"
            )
        return CacheExplanation(
            result=CacheResult.NO_CANDIDATE,
            explanation=text,
            candidate=other,
            differences=tuple(found[:MOST_DIFFERENCES]),
            more_differences=max(0, len(found) - MOST_DIFFERENCES),
        )

    def _why_equal_does_not_count(self, equal: TaskId) -> str:
        call = self.store.call(equal)
        if call is None or call.reusable:
            return (
                f"task {equal} made the same call, but was not COMPLETE yet when this"
                " one began"
            )
        return (
            f"task {equal} made the same call, but cannot be reused:"
            f" {call.problem or 'the call cache was off when it ended'}"
        )

    def _nearest(
        self, record: TaskRecord
    ) -> tuple[TaskId, Sequence[CallDifference]] | None:
        """Return the earlier task that differs least, the newest of several."""
        own = self._fields(record)
        best: tuple[TaskId, Sequence[CallDifference]] | None = None
        for other in self.store.comparable(record.id, _COMPARED):
            stored = self.store.record(other)
            if stored is None:
                continue
            found = differences(own, self._fields(stored))
            if best is None or len(found) < len(best[1]):
                best = (other, found)
        return best

    def _fields(self, record: TaskRecord) -> Mapping[str, str]:
        document = self.store.document(record.id)
        if document is None:
            return {}
        described = self.call_cache.describe(document)
        return with_demand(described.fields, record.demand)


def _with_candidate(
    record: TaskRecord, call: CallRecord, candidate: TaskId
) -> CacheExplanation:
    if call.hit:
        text = f"the results are those of task {candidate}; nothing was run"
        result = CacheResult.HIT
    elif call.difference:
        text = f"task {candidate} made the same call, but {call.difference}"
        result = CacheResult.DIFFERENT
    elif record.state.is_final:
        text = (
            f"task {candidate} made the same call, but had not been compared to the end"
            " when this one ended"
        )
        result = CacheResult.DIFFERENT
    else:
        text = f"the results of task {candidate} are being checked"
        result = CacheResult.PENDING
    return CacheExplanation(result=result, explanation=text, candidate=candidate)
