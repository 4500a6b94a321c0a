"""Lists: every filter against a naive one, in every combination."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builders.scheduler_tasks import NOON, make_new_task
from tesk_model.states import TaskState
from tesk_model.task import TaskId
from tesk_scheduler.domain.bounds import EXECUTOR_OVERHEAD
from tesk_scheduler.domain.records import (
    Document,
    ExecutorLogChange,
    NewTask,
    TaskQuery,
)
from tesk_scheduler.domain.transitions import canceled
from tesk_scheduler.ports.store import TaskStore, Transaction

LONG = "long-" * 60
NAMES = [
    "a",
    "ab",
    "ab%",
    "a_b",
    "aB",
    "b",
    "",
    None,
    LONG + "1",
    LONG + "2",
    "ä\U0010ffff",
]
VALUES = ["", "1", "2", LONG + "1", LONG + "2"]


def tasks() -> list[NewTask]:
    """Return a mixture in which every filter finds something and misses something."""
    return [
        make_new_task(
            f"t-{number:03}",
            owner=["alice", "bob", "alice"][number % 3],
            name=NAMES[number % len(NAMES)],
            tags={
                key: VALUES[(number // width) % len(VALUES)]
                for key, width in (("run", 1), ("kind", 3), (LONG, 5))
                if number % (width + 1)
            },
        )
        for number in range(120)
    ]


@pytest.fixture
def filled(store: TaskStore) -> TaskStore:
    """Store the mixture and cancel every fourth task."""
    mixture = tasks()
    store.write(lambda tx: tx.add_tasks(mixture))

    def cancel(tx: Transaction) -> None:
        ids = [task.id for task in mixture[::4]]
        for record in tx.records(ids).values():
            tx.save(record, canceled(record, NOON))

    store.write(cancel)
    return store


def naive(query: TaskQuery) -> list[TaskId]:
    """Filter as the specification says it."""
    found = [
        task.id
        for number, task in enumerate(tasks())
        if query.owner in (None, task.owner)
        and (task.name or "").startswith(query.name_prefix)
        and (query.name_prefix == "" or task.name is not None)
        and query.state
        in (None, TaskState.QUEUED if number % 4 else TaskState.CANCELED)
        and all(
            key in task.tags and value in ("", task.tags[key])
            for key, value in query.tags
        )
    ]
    return found[::-1]


QUERIES = st.fixed_dictionaries(
    {
        "owner": st.sampled_from(["alice", "bob", "carol", None]),
        "name_prefix": st.sampled_from(
            [
                "",
                "a",
                "ab",
                "ab%",
                "a_",
                "A",
                "b",
                "%",
                LONG,
                LONG + "2",
                "ä",
                "ä\U0010ffff",
            ]
        ),
        "state": st.sampled_from([None, TaskState.QUEUED, TaskState.CANCELED]),
        "tags": st.lists(
            st.tuples(
                st.sampled_from(["run", "kind", LONG, "none"]), st.sampled_from(VALUES)
            ),
            max_size=3,
            unique_by=lambda pair: pair[0],
        ),
    }
)


@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(filters=QUERIES)
def test_a_walk_through_all_pages_finds_what_matches(
    filled: TaskStore, filters: dict[str, Any]
) -> None:
    found: list[TaskId] = []
    before: int | None = None
    while True:
        query = TaskQuery(**filters, limit=17, before=before)
        page = filled.list_summaries(query)
        found += [summary.id for summary in page]
        if len(page) < 17:
            break
        before = page[-1].seq

    assert found == naive(TaskQuery(**filters, limit=0))


def test_a_page_can_be_read_whole(filled: TaskStore) -> None:
    query = TaskQuery(owner="alice", limit=5, state=TaskState.QUEUED)

    whole = filled.list_tasks(query, full=True, max_bytes=2**20).tasks

    assert [task.id for task in whole] == naive(query)[:5]
    assert all(task.document for task in whole)


DENSE: dict[str, dict[str, Any]] = {
    "a tag": {"tags": [("all", "yes")]},
    "any value": {"tags": [("all", "")]},
    "a prefix": {"name_prefix": "n"},
    "a prefix and a tag": {"name_prefix": "n", "tags": [("all", "yes")]},
    "a prefix and a state": {"name_prefix": "n", "state": TaskState.QUEUED},
    "two tags": {"tags": [("all", "yes"), ("also", "yes")]},
    "a state and a tag": {"state": TaskState.QUEUED, "tags": [("all", "yes")]},
}


def test_filters_that_match_a_lot_give_the_newest(store: TaskStore) -> None:
    # More than count as few.
    ids = [TaskId(f"t-{number}") for number in range(2500)]
    tags = {"all": "yes", "also": "yes"}
    batch = [make_new_task(each, name=f"n{each}", tags=tags) for each in ids]
    store.write(lambda tx: tx.add_tasks(batch))

    for name, filters in DENSE.items():
        page = store.list_summaries(TaskQuery(owner="alice", limit=3, **filters))
        following = store.list_summaries(
            TaskQuery(owner=None, limit=2, before=page[-1].seq, **filters)
        )

        found = [summary.id for summary in page + following]
        assert found == ids[::-1][:5], name
        others = store.list_summaries(TaskQuery(owner="bob", limit=3, **filters))
        assert others == [], name


FITS = {
    "all": (True, 906 + 3 * EXECUTOR_OVERHEAD, [3, 2, 1]),
    "what is exactly full": (True, 604 + 2 * EXECUTOR_OVERHEAD, [3, 2]),
    "not what is one byte too much": (True, 603 + 2 * EXECUTOR_OVERHEAD, [3]),
    "always one": (True, 0, [3]),
    "streams and lines count only if they are read": (
        False,
        300 + 3 * EXECUTOR_OVERHEAD,
        [3, 2, 1],
    ),
}


@pytest.mark.parametrize(("full", "most", "want"), FITS.values(), ids=FITS)
def test_a_listing_holds_as_many_as_fit(
    store: TaskStore, full: bool, most: int, want: list[int]
) -> None:
    bodies = Document(b"x" * 100)
    tasks = [make_new_task(f"t-{n}", document=bodies) for n in (1, 2, 3)]
    store.write(lambda tx: tx.add_tasks(tasks))

    def add_logs(tx: Transaction) -> None:
        for record in tx.records([task.id for task in tasks]).values():
            change = ExecutorLogChange(index=0, stdout="x" * 100, stderr="y" * 50)
            tx.change_executor_log(record.seq, change)
            tx.add_lines(record.seq, ["z" * 20, "z" * 30])

    store.write(add_logs)

    query = TaskQuery(owner="alice", limit=9)
    listing = store.list_tasks(query, full=full, max_bytes=most)

    assert [task.id for task in listing.tasks] == [f"t-{number}" for number in want]
    assert listing.is_truncated == (len(want) < 3)
