"""Connections are shared by threads, as many as a server takes."""

import itertools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from tesk_filer.adapters.storage.connection_pool import ConnectionPool
from tesk_filer.ports import StorageError


@dataclass
class Server:
    """Takes so many connections and no more; ``refusal`` says why it takes none."""

    most: int = 100
    refusal: StorageError | None = None
    opened: int = 0
    now: int = 0
    tried: int = 0

    def __post_init__(self) -> None:
        self.lock = threading.Lock()

    def connect(self, account: str) -> "Served":
        del account
        with self.lock:
            self.tried += 1
            if self.refusal:
                raise self.refusal
            if self.now >= self.most:
                raise StorageError("too many connections")
            self.now += 1
            self.opened += 1
        return Served(self)


@dataclass
class Served:
    """A connection to it."""

    server: Server
    is_open: bool = True
    was_closed: bool = False

    def responds(self) -> bool:
        return not self.was_closed

    def close(self) -> None:
        if self.is_open:
            self.is_open = False
            with self.server.lock:
                self.server.now -= 1


Pool = ConnectionPool[str, Served]


def in_threads(number: int, work: Callable[[], object]) -> list[BaseException | None]:
    with ThreadPoolExecutor(number) as threads:
        return [
            each.exception(20) for each in [threads.submit(work) for _ in range(number)]
        ]


def test_a_connection_is_used_again() -> None:
    server = Server()
    pool = Pool(server.connect)

    for _ in range(3):
        with pool.lend("ada"):
            pass

    assert server.opened == 1


def test_each_account_has_connections_of_its_own() -> None:
    server = Server()
    pool = Pool(server.connect)

    with pool.lend("ada") as first, pool.lend("bob") as second:
        assert first is not second


def test_a_connection_that_the_server_closed_is_replaced() -> None:
    server = Server()
    pool = Pool(server.connect)
    with pool.lend("ada") as first:
        first.was_closed = True

    with pool.lend("ada") as second:
        assert second is not first
        assert not first.is_open


def test_a_connection_on_which_work_failed_is_closed() -> None:
    server = Server()
    pool = Pool(server.connect)

    with pytest.raises(ValueError, match="failed"), pool.lend("ada"):
        raise ValueError("failed")

    assert server.now == 0


class Spent(Served):
    """Of no more use after work on it, and still open."""

    @property
    def is_open(self) -> bool:
        return False

    @is_open.setter
    def is_open(self, is_open: bool) -> None:
        """It never is of use again."""

    def close(self) -> None:
        with self.server.lock:
            self.server.now -= 1


def test_a_connection_that_is_of_no_more_use_is_closed() -> None:
    server = Server()

    def connect(account: str) -> Served:
        server.connect(account)
        return Spent(server)

    with Pool(connect).lend("ada"):
        assert server.now == 1

    assert server.now == 0


def test_threads_wait_for_a_connection_where_the_server_takes_no_more() -> None:
    server = Server(most=2)
    pool = Pool(server.connect)

    def work() -> None:
        for _ in range(20):
            with pool.lend("ada"):
                pass

    assert in_threads(8, work) == [None] * 8
    assert server.opened <= 2


def test_threads_wait_for_what_is_soon_returned_rather_than_log_in() -> None:
    server = Server()
    pool = Pool(server.connect, now=lambda: 0.0)  # nothing takes any time

    def work() -> None:
        for _ in range(20):
            with pool.lend("ada"):
                pass

    assert in_threads(8, work) == [None] * 8
    assert server.opened == 1


def test_a_thread_that_waits_for_long_logs_in() -> None:
    server = Server()
    pool = Pool(server.connect, now=itertools.count().__next__)

    with pool.lend("ada"):
        assert in_threads(1, lambda: pool.lend("ada").__enter__()) == [None]

    assert server.opened == 2


def test_a_failure_that_leaves_no_connection_is_raised() -> None:
    server = Server()
    pool = Pool(server.connect)
    with pool.lend("ada") as lent:
        server.refusal = StorageError("out of order", transient=True)
        lent.was_closed = True

    errors = in_threads(4, lambda: pool.lend("ada").__enter__())

    assert [str(error) for error in errors] == ["out of order"] * 4


def test_a_login_that_is_refused_is_not_tried_again() -> None:
    server = Server(refusal=StorageError("wrong password"))
    pool = Pool(server.connect)

    errors = in_threads(8, lambda: pool.lend("ada").__enter__())

    assert [str(error) for error in errors] == ["wrong password"] * 8
    assert server.tried == 1


def test_a_server_that_is_away_for_a_moment_is_tried_again() -> None:
    server = Server(refusal=StorageError("starts", transient=True))
    pool = Pool(server.connect)
    with pytest.raises(StorageError, match="starts"):
        pool.lend("ada").__enter__()

    server.refusal = None

    with pool.lend("ada"):
        assert server.opened == 1


def test_closing_closes_what_is_idle() -> None:
    server = Server()
    pool = Pool(server.connect)
    with pool.lend("ada"), pool.lend("bob"):
        pass

    pool.close()

    assert server.now == 0
