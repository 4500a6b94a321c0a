"""Which events are sent when: at once, or with others."""

import math
from datetime import UTC, datetime, timedelta

import pytest

from tesk_model.events import (
    EventPayload,
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
from tesk_taskmaster.usecases.pending_events import PendingEvents

ONE, TWO = Attempt(TaskId("t1"), 1), Attempt(TaskId("t2"), 1)
NOW = 100.0
REASON = ReasonChanged(Reason(ReasonCode.TRANSFERRING, "transferring inputs"))
ENDED = ExecutorEnded(
    index=0, exit_code=0, stdout="", stderr="", start_time=None, end_time=None
)


def event(payload: EventPayload, attempt: Attempt = ONE) -> TaskEvent:
    time = datetime(2024, 1, 1, tzinfo=UTC)
    return TaskEvent(attempt=attempt, sequence=1, time=time, payload=payload)


def pending(*payloads: EventPayload) -> PendingEvents:
    """Return events that came now, of which some may be held for a second."""
    events = PendingEvents(timedelta(seconds=1))
    for payload in payloads:
        events.add(event(payload), NOW)
    return events


DUE: dict[str, tuple[list[EventPayload], float]] = {
    "nothing": ([], math.inf),
    "a reason may be over soon": ([REASON], NOW + 1),
    "an end, a notice, metadata": ([ENDED, Notice("x"), Metadata({})], NOW + 1),
    "a start is told at once": ([ExecutorStarted(0)], NOW),
    "so is the outcome": ([Finished(Outcome.COMPLETE)], NOW),
    "and that nothing is left": ([Released("")], NOW),
    "live output is a second old already": ([ExecutorOutput(0, "a", "")], NOW),
    "what is held goes with what is not": ([REASON, ExecutorStarted(0)], NOW),
    "in whatever order they come": ([ExecutorStarted(0), REASON], NOW),
}


@pytest.mark.parametrize(("payloads", "want"), DUE.values(), ids=DUE)
def test_when_events_are_due(payloads: list[EventPayload], want: float) -> None:
    events = pending(*payloads)

    assert events.due == want
    assert bool(events) == bool(payloads)


def test_events_keep_their_order() -> None:
    events = pending(REASON, ENDED, Finished(Outcome.COMPLETE))

    assert events.take() == [
        event(REASON),
        event(ENDED),
        event(Finished(Outcome.COMPLETE)),
    ]
    assert (bool(events), events.due) == (False, math.inf)


def test_what_is_dropped_is_not_due() -> None:
    events = pending(Finished(Outcome.COMPLETE))
    events.drop(ONE)
    events.add(event(REASON, TWO), NOW)

    assert events.due == NOW + 1
    assert events.take() == [event(REASON, TWO)]


def test_nobody_hastens_nothing() -> None:
    events = pending()

    events.hasten(NOW)

    assert events.due == math.inf


def test_live_output_takes_the_place_of_older_one_alone() -> None:
    new = ExecutorOutput(0, "ab", "")
    events = pending(ExecutorOutput(0, "a", ""))

    assert events.replace(ONE, new)
    assert not events.replace(TWO, new)
    assert not events.replace(ONE, REASON)
    assert events.take() == [event(new)]
