"""What receivers are told is a CloudEvent: true, bounded, and the same each time."""

import json
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from builders.webhooks import make_change
from tesk_model.reasons import ReasonCode
from tesk_model.states import TaskState
from tesk_scheduler.domain.webhooks.events import TaskChange, render_event

SOURCE = "https://tes.example.org"
MOST = 40_000  # bytes of any event
TEXTS = st.text(st.characters(codec="utf-8"), max_size=3000)


def event_of(change: TaskChange) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(render_event(change, SOURCE))
    return parsed


def test_an_event_has_all_that_cloudevents_want_and_what_happened() -> None:
    change = make_change(
        state=TaskState.EXECUTOR_ERROR, reason=ReasonCode.OUT_OF_MEMORY
    )

    assert event_of(change) == {
        "specversion": "1.0",
        "id": "t-1.7",
        "source": SOURCE,
        "type": "tesk.task.state_changed",
        "subject": "t-1",
        "time": "2026-01-01T12:02:00Z",
        "datacontenttype": "application/json",
        "sequence": "00000000000000000007",
        "data": {
            "id": "t-1",
            "state": "EXECUTOR_ERROR",
            "reason": "OUT_OF_MEMORY",
            "attempt": 1,
            "name": "sort",
            "tags": {"project": "x"},
            "creation_time": "2026-01-01T12:00:00Z",
            "start_time": "2026-01-01T12:01:00Z",
            "end_time": "2026-01-01T12:02:00Z",
        },
    }


def test_what_is_not_known_yet_is_left_out() -> None:
    change = make_change(
        state=TaskState.QUEUED, name=None, tags={}, started_at=None, ended_at=None
    )

    data = event_of(change)["data"]

    assert data.keys() == {"id", "state", "attempt", "creation_time", "tags"}


def test_tags_that_are_too_many_are_counted() -> None:
    tags = {f"key-{number:04}": "v" * 100 for number in range(1000)}

    data = event_of(make_change(tags=tags))["data"]

    assert data["tags_omitted"] == 1000 - len(data["tags"])
    assert 0 < len(data["tags"]) < 1000
    assert data["tags"].items() <= tags.items()


@given(name=TEXTS, tags=st.dictionaries(TEXTS, TEXTS, max_size=20))
def test_an_event_is_bounded_and_whole_whatever_users_write(
    name: str, tags: dict[str, str]
) -> None:
    change = make_change(name=name, tags=tags)

    body = render_event(change, SOURCE)

    assert len(body) < MOST
    assert body == render_event(change, SOURCE)
    data = json.loads(body)["data"]
    assert len(data["tags"]) + data.get("tags_omitted", 0) == len(tags)


@given(st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1))
def test_sequences_compare_as_text_as_they_do_as_numbers(one: int, two: int) -> None:
    first, second = (
        event_of(make_change(position=each))["sequence"] for each in (one, two)
    )

    assert (first < second) == (one < two)


@given(st.datetimes(timezones=st.just(UTC)))
def test_times_can_be_read_back(time: datetime) -> None:
    event = event_of(make_change(changed_at=time))

    assert datetime.fromisoformat(event["time"]) == time
