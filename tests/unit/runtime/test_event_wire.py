"""Events survive the wire, and malformed ones are refused by name."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tesk.v1 import assignment_service_pb2 as pb
from tesk.v1.task_pb2 import Wait
from tesk_model.errors import InvalidRequestError
from tesk_model.events import (
    MAX_CPU_SECONDS,
    MAX_MEMORY_BYTES,
    CandidateRejected,
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
from tesk_model.reasons import Reason, ReasonCode
from tesk_model.task import TaskId
from tesk_model.waits import NodeCause, WaitDetails, WaitScope
from tesk_runtime.rpc import event_wire

TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
INDEX = st.integers(0, 1000)
TIME = st.datetimes(
    min_value=datetime(2000, 1, 1),  # noqa: DTZ001 - hypothesis wants it naive
    max_value=datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)
REASONS = st.builds(Reason, st.sampled_from(ReasonCode), TEXT)
NUMBERS = st.none() | st.floats(allow_nan=False, allow_infinity=False)
DETAILS = st.builds(
    WaitDetails,
    scope=st.sampled_from(WaitScope),
    subject=TEXT,
    dimension=TEXT,
    used=NUMBERS,
    limit=NUMBERS,
    needed=NUMBERS,
    remedy=TEXT,
    nodes=st.lists(st.builds(NodeCause, TEXT, INDEX), max_size=3).map(tuple),
)
EXPLAINED = st.builds(Reason, st.sampled_from(ReasonCode), TEXT, st.none() | DETAILS)
HAPPENINGS = st.one_of(
    st.builds(ReasonChanged, EXPLAINED, st.none() | TIME),
    st.builds(Notice, TEXT),
    st.builds(Metadata, st.dictionaries(TEXT, TEXT, max_size=3)),
    st.builds(ExecutorStarted, INDEX),
    st.builds(ExecutorOutput, INDEX, TEXT, TEXT),
    st.builds(
        ExecutorEnded,
        index=INDEX,
        exit_code=st.integers(0, 255),
        stdout=TEXT,
        stderr=TEXT,
        start_time=st.none() | TIME,
        end_time=st.none() | TIME,
        cpu_seconds=st.none() | st.floats(0, MAX_CPU_SECONDS),
        max_memory_bytes=st.none() | st.integers(0, MAX_MEMORY_BYTES),
        image_digest=TEXT,
    ),
    st.builds(CandidateRejected, TEXT),
    st.builds(
        Finished,
        st.sampled_from(Outcome),
        REASONS,
        st.none() | st.just(TaskId("t-2")),
    ),
    st.builds(Released, TEXT),
)
EVENTS = st.builds(
    TaskEvent,
    attempt=st.builds(Attempt, st.just(TaskId("t-1")), st.integers(1, 99)),
    sequence=st.integers(1, 2**40),
    time=TIME,
    payload=HAPPENINGS,
)


@given(EVENTS)
def test_an_event_comes_back_as_it_went(event: TaskEvent) -> None:
    sent = event_wire.event_to_wire(event).SerializeToString()

    found = event_wire.event_from_wire(pb.TaskEvent.FromString(sent))

    assert found == event
    assert details_of(found) == details_of(event)


def details_of(event: TaskEvent) -> WaitDetails | None:
    payload = event.payload
    return payload.reason.details if isinstance(payload, ReasonChanged) else None


def test_a_scope_of_a_later_release_is_none_and_numbers_are_finite() -> None:
    message = pb.TaskEvent(
        attempt=ATTEMPT,
        sequence=1,
        reason="x",
        wait=Wait(scope="moon", used=float("inf"), limit=float("nan"), needed=1),
    )

    details = details_of(event_wire.event_from_wire(message))

    assert details == WaitDetails(scope=WaitScope.NONE, needed=1)


@pytest.mark.parametrize("verdict", EventVerdict)
def test_every_verdict_has_a_value_on_the_wire(verdict: EventVerdict) -> None:
    assert event_wire.verdict_from_wire(event_wire.verdict_to_wire(verdict)) is verdict


def test_a_verdict_of_a_later_release_is_a_refusal() -> None:
    later = pb.ReportResponse.FromString(b"\x0a\x01\x63").verdicts[0]

    assert event_wire.verdict_from_wire(later) is EventVerdict.REFUSED


ATTEMPT = pb.Attempt(task_id="t-1", number=1)
MALFORMED = {
    "no sequence": (pb.TaskEvent(attempt=ATTEMPT, note="x"), "sequence"),
    "no attempt": (pb.TaskEvent(sequence=1, note="x"), "attempt.task_id"),
    "an attempt before the first": (
        pb.TaskEvent(attempt=pb.Attempt(task_id="t-1"), sequence=1, note="x"),
        "attempt.number",
    ),
    "a negative index": (
        pb.TaskEvent(
            attempt=ATTEMPT, sequence=1, executor_started=pb.ExecutorStarted(index=-1)
        ),
        "index",
    ),
    "no outcome": (
        pb.TaskEvent(attempt=ATTEMPT, sequence=1, finished=pb.Finished()),
        "finished.outcome",
    ),
    "a candidate that is no task": (
        pb.TaskEvent(
            attempt=ATTEMPT,
            sequence=1,
            finished=pb.Finished(outcome=pb.OUTCOME_COMPLETE, candidate="../x"),
        ),
        "finished.candidate",
    ),
    "no known kind": (pb.TaskEvent(attempt=ATTEMPT, sequence=1), "event"),
}


@pytest.mark.parametrize(("message", "want"), MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_event_is_refused(message: pb.TaskEvent, want: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"events.{want}"):
        event_wire.event_from_wire(message)


USAGE: dict[str, tuple[float, int, tuple[float | None, int | None]]] = {
    "what can be": (0.0, 0, (0.0, 0)),
    "less than nothing": (-0.001, -1, (None, None)),
    "more than there is": (1e11, 2**63 - 1, (None, None)),
    "no numbers": (float("nan"), 7, (None, 7)),
    "no end": (float("inf"), 7, (None, 7)),
}


@pytest.mark.parametrize(("cpu", "memory", "want"), USAGE.values(), ids=USAGE)
def test_usage_that_cannot_be_is_not_known_and_the_end_counts(
    cpu: float, memory: int, want: tuple[float | None, int | None]
) -> None:
    message = pb.TaskEvent(
        attempt=pb.Attempt(task_id="t-1", number=1),
        sequence=1,
        executor_ended=pb.ExecutorEnded(
            exit_code=3, cpu_seconds=cpu, max_memory_bytes=memory
        ),
    )

    event = event_wire.event_from_wire(message).payload

    assert isinstance(event, ExecutorEnded)
    assert event.exit_code == 3
    assert (event.cpu_seconds, event.max_memory_bytes) == want
