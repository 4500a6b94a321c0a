"""Events survive the wire, and malformed ones are refused by name."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tesk.v1 import assignment_service_pb2 as pb
from tesk_model.errors import InvalidRequestError
from tesk_model.events import (
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
from tesk_runtime.rpc import event_wire

TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
INDEX = st.integers(0, 1000)
TIME = st.datetimes(
    min_value=datetime(2000, 1, 1),  # noqa: DTZ001 - hypothesis wants it naive
    max_value=datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)
REASONS = st.builds(Reason, st.sampled_from(ReasonCode), TEXT)
HAPPENINGS = st.one_of(
    st.builds(ReasonChanged, REASONS, st.none() | TIME),
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
    ),
    st.builds(Finished, st.sampled_from(Outcome), REASONS),
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

    assert event_wire.event_from_wire(pb.TaskEvent.FromString(sent)) == event


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
    "no known kind": (pb.TaskEvent(attempt=ATTEMPT, sequence=1), "event"),
}


@pytest.mark.parametrize(("message", "want"), MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_event_is_refused(message: pb.TaskEvent, want: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"events.{want}"):
        event_wire.event_from_wire(message)
