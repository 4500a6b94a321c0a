"""What follows a try to deliver an event."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.scheduler_tasks import NOON
from builders.webhooks import RULES, make_delivery
from tesk_scheduler.domain.webhooks.deliveries import (
    Circuit,
    Outcome,
    Response,
    SendResult,
    settle,
)

UNAVAILABLE = SendResult(response=Response.UNAVAILABLE, detail="refuses connections")
TABLE = {
    "accepted": (0, Response.ACCEPTED, Outcome.DELIVERED),
    "gone": (0, Response.GONE, Outcome.DROPPED),
    "rejected": (0, Response.REJECTED, Outcome.RETRIED),
    "unavailable": (0, Response.UNAVAILABLE, Outcome.RETRIED),
    "forbidden": (0, Response.FORBIDDEN, Outcome.DEAD),
    "the last try but one": (1, Response.REJECTED, Outcome.RETRIED),
    "the last try": (2, Response.REJECTED, Outcome.DEAD),
    "the last try, accepted": (2, Response.ACCEPTED, Outcome.DELIVERED),
}


@pytest.mark.parametrize(("tries", "response", "want"), TABLE.values(), ids=TABLE)
def test_each_response_has_its_outcome(
    tries: int, response: Response, want: Outcome
) -> None:
    settled = settle(
        make_delivery(tries=tries),
        SendResult(response=response, detail="d"),
        RULES,
        now=NOON,
        jitter=0.5,
    )

    assert settled.outcome is want
    assert (settled.retry_at is not None) == (want is Outcome.RETRIED)


def test_an_event_that_would_be_too_old_is_dead() -> None:
    late = NOON + RULES.max_age

    settled = settle(make_delivery(), UNAVAILABLE, RULES, now=late, jitter=0)

    assert settled.outcome is Outcome.DEAD
    assert settled.detail == "refuses connections"


@given(
    tries=st.integers(0, 1),
    jitter=st.floats(0, 1),
    asked=st.integers(0, 10**9) | st.none(),
)
def test_pauses_grow_are_never_short_and_follow_the_receiver_within_bounds(
    tries: int, jitter: float, asked: int | None
) -> None:
    after = None if asked is None else timedelta(seconds=asked)
    result = SendResult(response=Response.UNAVAILABLE, retry_after=after)
    rules = RULES
    usual = rules.backoff.pause(tries + 1)

    settled = settle(make_delivery(tries=tries), result, rules, now=NOON, jitter=jitter)

    assert settled.retry_at is not None
    pause = settled.retry_at - NOON
    assert usual / 2 <= pause <= rules.backoff.longest
    if after is not None and after <= rules.backoff.longest:
        assert pause >= after
    if after is None:
        assert pause <= usual


def test_a_destination_that_is_unavailable_waits_longer_each_time() -> None:
    circuit, pauses = Circuit(), []
    for _ in range(20):
        circuit = circuit.after(UNAVAILABLE, RULES, now=NOON, jitter=1)
        assert circuit.not_before is not None
        pauses.append(circuit.not_before - NOON)

    assert pauses == sorted(pauses)
    assert pauses[0] == RULES.backoff.first
    assert pauses[-1] == RULES.backoff.longest


@pytest.mark.parametrize(
    "response", [each for each in Response if each is not Response.UNAVAILABLE]
)
def test_a_destination_that_responds_is_tried_at_once_again(
    response: Response,
) -> None:
    circuit = Circuit().after(UNAVAILABLE, RULES, now=NOON, jitter=1)

    after = circuit.after(SendResult(response=response), RULES, now=NOON, jitter=1)

    assert after == Circuit()
