"""Reads respect owners and the bounds of a batch."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.pool import ConnectionPoolEntry

from builders.scheduler_tasks import NOON, make_new_task, make_reading
from tesk_model.errors import NotFoundError, ResourceExhaustedError
from tesk_model.reasons import Reason, ReasonCode
from tesk_model.task import TaskId, TaskView
from tesk_scheduler.adapters.store.engines import open_engines
from tesk_scheduler.adapters.store.migrate import migrate
from tesk_scheduler.adapters.store.store import SqlTaskStore
from tesk_scheduler.domain.callers import Caller
from tesk_scheduler.domain.quota import FairShare, Quota, Share, Subject, SubjectKind
from tesk_scheduler.domain.records import Document, StoredTask
from tesk_scheduler.usecases.reading import MAX_BATCH_BYTES, Filters, ReadRequest

NINTH = TaskId("t-9")
ALICE, BOB, ROOT = Caller("alice"), Caller("bob"), Caller("root", admin=True)
THERE, LARGE, ABSENT = TaskId("t-1"), TaskId("t-2"), TaskId("t-3")


class Bench:
    """Reads from a store that counts the steps of its database."""

    def __init__(self, url: str) -> None:
        engines = open_engines(url)
        migrate(engines.writer)
        event.listen(engines.reader, "connect", self._connected)
        self._steps = 0
        self.store = SqlTaskStore(engines)

    def _connected(self, connection: Any, _entry: ConnectionPoolEntry) -> None:
        connection.set_progress_handler(self._step, 1)

    def _step(self) -> int:
        self._steps += 1
        return 0

    def read(self, *wanted: ReadRequest) -> list[str]:
        """Return the ids of what is found, or what is said instead."""
        found = make_reading(self.store).read(wanted)
        return [str(x) if isinstance(x, NotFoundError) else x.id for x in found]

    def steps_of(self, *wanted: ReadRequest) -> int:
        """Return how many steps reading takes."""
        self.read(*wanted)  # what is done once
        self._steps = 0
        self.read(*wanted)
        return self._steps


@pytest.fixture
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("store")
    bench = Bench(f"sqlite:///{folder}/tesk.sqlite")
    document = Document(bytes(MAX_BATCH_BYTES // 2 + 1))
    tasks = [
        make_new_task(THERE, owner="alice"),
        make_new_task(LARGE, owner="alice", document=document),
    ]
    bench.store.write(lambda tx: tx.add_tasks(tasks))
    yield bench
    bench.store.close()


def one(task_id: TaskId) -> list[TaskId]:
    return [task_id]


def two(task_id: TaskId) -> list[TaskId]:
    return [task_id, TaskId("t-9")]


@pytest.mark.parametrize("among", [one, two])
@pytest.mark.parametrize("view", TaskView)
def test_a_task_of_another_owner_takes_as_long_as_none(
    bench: Bench, view: TaskView, among: Callable[[TaskId], list[TaskId]]
) -> None:
    def steps(caller: Caller, task_id: TaskId) -> int:
        return bench.steps_of(
            *(ReadRequest(caller, each, view) for each in among(task_id))
        )

    none = steps(BOB, ABSENT)

    # It is found by its id, and its owner is compared.
    assert steps(BOB, LARGE) <= none + 10
    assert steps(ALICE, LARGE) > none + 10 or view is TaskView.MINIMAL


@pytest.mark.parametrize("view", TaskView)
def test_a_batch_of_several_callers_shows_each_his_own(
    bench: Bench, view: TaskView
) -> None:
    callers = (ALICE, BOB, ROOT)
    wanted = [ReadRequest(caller, THERE, view) for caller in callers]

    assert bench.read(*wanted) == ["t-1", "no task t-1", "t-1"]


def test_a_place_costs_no_more_in_a_long_queue(bench: Bench) -> None:
    first = ReadRequest(ALICE, THERE, TaskView.FULL)
    short = bench.steps_of(first)
    tasks = [make_new_task(f"t-{number}") for number in range(10, 3010)]
    bench.store.write(lambda tx: tx.add_tasks(tasks))

    [last] = make_reading(bench.store).read(
        [ReadRequest(ALICE, TaskId("t-3009"), TaskView.FULL)]
    )

    assert bench.steps_of(first) <= short + 100
    assert isinstance(last, StoredTask)
    place = last.place
    assert place is not None
    assert (place.before, place.is_least, place.estimate) == (1000, True, None)
    assert last.reason.text == "waiting behind 1000 or more tasks of alice"


def test_a_list_counts_the_places_of_its_first_hundred_tasks(bench: Bench) -> None:
    tasks = [make_new_task(f"t-{number}") for number in range(10, 210)]
    bench.store.write(lambda tx: tx.add_tasks(tasks))

    page = make_reading(bench.store).list(
        ALICE, Filters(), size=150, token="", view=TaskView.BASIC, explain=True
    )

    places = [task.place for task in page.tasks if isinstance(task, StoredTask)]
    # The newest comes first; two are there from the beginning.
    assert [place and place.before for place in places[:100]] == [*range(201, 101, -1)]
    assert places[100:] == [None] * 50
    reasons = [task.reason.text for task in page.tasks if isinstance(task, StoredTask)]
    assert reasons[0] == "waiting behind 201 tasks of alice"
    assert reasons[-1] == "waiting behind earlier tasks of alice"


def test_nobody_waits_behind_what_can_never_run(bench: Bench) -> None:
    priorities = {"t-8": 100, "t-9": 0, "t-10": -1}
    tasks = [make_new_task(each, priority=p) for each, p in priorities.items()]
    bench.store.write(lambda tx: tx.add_tasks(tasks))
    never = Reason(ReasonCode.LIMIT_EXCEEDED, "can never run")
    full = Reason(ReasonCode.QUOTA_FULL, "alice: 1 of 1 tasks running")
    reasons = dict.fromkeys([THERE, LARGE, TaskId("t-8")], never)
    bench.store.write(lambda tx: tx.set_reasons(reasons | {NINTH: full}, now=NOON))

    reading = make_reading(bench.store)
    page = reading.list(
        ALICE, Filters(), size=9, token="", view=TaskView.BASIC, explain=True
    )

    shown = {task.id: task for task in page.tasks if isinstance(task, StoredTask)}
    second, first = shown[TaskId("t-10")], shown[NINTH]
    assert second.reason.text == (
        "waiting behind 1 task of alice; the first of them: alice: 1 of 1 tasks running"
    )
    assert second.place is not None
    assert second.place.head is not None
    assert second.place.head.id == NINTH
    assert first.place is not None
    assert (first.place.before, first.place.estimate) == (0, 1)
    assert reading.places.place_of_next("alice", 5).before == 2


def test_the_place_among_all_follows_the_weights(bench: Bench) -> None:
    others = [make_new_task(f"b-{number}", owner="bob") for number in range(9)]
    bench.store.write(lambda tx: tx.add_tasks(others))
    shares = {Subject(SubjectKind.USER, "bob"): Share(weight=3)}
    quotas = {
        "equal": Quota(),
        "weights": Quota(shares=shares),
        "first in, first out": Quota(fair_share=FairShare(is_enabled=False)),
    }

    def place(quota: Quota) -> int | None:
        reading = make_reading(bench.store, quota=quota)
        [task] = reading.read([ReadRequest(ALICE, THERE, TaskView.FULL)])
        assert isinstance(task, StoredTask)
        assert task.place is not None
        return task.place.estimate

    places = {name: place(quota) for name, quota in quotas.items()}
    assert places == {"equal": 2, "weights": 4, "first in, first out": None}


BATCHES = {
    "twice": [(ALICE, TaskView.FULL), (ALICE, TaskView.FULL)],
    "in two views": [(ALICE, TaskView.FULL), (ALICE, TaskView.BASIC)],
    "by two callers": [(ALICE, TaskView.BASIC), (ROOT, TaskView.BASIC)],
}


@pytest.mark.parametrize("batch", BATCHES.values(), ids=BATCHES)
def test_tasks_too_large_together_can_be_read_alone(
    bench: Bench, batch: list[tuple[Caller, TaskView]]
) -> None:
    wanted = [ReadRequest(caller, LARGE, view) for caller, view in batch]

    with pytest.raises(ResourceExhaustedError):
        bench.read(*wanted)
    small = ReadRequest(ALICE, THERE, TaskView.MINIMAL)
    assert [bench.read(each, small) for each in wanted] == [["t-2", "t-1"]] * 2
