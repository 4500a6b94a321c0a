"""A pool of connections to servers, each logged in to an account.

A login costs several round trips and servers limit them, so each thread takes an idle
connection to the same account before it opens a new one. Where the server takes no more
connections of an account, threads wait until one is returned: the server has room for
what it already took.
"""

import threading
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

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
        known: A login has succeeded.
    """

    idle: list[C] = field(default_factory=list)
    lent: int = 0
    limit: int | None = None
    refusal: str = ""
    known: bool = False

    def has_place(self) -> bool:
        if self.idle or not self.lent or self.refusal:
            return True
        return self.known and (self.limit is None or self.lent < self.limit)


class ConnectionPool(Generic[A, C]):
    """Lends connections; thread-safe.

    A thread that holds a connection must not borrow another: it could wait for itself.
    """

    def __init__(self, connect: Callable[[A], C]) -> None:
        """Open connections by ``connect``, which logs in to an account.

        Where it fails although another connection to the account is lent, the server
        takes no more. The first login to an account is tried alone.
        """
        self._connect = connect
        self._changed = threading.Condition()
        self._accounts: dict[A, _Account[C]] = defaultdict(_Account)

    @contextmanager
    def lend(self, key: A) -> Iterator[C]:
        """Lend a connection; it is closed if the work on it fails.

        Raises:
            StorageError: It cannot be opened.
        """
        connection = self._take(key)
        try:
            yield connection
        except BaseException:
            connection.close()
            self._give_back(key, None)
            raise
        self._give_back(key, connection if connection.is_open else None)

    def close(self) -> None:
        """Close the idle connections."""
        with self._changed:
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
            try:
                connection = self._connect(key)
            except StorageError as error:
                if not self._is_full(key, error):
                    raise
            except BaseException:
                self._give_back(key, None)
                raise
            else:
                with self._changed:
                    self._accounts[key].known = True
                    self._changed.notify_all()
                return connection

    def _reserve(self, key: A) -> C | None:
        """Wait for a place; return the idle connection that has it, if one has."""
        with self._changed:
            account = self._accounts[key]
            self._changed.wait_for(account.has_place)
            if account.refusal:
                raise StorageError(account.refusal)
            account.lent += 1
            return account.idle.pop() if account.idle else None

    def _is_full(self, key: A, error: StorageError) -> bool:
        """Give the place back; tell whether to wait for another connection."""
        with self._changed:
            account = self._accounts[key]
            account.lent -= 1
            is_full = account.known and account.lent > 0
            account.limit = account.lent if is_full else None
            if not account.known and not error.transient:
                account.refusal = error.message
            self._changed.notify_all()
            return is_full

    def _give_back(self, key: A, connection: C | None) -> None:
        with self._changed:
            account = self._accounts[key]
            account.lent -= 1
            if connection is not None:
                account.idle.append(connection)
            elif not account.lent:
                account.limit = None  # try anew what the server takes
            self._changed.notify_all()
