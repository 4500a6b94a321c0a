"""The lead, and that no scheduler keeps another from it."""

import os
import socket
import threading
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from builders.scheduler_tasks import NOON, make_new_task
from programs.waiting import eventually
from tesk_model.errors import ConflictError
from tesk_model.task import TaskId
from tesk_scheduler.adapters.store.engines import lock_migrations, open_engines
from tesk_scheduler.adapters.store.store import SqlTaskStore
from tesk_scheduler.adapters.store.transaction import (
    SqlTransaction,
    Written,
    finish_transaction,
)
from tesk_scheduler.domain.leadership import RENEWED_AFTER, STALL_TIMEOUT, TERM
from tesk_scheduler.ports.store import TaskStore, Transaction

LATER = NOON + timedelta(seconds=10)


def lead(store: TaskStore, holder: str, *, now: int, force: bool = False) -> int | None:
    """Ask for the lead for 10 seconds."""
    time = NOON + timedelta(seconds=now)
    until = time + timedelta(seconds=10)
    return store.write_lead(
        lambda tx: tx.acquire_lead(holder, now=time, until=until, force=force)
    )


def test_a_leader_leads_until_its_term_is_over(store: TaskStore) -> None:
    assert lead(store, "a", now=0) == 1
    assert lead(store, "b", now=9) is None
    assert lead(store, "a", now=9) == 1
    assert lead(store, "b", now=18) is None
    assert lead(store, "b", now=20) == 2
    assert lead(store, "a", now=20) is None


def test_an_exclusive_scheduler_takes_the_lead_by_force(store: TaskStore) -> None:
    lead(store, "a", now=0)

    assert lead(store, "b", now=0, force=True) == 2


def test_the_leader_and_its_start_can_be_read(store: TaskStore) -> None:
    before = store.leader()
    lead(store, "host/a", now=0)
    lead(store, "host/a", now=5)

    known = store.leader()

    assert before is None
    assert known is not None
    assert (known.holder, known.epoch, known.since) == ("host/a", 1, NOON)
    assert known.until == NOON + timedelta(seconds=15)


def test_a_lead_that_is_given_up_is_free_at_once(store: TaskStore) -> None:
    lead(store, "a", now=0)

    stranger = store.write(lambda tx: tx.release_lead("b"))
    own = store.write(lambda tx: tx.release_lead("a"))

    assert (stranger, own) == (False, True)
    assert lead(store, "b", now=1) == 2


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
@pytest.mark.engine
def test_connections_that_were_lost_while_idle_are_replaced(url: str) -> None:
    store = SqlTaskStore(open_engines(url, tried_after=timedelta(0)))
    store.write(lambda tx: tx.add_tasks([make_new_task("t-1")]))
    assert store.record(TaskId("t-1"))
    others = text(
        "FROM pg_stat_activity WHERE datname = current_database()"
        " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
    )
    server = create_engine(url, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        ended = text(f"SELECT pg_terminate_backend(pid) {others}")
        assert len(connection.execute(ended).all()) == 2
        left = text(f"SELECT pid {others}")
        eventually(lambda: not connection.execute(left).all(), what="their end")
    server.dispose()

    assert store.record(TaskId("t-1"))
    store.write(lambda tx: tx.add_tasks([make_new_task("t-2")]))

    assert store.record(TaskId("t-2"))
    store.close()


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
@pytest.mark.engine
def test_a_database_that_vanished_is_detected(url: str) -> None:
    engines = open_engines(url)

    with engines.writer.connect() as connection:
        raw: Any = connection.connection.driver_connection
        with socket.socket(fileno=os.dup(raw.fileno())) as link:
            limits = [
                link.getsockopt(socket.IPPROTO_TCP, option)
                for option in (socket.TCP_KEEPIDLE, socket.TCP_USER_TIMEOUT)
            ]

    engines.close()
    assert limits == [10, 20_000]


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
@pytest.mark.engine
def test_a_scheduler_that_stalls_holds_up_no_other_for_long(url: str) -> None:
    SqlTaskStore.open(url).close()
    stalled = open_engines(url)
    other = SqlTaskStore(open_engines(url, stall_timeout=timedelta(0)))

    with stalled.writer.connect() as connection:
        transaction = SqlTransaction(connection)
        transaction.acquire_lead("a", now=NOON, until=LATER, force=True)
        transaction.add_tasks([make_new_task("t-1")])
        finish_transaction(
            connection, [Written(None, [], transaction.state_changes)]
        )  # and no commit
        assert lead(other, "b", now=60) == 1
        other.write(lambda tx: tx.add_tasks([make_new_task("t-2")]))
        connection.invalidate()

    assert other.record(TaskId("t-1")) is None
    other.close()
    stalled.close()


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
@pytest.mark.engine
def test_a_migration_may_take_its_time(url: str) -> None:
    SqlTaskStore.open(url).close()
    engines = open_engines(url)
    other = SqlTaskStore(open_engines(url, stall_timeout=timedelta(0)))

    with engines.writer.connect() as connection:
        lock_migrations(connection)
        lead(other, "b", now=0)
        connection.exec_driver_sql("SELECT 1")

    other.close()
    engines.close()


def test_a_leader_survives_a_wait_for_one_that_stalls() -> None:
    assert RENEWED_AFTER + STALL_TIMEOUT < TERM


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
@pytest.mark.engine
def test_the_lead_is_renewed_while_other_writes_wait(url: str) -> None:
    SqlTaskStore.open(url).close()
    shared = SqlTaskStore(open_engines(url))
    begun, end = threading.Event(), threading.Event()

    def wait(_tx: Transaction) -> None:
        begun.set()
        end.wait(100)

    write = threading.Thread(target=shared.write, args=[wait])
    write.start()
    begun.wait()

    renewed = lead(shared, "a", now=0)

    end.set()
    write.join()
    assert renewed == 1
    shared.close()


def test_an_old_leader_is_stopped(store: TaskStore) -> None:
    lead(store, "a", now=0)
    lead(store, "b", now=10)

    store.write(lambda tx: tx.check_epoch(2))
    with pytest.raises(ConflictError, match="leads"):
        store.write(lambda tx: tx.check_epoch(1))
