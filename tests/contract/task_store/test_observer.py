"""What a store tells its observer, and when."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event, get_ident

import pytest

from builders.scheduler_tasks import NOON, make_new_task
from fakes.scheduler_observer import ListObserver
from programs.waiting import eventually
from tesk_model.errors import ConflictError, UnavailableError
from tesk_model.task import TaskId
from tesk_scheduler.adapters.store.store import SqlTaskStore
from tesk_scheduler.domain.occurrences import TaskCreated
from tesk_scheduler.domain.transitions import admitted
from tesk_scheduler.ports.store import Transaction


def created(task_id: str) -> TaskCreated:
    return TaskCreated(task_id=TaskId(task_id), user="alice", group="", request_id="r")


def create(task_id: str) -> Callable[[Transaction], None]:
    def work(tx: Transaction) -> None:
        tx.add_tasks([make_new_task(task_id)])
        tx.announce(created(task_id))

    return work


def admit(store: SqlTaskStore, task_id: str) -> None:
    def work(tx: Transaction) -> None:
        (record,) = tx.records([TaskId(task_id)]).values()
        tx.save(record, admitted(record, "tm-1", NOON))

    store.write(work)


def test_announcements_and_saved_changes_are_told_in_their_order(
    store: SqlTaskStore, observer: ListObserver
) -> None:
    store.write(create("t-1"))
    admit(store, "t-1")

    eventually(lambda: observer.titles("t-1") == ["task created", "task admitted"])


def test_undone_work_is_not_told(store: SqlTaskStore, observer: ListObserver) -> None:
    def fail(tx: Transaction) -> None:
        create("t-1")(tx)
        raise ConflictError("no")

    with pytest.raises(ConflictError):
        store.write(fail)
    store.write(create("t-2"))

    eventually(lambda: observer.titles("t-2") == ["task created"])
    assert observer.titles("t-1") == []


def test_work_that_runs_again_beside_a_failure_is_told_once(
    store: SqlTaskStore, observer: ListObserver
) -> None:
    busy, gathered = Event(), Barrier(3)

    def hold(_: Transaction) -> None:
        busy.set()
        gathered.wait(100)

    def fail(tx: Transaction) -> None:
        create("t-1")(tx)
        raise ConflictError("no")

    with ThreadPoolExecutor(4) as threads:
        threads.submit(store.write, hold)
        busy.wait(100)
        works = [threads.submit(store.write, each) for each in (create("t-2"), fail)]
        threads.submit(gathered.wait, 100)
        gathered.wait(100)
        assert works[0].exception() is None
        assert isinstance(works[1].exception(), ConflictError)

    eventually(lambda: len(observer.writes) >= 1 and bool(observer.titles("t-2")))
    assert observer.titles("t-2") == ["task created"]
    assert observer.titles("t-1") == []


def test_each_transaction_is_told_with_the_units_that_share_it(
    store: SqlTaskStore, observer: ListObserver
) -> None:
    store.write(create("t-1"))

    eventually(lambda: observer.writes == [(1, True)])


def test_what_gathers_is_told_after_its_callers_are_answered(url: str) -> None:
    silent, busy, more = Event(), Event(), Event()

    class Slow(ListObserver):
        def wrote(self, *, units: int, seconds: float, succeeded: bool) -> None:
            if self.writes:
                silent.wait(10)
            super().wrote(units=units, seconds=seconds, succeeded=succeeded)

    def hold(_: Transaction) -> None:
        busy.set()
        more.wait(10)

    observer = Slow()
    store = SqlTaskStore.open(url, observer=observer)
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(store.write, hold)
        busy.wait(10)
        second = threads.submit(store.write, create("t-1"))
        eventually(second.running)
        more.set()
        first.result(10)
        second.result(10)

        assert observer.writes == [(1, True)]
        silent.set()
    store.close()
    assert observer.writes == [(1, True), (1, True)]


def test_a_single_caller_writes_in_its_own_thread(store: SqlTaskStore) -> None:
    assert store.write(lambda _: get_ident()) == get_ident()


def test_what_comes_while_another_writes_is_written_in_its_turn(
    store: SqlTaskStore,
) -> None:
    busy, more = Event(), Event()
    order: list[str] = []

    def hold(_: Transaction) -> None:
        busy.set()
        more.wait(10)
        order.append("first")

    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(store.write, hold)
        busy.wait(10)
        second = threads.submit(store.write, lambda _: order.append("second"))
        eventually(second.running)
        more.set()
        first.result(10)
        second.result(10)

    assert order == ["first", "second"]


def test_a_closed_store_writes_nothing(url: str) -> None:
    store = SqlTaskStore.open(url)
    store.close()

    with pytest.raises(UnavailableError):
        store.write(create("t-1"))
