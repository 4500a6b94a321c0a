"""The lines of attempts that others followed, written and read."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tesk_model.attempt_lines import (
    EndedAttempt,
    ended_attempts,
    format_attempt,
    node_names,
)
from tesk_model.reasons import ReasonCode

TIMES = st.datetimes(
    datetime(1970, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    datetime(9000, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
).map(lambda time: time.replace(microsecond=0))
NODES = st.lists(st.from_regex(r"[a-z0-9][a-z0-9.-]{0,20}", fullmatch=True), max_size=3)
ATTEMPTS = st.builds(
    EndedAttempt,
    number=st.integers(1, 999),
    began=TIMES,
    ended=TIMES,
    nodes=NODES.map(" ".join),
    code=st.sampled_from([code.value for code in ReasonCode]),
    counts=st.booleans(),
)


@given(ATTEMPTS, st.sampled_from(["at once", "not before 2026-01-01T12:00:00Z"]))
def test_a_line_is_read_as_it_was_written(attempt: EndedAttempt, follows: str) -> None:
    assert ended_attempts([format_attempt(attempt, follows)]) == [attempt]


def test_an_attempt_has_the_cause_of_the_line_before() -> None:
    times = "2026-01-01T12:00:00Z to 2026-01-01T12:05:00Z"
    where = "on n1 and 4 more, NODE_LOST (does not count)"
    lines = [
        "queued 5 min 0 s: 5 min 0 s for its turn",
        "attempt 1 was lost: its node is gone",
        f"attempt 1: {times}, {where}; attempt 2 follows at once",
    ]

    [attempt] = ended_attempts(lines)

    assert attempt.cause == "its node is gone"
    assert (attempt.nodes, attempt.code) == ("n1 and 4 more", "NODE_LOST")
    assert not attempt.counts


@pytest.mark.parametrize(
    "line",
    [
        "attempt 1: yesterday to today; attempt 2 follows at once",
        "attempt 1: 2026-99-01T12:00:00Z to 2026-01-01T12:05:00Z; attempt 2 follows x",
        "input 1: attempt 1: 2026-01-01T12:00:00Z",
        "",
    ],
)
def test_other_lines_are_left_alone(line: str) -> None:
    assert ended_attempts([line]) == []


@given(st.lists(st.text()))
def test_no_line_is_too_strange(lines: list[str]) -> None:
    ended_attempts([*lines, *(f"attempt 1: {line}" for line in lines)])


def test_nodes_are_named_once_by_their_steps() -> None:
    metadata = {
        "executors[1].node": "n2",
        "executors[0].node": "n1",
        "inputs.node": "n1",
        "executors[0].pod": "p",
    }
    assert node_names(metadata) == ["n1", "n2"]
