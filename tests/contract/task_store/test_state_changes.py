"""The feed of state changes: complete, in order, and honest about what is gone."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from threading import Event

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builders.scheduler_tasks import NOON, make_new_task
from fakes.scheduler_environment import FrozenClock
from fakes.scheduler_observer import ListObserver
from schedulers.units_of_work import add, change
from tesk_model.errors import ConflictError
from tesk_model.reasons import ReasonCode
from tesk_model.states import TaskState
from tesk_model.task import TaskId
from tesk_scheduler.adapters.store.store import SqlTaskStore
from tesk_scheduler.domain.callers import Caller
from tesk_scheduler.domain.occurrences import TasksListed
from tesk_scheduler.domain.records import Micros, TaskQuery
from tesk_scheduler.domain.state_changes import (
    BEGINNING,
    ChangeFilter,
    ChangePage,
    Position,
    StoredChange,
)
from tesk_scheduler.domain.tokens import ChangeCursors
from tesk_scheduler.domain.transitions import admitted, canceled
from tesk_scheduler.ports.store import TaskStore, Transaction
from tesk_scheduler.usecases.reading import Filters
from tesk_scheduler.usecases.retention import Retention
from tesk_scheduler.usecases.state_changes import StateChanges, Subscription

ALL = ChangeFilter(owner=None)
LATER = NOON + timedelta(hours=2)
LONG = "long-" * 60
_HOUR = timedelta(hours=1)


def create(store: TaskStore, *ids: str, owner: str = "alice") -> None:
    add(store, *(make_new_task(each, owner=owner) for each in ids))


def cancel(store: TaskStore, task_id: str) -> None:
    change(store, task_id, lambda tx, record: tx.save(record, canceled(record, LATER)))


def read(
    store: TaskStore,
    after: Position | None = BEGINNING,
    *filters: ChangeFilter,
    limit: int = 1000,
) -> ChangePage:
    return store.state_changes(after, filters or [ALL], limit=limit)


def pairs(changes: Sequence[StoredChange]) -> list[tuple[str, TaskState]]:
    return [(change.task_id, change.state) for change in changes]


def delete(
    store: TaskStore, *, most: int = 1000, before: timedelta = timedelta()
) -> int:
    return store.write(
        lambda tx: tx.delete_changes(before=NOON + before, most=most, limit=100)
    )


def test_creations_and_changes_of_state_are_told_in_order(store: TaskStore) -> None:
    create(store, "t-1", "t-2")

    def admit(tx: Transaction) -> None:
        (record,) = tx.records([TaskId("t-1")]).values()
        tx.save(record, admitted(record, "tm", LATER))

    store.write(admit)
    cancel(store, "t-2")

    page = read(store)
    assert pairs(page.changes) == [
        ("t-1", TaskState.QUEUED),
        ("t-2", TaskState.QUEUED),
        ("t-1", TaskState.INITIALIZING),
        ("t-2", TaskState.CANCELED),
    ]
    assert [change.attempt for change in page.changes] == [0, 0, 1, 0]
    assert page.changes[3].reason is ReasonCode.CANCELED
    assert page.changes[3].position.time == LATER.timestamp() * 1_000_000
    assert page.position == page.changes[3].position
    assert not page.has_more
    assert not page.is_expired


def test_the_end_has_no_changes_and_what_comes_later_follows_it(
    store: TaskStore,
) -> None:
    create(store, "t-1")
    end = read(store, None)
    create(store, "t-2")

    assert end.changes == ()
    assert pairs(read(store, end.position).changes) == [("t-2", TaskState.QUEUED)]


def test_an_empty_feed_begins_and_ends_at_its_beginning(store: TaskStore) -> None:
    assert read(store, None).position == BEGINNING
    assert not read(store, BEGINNING).is_expired


def test_a_record_saved_in_the_same_state_is_no_change(store: TaskStore) -> None:
    create(store, "t-1")

    def save(tx: Transaction) -> None:
        (record,) = tx.records([TaskId("t-1")]).values()
        tx.save(record, record)

    store.write(save)

    assert len(read(store).changes) == 1


def test_undone_work_is_no_change_and_leaves_no_gap(store: TaskStore) -> None:
    def fail(tx: Transaction) -> None:
        tx.add_tasks([make_new_task("t-1")])
        raise ConflictError("no")

    with pytest.raises(ConflictError):
        store.write(fail)
    create(store, "t-2")

    (change,) = read(store).changes
    assert (change.task_id, change.position.number) == ("t-2", 1)


def test_pages_lead_to_all_changes(store: TaskStore) -> None:
    ids = [f"t-{number}" for number in range(10)]
    create(store, *ids)

    found: list[str] = []
    position, has_more = BEGINNING, True
    while has_more:
        page = read(store, position, limit=3)
        found += [change.task_id for change in page.changes]
        position, has_more = page.position, page.has_more

    assert found == ids


def test_changes_that_nobody_follows_are_passed_over(store: TaskStore) -> None:
    create(store, "t-1", "t-2", owner="bob")

    page = read(store, BEGINNING, ChangeFilter(owner="alice"))

    assert page.changes == []
    assert page.position == read(store, None).position


def test_a_change_tells_which_filters_it_matches(store: TaskStore) -> None:
    create(store, "t-1", owner="alice")
    create(store, "t-2", owner="bob")
    cancel(store, "t-1")
    canceled_ones = ChangeFilter(owner="alice", state=TaskState.CANCELED)

    page = read(
        store, BEGINNING, ChangeFilter(owner="alice"), canceled_ones, ALL, canceled_ones
    )

    assert [change.matched for change in page.changes] == [(0, 2), (2,), (0, 1, 2, 3)]


NAMES = ["a", "ab", "ab%", "a_b", "aB", "", None, LONG + "1", LONG + "2"]
VALUES = ["", "1", LONG + "1", LONG + "2"]
FILTERS = st.fixed_dictionaries(
    {
        "owner": st.sampled_from(["alice", "bob", "carol", None]),
        "name_prefix": st.sampled_from(["", "a", "ab", "ab%", "a_", LONG, LONG + "2"]),
        "tags": st.lists(
            st.tuples(st.sampled_from(["run", LONG, "none"]), st.sampled_from(VALUES)),
            max_size=2,
            unique_by=lambda pair: pair[0],
        ).map(tuple),
    }
)


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(asked=FILTERS)
def test_filters_match_the_same_tasks_as_those_of_lists(
    mixture: SqlTaskStore, asked: dict[str, object]
) -> None:
    changes = read(mixture, BEGINNING, ChangeFilter(**asked)).changes  # type: ignore[arg-type]  # by name
    listed = mixture.list_summaries(TaskQuery(**asked, limit=1000))  # type: ignore[arg-type]  # by name

    assert [change.task_id for change in changes] == [task.id for task in listed][::-1]


@pytest.fixture
def mixture(store: SqlTaskStore) -> SqlTaskStore:
    """Store tasks of which every filter finds some and misses some."""
    tasks = [
        make_new_task(
            f"t-{number:03}",
            owner=["alice", "bob"][number % 2],
            name=NAMES[number % len(NAMES)],
            tags={
                key: VALUES[(number // width) % len(VALUES)]
                for key, width in (("run", 1), (LONG, 3))
                if number % (width + 1)
            },
        )
        for number in range(72)
    ]
    store.write(lambda tx: tx.add_tasks(tasks))
    return store


def test_a_change_of_a_deleted_task_stays_without_its_name(store: TaskStore) -> None:
    task = make_new_task("t-1", name="n")
    store.write(lambda tx: tx.add_tasks([task]))
    cancel(store, "t-1")
    assert read(store).changes[0].name == "n"
    store.write(lambda tx: tx.delete_tasks(ended_before=LATER + _HOUR, limit=9))

    assert [change.name for change in read(store).changes] == [None, None]


def test_what_is_deleted_is_missed_by_who_was_before_it(store: TaskStore) -> None:
    create(store, "t-1", "t-2")
    first = read(store).changes[0].position
    cancel(store, "t-1")

    deleted = delete(store, before=_HOUR)

    assert deleted == 2
    for late in (BEGINNING, first):
        page = read(store, late)
        assert page.is_expired
        assert page.changes == ()
        assert page.position == read(store, None).position
    assert not read(store, read(store, None).position).is_expired


def test_the_last_change_stays_whatever_its_age(store: TaskStore) -> None:
    create(store, "t-1", "t-2")
    end = read(store, None).position

    assert delete(store, before=_HOUR) == 1
    assert delete(store, before=_HOUR) == 0
    assert not read(store, end).is_expired
    create(store, "t-3")
    assert [each.task_id for each in read(store, end).changes] == ["t-3"]


def test_of_too_many_the_first_are_deleted_before_their_time(store: TaskStore) -> None:
    create(store, *(f"t-{number}" for number in range(10)))

    assert delete(store, most=4, before=-_HOUR) == 6
    assert delete(store, most=4, before=-_HOUR) == 0


def test_retention_deletes_changes_when_their_time_is_over(store: TaskStore) -> None:
    create(store, "t-1", "t-2")
    clock = FrozenClock(NOON + _HOUR)
    retention = Retention(
        store=store, clock=clock, keep=timedelta(days=30), keep_changes=2 * _HOUR
    )
    retention.sweep()
    assert not read(store).is_expired

    clock.advance(2 * _HOUR)
    retention.sweep()

    assert read(store).is_expired
    assert len(store.list_summaries(TaskQuery(owner=None, limit=9))) == 2


def test_an_admin_who_follows_tasks_of_others_is_noted(store: TaskStore) -> None:
    observer = ListObserver()
    changes = StateChanges(store=store, secret="s", observer=observer)
    admin = Subscription(Caller(user="root", admin=True, request_id="r"), Filters())
    alice = Subscription(Caller(user="alice"), Filters())
    create(store, "t-1", "t-2")
    create(store, "t-3", owner="root")

    page = changes.read([alice, admin], changes.cursor(BEGINNING), 0)

    assert [change.matched for change in page.changes] == [(0, 1), (0, 1), (1,)]
    assert observer.occurrences == [TasksListed(tasks=2, user="root", request_id="r")]


def test_cursors_reveal_no_numbers_and_belong_to_one_secret(store: TaskStore) -> None:
    ours = ChangeCursors("ours")

    assert ours.parse(ours.cursor(Position(7, Micros(8)))) == Position(7, Micros(8))
    assert ChangeCursors("theirs").parse(ours.cursor(BEGINNING)) is None
    changes = StateChanges(store=store, secret="s", observer=ListObserver())
    assert changes.read([], ours.cursor(BEGINNING), 1).is_expired


@pytest.mark.parametrize(
    "position", [Position(1, Micros(7)), Position(5, Micros(7)), Position(2, Micros(0))]
)
def test_a_position_of_another_store_is_expired(
    store: TaskStore, position: Position
) -> None:
    create(store, "t-1", "t-2")

    assert read(store, position).is_expired


@pytest.fixture
def stores(url: str, store: SqlTaskStore) -> Iterator[list[SqlTaskStore]]:
    """Open a database by as many schedulers as can share it."""
    with ExitStack() as stack:
        others = [] if store.exclusive else [SqlTaskStore.open(url) for _ in range(2)]
        for other in others:
            stack.callback(other.close)
        yield [store, *others]


def test_who_follows_misses_nothing_of_several_writers(
    stores: list[SqlTaskStore],
) -> None:
    ids = {f"t-{number}" for number in range(150)}
    written = Event()

    def follow() -> list[StoredChange]:
        found: list[StoredChange] = []
        position = BEGINNING
        while True:
            is_last = written.is_set()
            page = read(stores[-1], position)
            found += page.changes
            position = page.position
            if is_last and not page.changes:
                return found

    with ThreadPoolExecutor(9) as threads:
        follower = threads.submit(follow)
        works = [
            threads.submit(create, stores[number % len(stores)], task_id)
            for number, task_id in enumerate(ids)
        ]
        for work in works:
            work.result()
        written.set()
        found = follower.result()

    assert [change.position.number for change in found] == list(range(1, 151))
    assert {change.task_id for change in found} == ids
