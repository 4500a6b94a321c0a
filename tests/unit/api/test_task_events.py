"""What followers of a task are told leads from what they have to what there is."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tesk_api.domain.task_events import TaskEvent, events_between, version_of
from tesk_cli.domain.live_events import applied

View = dict[str, Any]


def view(**changes: Any) -> View:
    return {
        "id": "t-1",
        "state": "RUNNING",
        "reason": "",
        "reason_code": "",
        "transfers": [],
        "metadata": {},
        "executors": [],
        "outputs": [],
        "system_logs": [],
    } | changes


RUNS = {"index": 0, "stdout": "a\n", "stderr": "", "start_time": "2026-01-01T00:00:00Z"}
CASES: dict[str, tuple[View | None, View, list[TaskEvent]]] = {
    "who has nothing gets all": (None, view(), [TaskEvent("task", view())]),
    "nothing": (view(), view(), []),
    "a state and its reason": (
        view(),
        view(state="CANCELING", reason="canceling"),
        [TaskEvent("change", {"state": "CANCELING", "reason": "canceling"})],
    ),
    "what is there no more": (
        view(wait={"remedy": "x"}),
        view(),
        [TaskEvent("change", {"wait": None})],
    ),
    "the time that passes": (
        view(wait={"remedy": "x", "spent": [1]}),
        view(wait={"remedy": "x", "spent": [2]}),
        [],
    ),
    "an executor begins": (
        view(),
        view(executors=[RUNS]),
        [
            TaskEvent("executor", {"index": 0, "start_time": RUNS["start_time"]}),
            TaskEvent("output", {"index": 0, "stdout": "a\n"}),
        ],
    ),
    "it prints more": (
        view(executors=[RUNS]),
        view(executors=[RUNS | {"stdout": "a\nb\n", "stderr": "c"}]),
        [TaskEvent("output", {"index": 0, "stdout": "b\n", "stderr": "c"})],
    ),
    "the begin of its output is kept no more": (
        view(executors=[RUNS]),
        view(executors=[RUNS | {"stdout": "b\n"}]),
        [TaskEvent("task", view(executors=[RUNS | {"stdout": "b\n"}]))],
    ),
    "another attempt": (
        view(executors=[RUNS]),
        view(state="QUEUED"),
        [TaskEvent("task", view(state="QUEUED"))],
    ),
    "lines": (
        view(system_logs=["a"]),
        view(system_logs=["a", "b"]),
        [TaskEvent("system_logs", {"lines": ["b"]})],
    ),
    "the end": (
        view(),
        view(state="COMPLETE"),
        [
            TaskEvent("change", {"state": "COMPLETE"}),
            TaskEvent("end", {"state": "COMPLETE"}),
        ],
    ),
}


@pytest.mark.parametrize(("before", "after", "want"), CASES.values(), ids=CASES)
def test_followers_are_told_what_changed(
    before: View | None, after: View, want: list[TaskEvent]
) -> None:
    assert events_between(before, after) == want


TEXT = st.text("ab\n", max_size=4)
EXECUTORS = st.lists(
    st.fixed_dictionaries(
        {}, optional={"stdout": TEXT, "stderr": TEXT, "exit_code": st.integers(0, 3)}
    ),
    max_size=3,
).map(lambda found: [{"index": n, **each} for n, each in enumerate(found)])
VIEWS = st.builds(
    lambda wait, **fields: view(**fields, **({"wait": wait} if wait else {})),
    wait=st.none() | st.fixed_dictionaries({"remedy": TEXT}),
    state=st.sampled_from(["QUEUED", "RUNNING", "COMPLETE"]),
    reason=TEXT,
    executors=EXECUTORS,
    system_logs=st.lists(TEXT, max_size=3),
)


def with_streams(found: Any) -> Any:
    """Return a view in which streams that nothing was printed to are empty."""
    executors = [{"stdout": "", "stderr": "", **each} for each in found["executors"]]
    return {**found, "executors": executors}


@given(views=st.lists(VIEWS, min_size=1, max_size=4))
def test_the_command_has_what_the_server_has_after_its_events(
    views: list[View],
) -> None:
    known: View | None = None
    before: View | None = None
    for after in views:
        for event in events_between(before, after):
            known = applied(known, event.name, event.data)
        before = after

        assert known is not None
        assert with_streams(known) == with_streams(after)


@example(view(executors=[{"index": 0}]), view(executors=[{"index": 0, "stdout": ""}]))
@given(VIEWS, VIEWS)
def test_a_version_stays_as_long_as_there_is_nothing_to_tell(
    one: View, other: View
) -> None:
    told = [each for each in events_between(one, other) if each.name != "end"]

    assert (version_of(one) == version_of(other)) is (not told)


def test_an_event_of_a_later_release_changes_nothing() -> None:
    assert applied(view(), "weather", {"sun": 1}) == view()
    assert applied(None, "change", {"state": "QUEUED"}) is None
