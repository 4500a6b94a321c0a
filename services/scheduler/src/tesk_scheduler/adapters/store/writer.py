"""Writes one transaction at a time: units of work share it and its fsync.

A caller that finds nobody writing writes itself, which saves two switches of threads.
While one transaction is being committed the next units gather; the writer's thread
runs them one after the other, and they are answered together when their commit is on
disk. If one of them fails, all run again, each in a savepoint of its own. Under load
one fsync serves many callers; a single caller does not wait.

Units run in the order in which they came: nobody writes before those that wait, not
even a thread that has just written and comes again. A group ends after some time, so
that what is short waits for a long unit before it and not for those behind it.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from tesk_model.errors import (
    ConflictError,
    InvalidRequestError,
    TeskError,
    UnavailableError,
    Violation,
)
from tesk_scheduler.ports.observer import Observer

_GROUP = 128
# Seconds of work after which a group gets no further unit.
_LONGEST_GROUP = 0.02
_CLOSING = "the scheduler is shutting down"
_logger = logging.getLogger(__name__)

ResultT = TypeVar("ResultT")
Work = Callable[[Connection], Any]


class _Unit(NamedTuple):
    """Work, what its caller waits for, and what hears of the result after that."""

    work: Work
    future: "Future[Any]"
    then: Callable[[Any], None]


class _Result(NamedTuple):
    unit: _Unit
    failure: Exception | None
    value: Any = None


class Writer:
    """Runs units of work, alone or in groups."""

    def __init__(
        self,
        engine: Engine,
        *,
        keep_connection: bool,
        check: Callable[[], None],
        finish: Callable[[Connection, Sequence[Any]], None],
        observer: Observer,
    ) -> None:
        """Start the thread that writes what has gathered.

        Args:
            engine: Where to write.
            check: Raises if what is written would be lost; called before a
                commit is acknowledged.
            finish: Called with the results of all units of a transaction, before
                its commit: what others wait for is done last, and for all together.
            keep_connection: Keep one connection, which is cheaper than the pool;
                for a database on this machine.
            observer: Notified of each transaction.
        """
        self._engine = engine
        self._keep = keep_connection
        self._check = check
        self._finish = finish
        self._observer = observer
        self._succeeded_at: float | None = None
        self._kept: Connection | None = None
        # Taken by the thread that holds ``_writing`` alone, so that it is not empty
        # while one waits to be written.
        self._units: deque[_Unit] = deque()
        self._gathered = threading.Event()
        self._closed = threading.Event()
        # Held by the thread that writes; nobody waits for it but the writer's own.
        self._writing = threading.Lock()
        self._thread = threading.Thread(target=self._loop, name="writer", daemon=True)
        self._thread.start()

    def run(
        self,
        work: Callable[[Connection], ResultT],
        *,
        timeout: float | None = None,
        then: Callable[[ResultT], None] = lambda _: None,
    ) -> ResultT:
        """Run ``work`` and return when it is durable.

        Args:
            work: What to do.
            timeout: Seconds to wait; the work may still be done afterwards.
                None: no limit.
            then: Called with the result, in the order of what was written.

        Raises:
            UnavailableError: Nothing was written because the database is not
                available; or the result is unknown after ``timeout``.
            TeskError: What ``work`` raised; nothing of it was written.
        """
        future: Future[ResultT] = Future()
        unit = _Unit(work, future, then)
        if timeout is None and self._try_alone(unit):
            return future.result()
        if self._closed.is_set():
            raise UnavailableError(_CLOSING)
        self._units.append(unit)
        self._gathered.set()
        try:
            return future.result(timeout)
        except TimeoutError:
            if future.done():
                raise
            raise UnavailableError(
                f"nothing could be written for {timeout:g} s"
            ) from None

    def has_succeeded_within(self, seconds: float) -> bool:
        """Tell whether the last write succeeded, not longer ago than this."""
        last = self._succeeded_at
        return last is not None and time.monotonic() - last < seconds

    def close(self) -> None:
        """Run the remaining units, then stop."""
        self._closed.set()
        self._gathered.set()
        self._thread.join()

    def _try_alone(self, unit: _Unit) -> bool:
        """Write in the caller's thread if nobody writes or waits to be written."""
        if self._units or not self._writing.acquire(blocking=False):
            return False
        try:
            # Asked last: who closes waits for what has begun.
            if self._closed.is_set():
                raise UnavailableError(_CLOSING)
            self._commit([unit])
        finally:
            self._writing.release()
        return True

    def _loop(self) -> None:
        while True:
            self._gathered.wait()
            self._gathered.clear()
            with self._writing:
                is_last = self._closed.is_set()
                while self._units:
                    count = min(_GROUP, len(self._units))
                    self._commit([self._units.popleft() for _ in range(count)])
                if is_last:
                    self._release_connection()
                    return

    def _commit(self, units: list[_Unit]) -> None:
        """Write ``units``; those that would take too long gather again, as the first."""
        began = time.monotonic()
        try:
            if self._kept is None:
                self._kept = self._engine.connect()
            results = self._run_group(self._kept, units)
            self._check()
            self._units.extendleft(reversed(units[len(results) :]))
            self._succeeded_at = time.monotonic()
        except Exception as error:  # noqa: BLE001 - raised at every caller, and the thread must go on
            _logger.warning("write failed", extra={"error": str(error)})
            self._succeeded_at = None
            failure = as_tesk_error(error)
            results = [_Result(unit, failure) for unit in units]
            self._release_connection()
        if not self._keep:
            self._release_connection()
        for unit, failed, value in results:
            if failed is None:
                unit.future.set_result(value)
            else:
                unit.future.set_exception(failed)
        self._observe(results, time.monotonic() - began)

    def _observe(self, results: list[_Result], seconds: float) -> None:
        succeeded = self._succeeded_at is not None
        self._observer.wrote(units=len(results), seconds=seconds, succeeded=succeeded)
        for unit, failure, value in results:
            if failure is None:
                unit.then(value)

    def _release_connection(self) -> None:
        connection, self._kept = self._kept, None
        if connection is not None:
            connection.close()

    def _run_group(self, connection: Connection, units: list[_Unit]) -> list[_Result]:
        results = []
        try:
            if (values := self._run_together(connection, units)) is not None:
                return [
                    _Result(unit, None, value)
                    for unit, value in zip(units, values, strict=False)
                ]
            with connection.begin():
                for unit in units:
                    failed, value = _run_one(connection, unit.work)
                    results.append(_Result(unit, failed, value))
                done = [each.value for each in results if each.failure is None]
                self._finish(connection, done)
        except DBAPIError:
            # A full disk may have ended the transaction; a new connection has a
            # clean state.
            connection.invalidate()
            raise
        return results

    def _run_together(
        self, connection: Connection, units: list[_Unit]
    ) -> list[Any] | None:
        """Run units without savepoints; undo all and return None if one fails.

        Those that are left after some time are not run: there is no value for them.
        Failures are rare, and a savepoint costs two statements. A unit may run more
        than once, so that all are then run again, each on its own.
        """
        try:
            with connection.begin():
                values: list[Any] = []
                until = time.monotonic() + _LONGEST_GROUP
                for unit in units:
                    values.append(unit.work(connection))
                    if time.monotonic() > until:
                        break
                self._finish(connection, values)
                return values
        except (IntegrityError, DataError):
            return None
        except DBAPIError:
            raise
        except Exception:  # noqa: BLE001 - raised again when units run one by one
            return None


def _run_one(connection: Connection, work: Work) -> tuple[Exception | None, Any]:
    for last in (False, True):
        connection.exec_driver_sql("SAVEPOINT unit")
        try:
            value = work(connection)
        except IntegrityError as error:
            # Another replica was faster (same idempotency key): try again.
            connection.exec_driver_sql("ROLLBACK TO SAVEPOINT unit")
            if last:
                return as_tesk_error(error), None
        except (TeskError, DataError) as error:
            connection.exec_driver_sql("ROLLBACK TO SAVEPOINT unit")
            return as_tesk_error(error), None
        except DBAPIError:
            raise
        except Exception as error:  # noqa: BLE001 - a bug in one unit is raised at its caller alone
            connection.exec_driver_sql("ROLLBACK TO SAVEPOINT unit")
            return error, None
        else:
            connection.exec_driver_sql("RELEASE SAVEPOINT unit")
            return None, value
    raise AssertionError


def as_tesk_error(error: Exception) -> Exception:
    """Convert an error of the database."""
    if isinstance(error, IntegrityError):
        tesk: TeskError = ConflictError("was changed by another request meanwhile")
    elif isinstance(error, DataError):
        tesk = InvalidRequestError([Violation("", "cannot be stored")])
    elif isinstance(error, DBAPIError):
        tesk = UnavailableError(f"the task store cannot be used now: {error.orig}")
    else:
        return error
    tesk.__cause__ = error
    return tesk
