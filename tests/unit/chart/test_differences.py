"""Differences of documents are shown for review."""

from typing import Any

import pytest

from reviewed.differences import ABSENT, difference

CASES: dict[str, tuple[Any, Any, Any]] = {
    "nothing": ({"a": [1, {"b": 2}]}, {"a": [1, {"b": 2}]}, {}),
    "a value": ({"a": 1, "b": 2}, {"a": 1, "b": 3}, {"b": 3}),
    "a value deep inside": (
        {"a": {"b": 1, "c": 2}},
        {"a": {"b": 0, "c": 2}},
        {"a": {"b": 0}},
    ),
    "what was added": ({}, {"a": {"b": 1}}, {"a": {"b": 1}}),
    "what is gone": ({"a": 1}, {}, {"a": ABSENT}),
    "a list, whole": ({"a": [1, 2]}, {"a": [1, 3]}, {"a": [1, 3]}),
    "items by name": (
        [{"name": "a", "v": 1}, {"name": "b", "v": 1}],
        [{"name": "a", "v": 1}, {"name": "b", "v": 2}],
        {"b": {"v": 2}},
    ),
    "items in another order": (
        [{"name": "a"}, {"name": "b"}],
        [{"name": "b"}, {"name": "a"}],
        ["b", "a"],
    ),
    "a mapping that became empty": ({"a": {"b": 1}}, {"a": {}}, {"a": {"b": ABSENT}}),
    "a value of another kind": ({"a": {"b": 1}}, {"a": None}, {"a": None}),
}


@pytest.mark.parametrize(("base", "other", "want"), CASES.values(), ids=CASES)
def test_a_difference_shows_what_differs(base: Any, other: Any, want: Any) -> None:
    assert difference(base, other) == want
