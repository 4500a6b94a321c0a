import pytest

from builders.queues import ALICE, LAB
from tesk_scheduler.domain.priorities import Priority, priority_of
from tesk_scheduler.domain.quota import EVERYBODY, Quota, Share

SUBJECTS = (ALICE, LAB, EVERYBODY)
CAPPED = Quota(shares={ALICE: Share(max_priority=50), LAB: Share(max_priority=70)})
RAISED = Quota(shares={ALICE: Share(max_priority=500)})

PRIORITIES = {
    "none": ({}, Quota(), 0, ""),
    "a name": ({"priority": "high"}, Quota(), 100, ""),
    "a number": ({"priority": "-7"}, Quota(), -7, ""),
    "a name of the quota": ({"priority": "x"}, Quota(priorities={"x": 3}), 3, ""),
    "more than has a name": (
        {"priority": "900"},
        Quota(),
        100,
        "priority 900 was lowered to 100, the highest that alice may have",
    ),
    "more than the lowest of what is allowed": (
        {"priority": "high"},
        CAPPED,
        50,
        "priority high was lowered to 50, the highest that alice may have",
    ),
    "more than has a name, and allowed": ({"priority": "499"}, RAISED, 499, ""),
}


@pytest.mark.parametrize(
    ("tags", "quota", "value", "note"), PRIORITIES.values(), ids=PRIORITIES
)
def test_a_priority_is_what_the_tag_says_and_the_quota_permits(
    tags: dict[str, str], quota: Quota, value: int, note: str
) -> None:
    assert priority_of(tags, SUBJECTS, quota) == Priority(value, note)


@pytest.mark.parametrize(
    "text", ["", "urgent", "1.5", "1001", "-1001", "+1", " 1", "٣", "--1", "9" * 99]
)
def test_any_other_tag_is_the_users_own_and_ignored_with_a_note(text: str) -> None:
    found = priority_of({"priority": text}, SUBJECTS, Quota())

    assert found.value == 0
    assert found.note.startswith("the tag priority is no priority and was ignored: it ")
    assert found.note.endswith(
        "(high, low, normal) nor a whole number from -1000 to 1000"
    )
    assert len(found.note) < 230
