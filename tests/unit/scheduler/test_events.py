"""Whatever taskmasters report, in whatever order, the rules of states hold."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.scheduler_tasks import NOON, make_demand, make_new_task, make_record
from tesk_model.errors import ConflictError
from tesk_model.events import (
    EventPayload,
    EventVerdict,
    ExecutorEnded,
    ExecutorOutput,
    ExecutorStarted,
    Finished,
    Metadata,
    Notice,
    Outcome,
    ReasonChanged,
    Released,
    TaskEvent,
)
from tesk_model.names import Attempt
from tesk_model.reasons import NO_REASON, Reason, ReasonCode
from tesk_model.states import TRANSITIONS, TaskState
from tesk_scheduler.domain import bounds
from tesk_scheduler.domain.accounting import UsageLedger, charge
from tesk_scheduler.domain.events import Effect, Reporter, apply_event
from tesk_scheduler.domain.quota import Amounts
from tesk_scheduler.domain.records import ExecutorLogChange, TaskRecord
from tesk_scheduler.domain.transitions import admitted, canceled

LATER = NOON + timedelta(minutes=1)
BY = Reporter(taskmaster="tm-1", now=LATER)
RUNS = admitted(make_record(), "tm-1", NOON).replaced(
    state=TaskState.RUNNING, last_sequence=4
)
RETRIES = BY.rules.retries
PREPARES = admitted(make_record(), "tm-1", NOON)
CANCELING = canceled(RUNS, NOON)
LAST_TRY = RUNS.replaced(attempt=3)
PULLING = Reason(ReasonCode.IMAGE_PULLING, "pulling")
NO_IMAGE = Reason(ReasonCode.IMAGE_PULL_FAILED, "no image")
OVER = RUNS.replaced(state=TaskState.COMPLETE, ended_at=NOON)
LOST = RUNS.replaced(state=TaskState.QUEUED)
ENDED = ExecutorEnded(
    index=0, exit_code=3, start_time=NOON, end_time=LATER, stdout="out", stderr="err"
)


def applied(record: TaskRecord, happening: EventPayload) -> Effect:
    """Apply the next event of the record's attempt."""
    attempt = Attempt(record.id, record.attempt)
    event = TaskEvent(
        attempt=attempt,
        sequence=record.last_sequence + 1,
        time=LATER,
        payload=happening,
    )
    return apply_event(record, event, BY)


def test_an_empty_stream_does_not_replace_output() -> None:
    unread = replace(ENDED, stdout="", stderr="")
    for happening in (unread, ExecutorOutput(0, "", "")):
        change = applied(RUNS, happening).executor

        assert change is not None
        assert (change.stdout, change.stderr) == (None, None)


def test_live_output_is_kept_up_to_the_bound_of_the_final_one() -> None:
    for index in (0, bounds.WHOLE_STREAMS, bounds.TRUNCATED_STREAMS):
        most = bounds.stream_bytes(index)
        long = "x" * (bounds.STREAM_BYTES + 1)

        change = applied(RUNS, ExecutorOutput(index, long, long)).executor

        assert change is not None
        assert change.stdout == change.stderr == ("x" * most or None)


def test_leftovers_are_a_line_of_the_ended_task() -> None:
    effect = applied(OVER, Released("w/f: not permitted (1 MiB stay)"))

    assert effect.record.released
    assert effect.lines == (
        "not all of its files could be removed: w/f: not permitted (1 MiB stay)",
    )
    assert applied(OVER, Released()).lines == ()


STATES = {
    "a reason changes no state": (PREPARES, ReasonChanged(PULLING), "INITIALIZING"),
    "the first executor starts": (PREPARES, ExecutorStarted(0), "RUNNING"),
    "what ended has started": (PREPARES, ENDED, "RUNNING"),
    "what prints has started": (PREPARES, ExecutorOutput(0, "a", ""), "RUNNING"),
    "the second executor starts": (RUNS, ExecutorStarted(1), "RUNNING"),
    "success": (RUNS, Finished(Outcome.COMPLETE), "COMPLETE"),
    "success that skipped its start": (
        PREPARES,
        Finished(Outcome.COMPLETE),
        "COMPLETE",
    ),
    "the user's failure": (RUNS, Finished(Outcome.EXECUTOR_ERROR), "EXECUTOR_ERROR"),
    "our failure": (PREPARES, Finished(Outcome.SYSTEM_ERROR), "SYSTEM_ERROR"),
    "canceled unasked": (RUNS, Finished(Outcome.CANCELED), "SYSTEM_ERROR"),
    "lost": (RUNS, Finished(Outcome.LOST), "QUEUED"),
    "lost while preparing": (PREPARES, Finished(Outcome.LOST), "QUEUED"),
    "lost for the last time": (LAST_TRY, Finished(Outcome.LOST), "SYSTEM_ERROR"),
    "canceled": (CANCELING, Finished(Outcome.CANCELED), "CANCELED"),
    "success after cancel": (CANCELING, Finished(Outcome.COMPLETE), "CANCELED"),
    "lost after cancel": (CANCELING, Finished(Outcome.LOST), "CANCELED"),
    "an executor ends after cancel": (CANCELING, ENDED, "CANCELING"),
    "an executor starts after cancel": (CANCELING, ExecutorStarted(1), "CANCELING"),
    "released after cancel": (CANCELING, Released(), "CANCELED"),
    "released while running": (RUNS, Released(), "QUEUED"),
    "released when over": (OVER, Released(), "COMPLETE"),
    "released after it was lost": (LOST, Released(), "QUEUED"),
}


@pytest.mark.parametrize(("record", "happening", "want"), STATES.values(), ids=STATES)
def test_an_event_becomes_a_state(
    record: TaskRecord, happening: EventPayload, want: str
) -> None:
    effect = applied(record, happening)

    assert effect.verdict is EventVerdict.APPLIED
    assert effect.record.state.value == want
    assert effect.record.last_sequence == record.last_sequence + 1


REFUSED = {
    "another attempt": (RUNS.replaced(attempt=2), ReasonChanged(PULLING)),
    "another taskmaster": (
        RUNS.replaced(taskmaster="tm-2"),
        ReasonChanged(PULLING),
    ),
    "a final state": (OVER, Finished(Outcome.SYSTEM_ERROR)),
    "a note on a final state": (OVER, Notice("x")),
    "an attempt that was lost": (LOST, ENDED),
    "a released attempt": (OVER.replaced(released=True), Released()),
}


@pytest.mark.parametrize(("record", "happening"), REFUSED.values(), ids=REFUSED)
def test_an_event_is_refused(record: TaskRecord, happening: EventPayload) -> None:
    event = TaskEvent(
        attempt=Attempt(record.id, 1), sequence=9, time=LATER, payload=happening
    )

    effect = apply_event(record, event, BY)

    assert effect == Effect(verdict=EventVerdict.REFUSED, record=record)


@pytest.mark.parametrize("sequence", [1, 4])
def test_an_old_event_changes_nothing(sequence: int) -> None:
    event = TaskEvent(
        attempt=Attempt(RUNS.id, 1), sequence=sequence, time=LATER, payload=Released()
    )

    assert apply_event(RUNS, event, BY) == Effect(
        verdict=EventVerdict.DUPLICATE, record=RUNS
    )


def test_a_repeated_release_is_a_duplicate() -> None:
    released = applied(OVER, Released()).record
    event = TaskEvent(
        attempt=Attempt(OVER.id, 1),
        sequence=released.last_sequence,
        time=LATER,
        payload=Released(),
    )

    assert apply_event(released, event, BY).verdict is EventVerdict.DUPLICATE


def test_an_ended_executor_has_its_whole_log() -> None:
    assert applied(RUNS, ENDED).executor == ExecutorLogChange(
        index=0,
        started_at=NOON,
        ended_at=LATER,
        exit_code=3,
        stdout="out",
        stderr="err",
    )


def test_a_lost_attempt_leaves_one_line() -> None:
    effect = applied(
        RUNS, Finished(Outcome.LOST, Reason(ReasonCode.NODE_LOST, "the node is gone"))
    )

    assert effect.lost
    assert effect.lines == ("attempt 1 was lost: the node is gone",)
    assert effect.record.queued_at == LATER
    assert not effect.record.released


def test_giving_up_says_so() -> None:
    effect = applied(
        LAST_TRY, Finished(Outcome.LOST, Reason(ReasonCode.STEP_VANISHED, "gone"))
    )

    assert effect.lines == ("attempt 3 was lost: gone", "gave up after 3 attempts")
    assert not effect.lost


LINES = {
    "a note": (RUNS, Notice("a line"), ("a line",)),
    "why it failed": (RUNS, Finished(Outcome.SYSTEM_ERROR, NO_IMAGE), ("no image",)),
    "no reason, no line": (RUNS, Finished(Outcome.COMPLETE), ()),
    "metadata is no line": (RUNS, Metadata({"node": "n"}), ()),
}


@pytest.mark.parametrize(("record", "happening", "want"), LINES.values(), ids=LINES)
def test_lines_of_system_logs(
    record: TaskRecord, happening: EventPayload, want: tuple[str, ...]
) -> None:
    assert applied(record, happening).lines == want


def test_what_a_later_executor_waited_for_is_forgotten_when_it_starts() -> None:
    waits = applied(RUNS, ReasonChanged(PULLING)).record

    assert applied(waits, ExecutorStarted(1)).record.reason == NO_REASON
    assert applied(waits, ExecutorOutput(0, "a", "")).record.reason == PULLING


TOO_LONG = Reason(ReasonCode.RUN_TIME_EXCEEDED, "ran for too long")
STOPPED = RUNS.replaced(reason=TOO_LONG, stop=TOO_LONG)


@pytest.mark.parametrize("record", [CANCELING, STOPPED], ids=["cancel", "stop"])
def test_an_executor_that_starts_hides_no_order_to_end(record: TaskRecord) -> None:
    assert record.reason.text

    started = applied(record, ExecutorStarted(1)).record

    assert started.reason == record.reason


def test_the_end_is_timed_and_what_it_waited_for_is_forgotten() -> None:
    record = RUNS.replaced(reason=PULLING)

    ended = applied(record, Finished(Outcome.COMPLETE)).record

    assert (ended.ended_at, ended.reason) == (LATER, NO_REASON)


GONE = Reason(ReasonCode.NODE_LOST, "the node is gone")
VANISHED = Reason(ReasonCode.STEP_VANISHED, "its pod was deleted")
# What happens; the code of the end, and that which the task keeps.
CODES: dict[str, tuple[TaskRecord, EventPayload, ReasonCode, ReasonCode]] = {
    "success has none": (
        *(RUNS, Finished(Outcome.COMPLETE)),
        *(ReasonCode.NONE, ReasonCode.NONE),
    ),
    "our failure": (
        *(PREPARES, Finished(Outcome.SYSTEM_ERROR, NO_IMAGE)),
        *(ReasonCode.IMAGE_PULL_FAILED, ReasonCode.IMAGE_PULL_FAILED),
    ),
    "the user's failure, reported by an earlier release": (
        *(RUNS, Finished(Outcome.EXECUTOR_ERROR)),
        *(ReasonCode.EXECUTOR_FAILED, ReasonCode.EXECUTOR_FAILED),
    ),
    "a lost attempt, which another follows": (
        *(RUNS, Finished(Outcome.LOST, GONE)),
        *(ReasonCode.NODE_LOST, ReasonCode.NONE),
    ),
    "a lost attempt that was the last": (
        *(LAST_TRY, Finished(Outcome.LOST, VANISHED)),
        *(ReasonCode.STEP_VANISHED, ReasonCode.STEP_VANISHED),
    ),
    "a cancel, however the attempt ended": (
        *(CANCELING, Finished(Outcome.LOST, GONE)),
        *(ReasonCode.CANCELED, ReasonCode.CANCELED),
    ),
    "an attempt that was released without an outcome": (
        *(RUNS, Released()),
        *(ReasonCode.TASKMASTER_FAILED, ReasonCode.NONE),
    ),
}


@pytest.mark.parametrize(
    ("record", "happening", "end", "kept"), CODES.values(), ids=CODES
)
def test_an_end_has_a_code(
    record: TaskRecord, happening: EventPayload, end: ReasonCode, kept: ReasonCode
) -> None:
    effect = applied(record, happening)

    assert effect.end is not None
    assert effect.end.code is end
    assert effect.record.reason == Reason(kept)


def test_an_unreleased_task_is_not_admitted_again() -> None:
    with pytest.raises(ConflictError, match="not released"):
        admitted(LOST, "tm-2", LATER)


def test_since_when_an_attempt_is_held_up_is_kept_until_it_goes_on() -> None:
    waits = applied(RUNS, ReasonChanged(PULLING, LATER)).record

    assert waits.held_up_since == LATER
    assert applied(waits, Notice("n")).record.held_up_since == LATER
    assert applied(waits, ReasonChanged(PULLING)).record.held_up_since is None
    for goes_on in (ExecutorStarted(1), ExecutorOutput(1, "a", ""), ENDED):
        assert applied(waits, goes_on).record.held_up_since is None


def test_a_new_attempt_starts_from_nothing() -> None:
    waiting = LOST.replaced(
        released=True,
        inputs_finished=True,
        inputs_ended_at=LATER,
        held_up_since=LATER,
    )

    record = admitted(waiting, "tm-2", LATER)

    assert record.attempt == 2
    assert record.taskmaster == "tm-2"
    assert (record.last_sequence, record.inputs_finished) == (0, False)
    assert (record.inputs_ended_at, record.held_up_since) == (None, None)


HAPPENINGS: st.SearchStrategy[EventPayload] = st.one_of(
    st.builds(ReasonChanged, st.just(PULLING)),
    st.builds(Notice, st.just("n")),
    st.builds(ExecutorStarted, st.integers(0, 2)),
    st.builds(ExecutorOutput, st.integers(0, 2), st.just("a"), st.just("b")),
    st.just(ENDED),
    st.builds(Finished, st.sampled_from(Outcome)),
    st.just(Released()),
)
EVENTS = st.tuples(
    st.integers(1, 4), st.integers(1, 12), st.sampled_from(["tm-1", "tm-2"]), HAPPENINGS
)
STEPS = st.lists(st.one_of(st.sampled_from(["admit", "cancel"]), EVENTS), max_size=60)


def stepped(record: TaskRecord, step: object) -> TaskRecord:
    """Do one thing to a task, if it may be done."""
    if step == "cancel":
        return canceled(record, LATER)
    if step == "admit":
        waits = record.state is TaskState.QUEUED and record.released
        return admitted(record, "tm-1", LATER) if waits else record
    assert isinstance(step, tuple)
    attempt, sequence, taskmaster, happening = step
    event = TaskEvent(
        attempt=Attempt(record.id, attempt),
        sequence=sequence,
        time=LATER,
        payload=happening,
    )
    return apply_event(record, event, replace(BY, taskmaster=taskmaster)).record


def reachable(state: TaskState) -> set[TaskState]:
    """Return where one event may lead: directly, or past RUNNING."""
    direct = TRANSITIONS[state]
    past = TRANSITIONS[TaskState.RUNNING] if TaskState.RUNNING in direct else set()
    return {state} | direct | past


@given(STEPS)
def test_no_history_breaks_the_table(steps: list[object]) -> None:
    record = make_record()
    for step in steps:
        after = stepped(record, step)

        assert after.state in reachable(record.state)
        assert not record.state.is_final or after.state is record.state
        assert after.attempt in (record.attempt, record.attempt + 1)
        assert after.attempt <= RETRIES.max_attempts + RETRIES.max_uncounted
        assert after.state.is_final == (after.ended_at is not None)
        record = after


@given(STEPS)
def test_counters_agree_with_a_recount(steps: list[object]) -> None:
    charged: dict[str, Any] = {
        "group": "genomics",
        "namespace": "team-a",
        "gpu_type": "a100",
        "demand": make_demand(gpu=2),
    }
    record = make_record(**charged)
    ledger = UsageLedger()
    ledger.created(make_new_task("t-1", **charged))
    for step in steps:
        after = stepped(record, step)
        ledger.changed(record, after)
        record = after

    want = charge(record.state, record.demand)
    counted: dict[object, Amounts] = dict(ledger.changes())
    assert {counted.get(subject, Amounts()) for subject in record.subjects} == {want}
