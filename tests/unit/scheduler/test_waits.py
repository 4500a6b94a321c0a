"""What a task has waited for is added up, bounded, and said once it has lasted."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from builders.scheduler_tasks import NOON, make_record
from tesk_model.reasons import NO_REASON, Reason, ReasonCode
from tesk_model.states import TaskState
from tesk_model.waits import WaitDetails, WaitScope
from tesk_scheduler.domain.transitions import queue_line, with_reason
from tesk_scheduler.domain.waits import (
    LASTING,
    MAX_CAUSES,
    MAX_LINES,
    NO_HISTORY,
    WaitHistory,
    admission_line,
    continued,
    lasting_line,
    total_spent,
)

MINUTE = timedelta(minutes=1)


def limited(subject: str, text: str = "50 of 50 tasks running") -> Reason:
    details = WaitDetails(scope=WaitScope.USER, subject=subject)
    return Reason(ReasonCode.QUOTA_FULL, f"{subject}: {text}", details)


FULL = Reason(
    ReasonCode.CAPACITY_FULL,
    "waiting for 4 cpu: 2 free",
    WaitDetails(scope=WaitScope.CAPACITY),
)


def test_the_line_at_admission_says_where_the_time_went() -> None:
    first = continued(
        NO_HISTORY, NO_REASON, limited("alice"), began=NOON, now=NOON + 2 * MINUTE
    )
    second = continued(
        first, limited("alice"), FULL, began=NOON, now=NOON + 12 * MINUTE
    )
    record = make_record(reason=FULL, history=second, queued_at=NOON)

    line = queue_line(record, NOON + 15 * MINUTE)

    assert line == (
        "queued 15 min 0 s: 2 min 0 s for its turn, 10 min 0 s for a limit"
        " (alice: 50 of 50 tasks running), 3 min 0 s for capacity"
        " (waiting for 4 cpu: 2 free)"
    )


def test_a_short_wait_has_no_line() -> None:
    record = make_record(queued_at=NOON)

    assert queue_line(record, NOON + timedelta(seconds=59)) == ""


def test_numbers_may_change_while_the_cause_stays() -> None:
    before = limited("alice", "49 of 50 cpu in use, 2 needed")
    history = WaitHistory(since=NOON)

    after = continued(history, before, limited("alice"), began=NOON, now=NOON + MINUTE)

    assert after == history


def test_a_cause_that_comes_back_is_counted_with_what_it_took_before() -> None:
    history, reason = NO_HISTORY, NO_REASON
    for number in range(6):
        after = FULL if number % 2 else limited("alice")
        history = continued(
            history, reason, after, began=NOON, now=NOON + number * MINUTE
        )
        reason = after

    spent = total_spent(history.spent, reason, queued=6 * MINUTE)

    assert [(each.code, each.time) for each in spent] == [
        ("QUOTA_FULL", 3 * MINUTE),
        ("CAPACITY_FULL", 3 * MINUTE),
    ]


def test_a_cause_that_has_lasted_is_said_once() -> None:
    history = WaitHistory(since=NOON)

    early, none = lasting_line(history, FULL, NOON + LASTING - MINUTE)
    told, line = lasting_line(early, FULL, NOON + LASTING)
    again, nothing = lasting_line(told, FULL, NOON + 2 * LASTING)

    assert none == nothing == ""
    assert line == "waiting since 2026-01-01 12:00 UTC: waiting for 4 cpu: 2 free"
    assert again == told


def test_causes_that_change_for_ever_fill_no_log() -> None:
    history, reason, lines = NO_HISTORY, NO_REASON, []
    for number in range(40):
        now = NOON + number * LASTING
        after = limited("alice") if number % 2 else FULL
        history = continued(history, reason, after, began=NOON, now=now)
        reason = after
        history, line = lasting_line(history, reason, now + LASTING)
        lines += [line] if line else []

    assert len(lines) == MAX_LINES


@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from([NO_REASON, FULL, *(limited(f"u{n}") for n in range(40))]),
            st.integers(-5, 900),
        ),
        max_size=60,
    )
)
def test_the_parts_add_up_to_the_whole_and_stay_few(
    steps: list[tuple[Reason, int]],
) -> None:
    history, reason, now, latest = NO_HISTORY, NO_REASON, NOON, NOON
    for after, seconds in steps:
        now += timedelta(seconds=seconds)
        latest = max(latest, now)
        history = continued(history, reason, after, began=NOON, now=now)
        reason = after

    spent = total_spent(history.spent, reason, queued=latest - NOON)

    assert sum((each.time for each in spent), timedelta()) == latest - NOON
    assert all(each.time >= timedelta() for each in spent)
    assert len(spent) <= MAX_CAUSES
    assert len({each.cause for each in spent}) == len(spent)
    assert len(admission_line(spent)) < 8192


def test_an_admitted_task_knows_since_when_it_waits_for_the_same() -> None:
    record = make_record(state=TaskState.INITIALIZING, attempt=1)
    pulling = Reason(ReasonCode.IMAGE_PULLING, "pulling a")

    first = with_reason(record, pulling, NOON)
    more = with_reason(
        first, Reason(ReasonCode.IMAGE_PULLING, "pulling a, 3 MiB"), NOON + MINUTE
    )
    other = with_reason(more, Reason(ReasonCode.STEP_STARTING, "x"), NOON + MINUTE)
    over = with_reason(other, NO_REASON, NOON + MINUTE)

    since = [each.history.since for each in (first, more, other, over)]
    assert since == [NOON, NOON, NOON + MINUTE, None]
