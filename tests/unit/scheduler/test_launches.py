"""What is to become of taskmasters."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler_tasks import NOON
from tesk_model.reasons import Reason, ReasonCode
from tesk_scheduler.domain.fleet import Taskmaster
from tesk_scheduler.domain.launches import (
    Fate,
    Signs,
    Strays,
    fate_of,
    find_strays,
    full_reason,
    is_about_taskmasters,
    refusal_reason,
    starting_reason,
)


def member(*, seen: bool = True, lease: float = 1) -> Taskmaster:
    """Return a taskmaster whose lease has so many seconds left."""
    return Taskmaster(
        id="tm-1",
        slots=1,
        assigned=1,
        lease_until=NOON + timedelta(seconds=lease),
        seen=seen,
        started_at=NOON,
    )


def signs(*, lives: bool = False, may_act: bool = False, words: str = "") -> Signs:
    """Return what a launcher says; by itself that the taskmaster is gone for good."""
    return Signs(lives=lives, may_act=may_act, words=words)


FATES: dict[str, tuple[Taskmaster, Signs, Fate]] = {
    "who lives and calls stays": (member(), signs(lives=True), Fate.KEEP),
    "who is starting has time": (member(seen=False), signs(lives=True), Fate.KEEP),
    "who lives and is silent is lost": (
        member(lease=0),
        signs(lives=True),
        Fate.BURY,
    ),
    "who has not come up in time is lost": (
        member(seen=False, lease=0),
        signs(lives=True),
        Fate.BURY,
    ),
    "who ended is lost at once": (member(), signs(words="exit code 1"), Fate.BURY),
    "who is gone but may still act keeps what it has": (
        member(),
        signs(may_act=True),
        Fate.LEAVE,
    ),
    "but not longer than its lease": (
        member(lease=-1),
        signs(may_act=True),
        Fate.BURY,
    ),
    "who was never started is started": (
        member(seen=False),
        signs(may_act=True),
        Fate.START,
    ),
    "who ended before it called is lost": (
        member(seen=False),
        signs(words="exit code 1"),
        Fate.BURY,
    ),
    "who vanished before it called, too": (
        member(seen=False),
        signs(may_act=True, words="its pod was deleted"),
        Fate.BURY,
    ),
}


@pytest.mark.parametrize(("taskmaster", "said", "want"), FATES.values(), ids=FATES)
def test_fates(taskmaster: Taskmaster, said: Signs, want: Fate) -> None:
    assert fate_of(taskmaster, said, NOON) is want


@given(
    seen=st.booleans(),
    lease=st.integers(-5, 5),
    lives=st.booleans(),
    may_act=st.booleans(),
    words=st.sampled_from(["", "x"]),
)
def test_nobody_is_buried_who_has_work_and_may_act(
    *, seen: bool, lease: int, lives: bool, may_act: bool, words: str
) -> None:
    said = Signs(lives=lives, may_act=may_act, words=words)

    fate = fate_of(member(seen=seen, lease=lease), said, NOON)

    if seen and lease > 0 and (lives or may_act):
        assert fate in (Fate.KEEP, Fate.LEAVE)
    if lease <= 0:
        assert fate is Fate.BURY


def strays(*living: str, now: float, before: Strays | None = None) -> Strays:
    """Look for strays; tm-1 is known, and tm-9 has ended."""
    return find_strays(
        before or Strays(since={}),
        living=living,
        ended=["tm-9"],
        known=["tm-1"],
        now=now,
        grace=60,
    )


def test_what_lives_unexpected_is_given_time() -> None:
    first = strays("tm-1", "tm-2", now=0)
    later = strays("tm-1", "tm-2", now=59, before=first)
    late = strays("tm-1", "tm-2", now=60, before=later)

    assert first.remove == later.remove == ("tm-9",)
    assert late.remove == ("tm-2", "tm-9")


def test_who_was_expected_meanwhile_has_its_time_again() -> None:
    first = strays("tm-2", now=0)
    gone = strays(now=30, before=first)
    again = strays("tm-2", now=60, before=gone)

    assert again.remove == ("tm-9",)


def test_what_ended_stays_as_long_as_the_store_knows_it() -> None:
    found = find_strays(
        Strays(since={}), living=[], ended=["tm-1"], known=["tm-1"], now=0, grace=0
    )

    assert found.remove == ()


def test_reasons_that_end_with_an_assignment() -> None:
    assert is_about_taskmasters(starting_reason("no node"))
    assert is_about_taskmasters(full_reason(20))
    assert is_about_taskmasters(refusal_reason("quota"))
    assert not is_about_taskmasters(
        Reason(ReasonCode.IMAGE_PULLING, "waiting for a taskmaster")
    )
