"""A pool of connections to servers, each logged in to an account.

A login costs several round trips, and of SSH more CPU than dozens of small files; servers
limit them, too. So a thread takes an idle connection to the same account, or waits for
one that is soon returned, before it opens a new one. Where the server takes no more
connections of an account, threads wait until one is returned: the server has room for
what it already took.
"""

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from tesk_filer.domain.connection_growth import Growth
from tesk_filer.ports import StorageError


class Connection(Protocol):
    """A connection of the pool."""

    @property
    def is_open(self) -> bool:
        """Whether it can be used again, as far as this side knows."""

    def responds(self) -> bool:
        """Ask the server whether it still serves this connection."""

    def close(self) -> object:
        """Close it; never raises."""


A = TypeVar("A", bound=Hashable)
C = TypeVar("C", bound=Connection)


@dataclass(slots=True)
class _Account(Generic[C]):
    """The connections to one account.

    Attributes:
        lent: How many are lent, or being opened.
        limit: How many the server takes; None: it has refused none.
        refusal: Why it lets nobody in; a guard against guesses may lock an account after
            a few tries.
        known_at: When the first login succeeded; None: none has.
        growth: Tells whether another connection is worth its login.
        waiting: Threads that want one, the first one first; each has a condition of its
            own, since all that wake up for one connection cost more than a small file.
    """

    idle: list[C] = field(default_factory=list)
    lent: int = 0
    limit: int | None = None
    refusal: str = ""
    known_at: float | None = None
    growth: Growth = field(default_factory=Growth)
    waiting: deque[threading.Condition] = field(default_factory=deque)

    def has_place(self, now: float, *, since: float) -> bool:
        """Tell whether the first thread may go on, which waits ``since`` then."""
        if self.idle or not self.lent or self.refusal:
            return True
        if self.known_at is None:
            return False
        if self.limit is not None and self.lent >= self.limit:
            return False
        return self.growth.is_worth(
            lent=self.lent,
            waiting=max(len(self.waiting), 1),
            waited=now - max(since, self.known_at),
        )

    def longest_wait(self) -> float | None:
        """Return the seconds after which a waiting thread asks again; None: never."""
        can_grow = self.known_at is not None and self.limit is None
        return self.growth.wait_timeout if can_grow else None

    def wake_next(self) -> None:
        """Let the first waiting thread see whether it may go on."""
        if self.waiting:
            self.waiting[0].notify()


class ConnectionPool(Generic[A, C]):
    """Lends connections; thread-safe.

    A thread that holds a connection must not borrow another: it could wait for itself.
    """

    def __init__(
        self, connect: Callable[[A], C], now: Callable[[], float] = time.monotonic
    ) -> None:
        """Open connections by ``connect``, which logs in to an account.

        Where it fails although another connection to the account is lent, the server
        takes no more. The first login to an account is tried alone.

        Args:
            connect: Opens a connection.
            now: Returns seconds that never go back.
        """
        self._connect = connect
        self._now = now
        self._lock = threading.Lock()
        self._accounts: dict[A, _Account[C]] = defaultdict(_Account)

    @contextmanager
    def lend(self, key: A) -> Iterator[C]:
        """Lend a connection; it is closed if the work on it fails.

        Raises:
            StorageError: It cannot be opened.
        """
        connection = self._take(key)
        began, computed = self._now(), time.thread_time()
        try:
            yield connection
        except BaseException:
            connection.close()
            self._give_back(key, None)
            raise
        kept = connection if connection.is_open else None
        if kept is None:
            connection.close()  # it may be open, and of no more use
        taken = self._now() - began, time.thread_time() - computed
        self._give_back(key, kept, taken)

    def close(self) -> None:
        """Close the idle connections."""
        with self._lock:
            idle = [
                each for account in self._accounts.values() for each in account.idle
            ]
            for account in self._accounts.values():
                account.idle.clear()
        for connection in idle:
            connection.close()

    def _take(self, key: A) -> C:
        while True:
            connection = self._reserve(key)
            if connection is not None:
                if connection.responds():
                    return connection
                connection.close()  # the server closed it
            began = self._now()
            try:
                connection = self._connect(key)
            except StorageError as error:
                if not self._is_full(key, error):
                    raise
            except BaseException:
                self._give_back(key, None)
                raise
            else:
                with self._lock:
                    account = self._accounts[key]
                    if account.known_at is None:
                        account.known_at = self._now()
                    account.growth.opened(self._now() - began)
                    account.wake_next()
                return connection

    def _reserve(self, key: A) -> C | None:
        """Wait for a place; return the idle connection that has it, if one has."""
        with self._lock:
            account = self._accounts[key]
            now = self._now()
            if account.waiting or not account.has_place(now, since=now):
                self._wait(account, now)
            if account.refusal:
                raise StorageError(account.refusal)
            account.lent += 1
            return account.idle.pop() if account.idle else None

    def _wait(self, account: _Account[C], since: float) -> None:
        """Wait for a turn, and then for a place."""
        turn = threading.Condition(self._lock)
        account.waiting.append(turn)
        try:
            while account.waiting[0] is not turn:
                turn.wait()
            while not account.has_place(self._now(), since=since):
                turn.wait(account.longest_wait())
        finally:
            account.waiting.remove(turn)
            account.wake_next()

    def _is_full(self, key: A, error: StorageError) -> bool:
        """Give the place back; tell whether to wait for another connection."""
        with self._lock:
            account = self._accounts[key]
            account.lent -= 1
            is_known = account.known_at is not None
            is_full = is_known and account.lent > 0
            account.limit = account.lent if is_full else None
            if not is_known and not error.transient:
                account.refusal = error.message
            account.wake_next()
            return is_full

    def _give_back(
        self, key: A, connection: C | None, taken: tuple[float, float] = (0, 0)
    ) -> None:
        with self._lock:
            account = self._accounts[key]
            account.lent -= 1
            if connection is not None:
                account.idle.append(connection)
                account.growth.returned(*taken)
            elif not account.lent:
                account.limit = None  # try anew what the server takes
            account.wake_next()
