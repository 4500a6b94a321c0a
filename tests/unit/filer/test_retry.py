import threading
from datetime import timedelta

import pytest

from tesk_filer.ports import HaltedError, StorageError
from tesk_filer.usecases.retry import Retry
from tesk_filer.usecases.worker_pool import Failure, WorkerPool


class Flaky:
    """Fails a number of times, then succeeds."""

    def __init__(self, *errors: StorageError) -> None:
        self._errors = list(errors)
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self._errors:
            raise self._errors.pop(0)
        return "done"


def retry(halt: threading.Event | None = None, **overrides: int) -> Retry:
    return Retry(
        tries=overrides.get("tries", 3),
        backoff=timedelta(),
        longest=timedelta(),
        halt=halt or threading.Event(),
    )


def transient(retry_after: timedelta | None = None) -> StorageError:
    return StorageError("busy", transient=True, retry_after=retry_after)


def test_a_transient_error_is_retried_until_success() -> None:
    call = Flaky(transient(), transient())

    assert retry()(call) == "done"
    assert call.calls == 3


def test_tries_are_counted() -> None:
    call = Flaky(*[transient() for _ in range(9)])

    with pytest.raises(StorageError, match="busy"):
        retry(tries=4)(call)

    assert call.calls == 4


def test_a_permanent_error_is_not_retried() -> None:
    call = Flaky(StorageError("access denied"))

    with pytest.raises(StorageError, match="access denied"):
        retry()(call)

    assert call.calls == 1


def test_a_halt_ends_the_longest_wait() -> None:
    halt = threading.Event()
    halt.set()

    with pytest.raises(HaltedError):
        retry(halt)(Flaky(transient(timedelta(hours=1))))


def test_a_bug_in_one_file_is_a_failure_that_may_pass() -> None:
    workers = WorkerPool(2, threading.Event(), stops_at_failure=False)

    workers.submit("inputs[0] (/a)", lambda: 1 / 0)  # type: ignore[arg-type]  # the bug
    workers.drain()
    workers.close()

    assert workers.failures == (
        Failure("inputs[0] (/a): internal error of the filer", transient=True),
    )


def test_work_that_runs_at_once_is_bounded_by_the_threads() -> None:
    workers = WorkerPool(2, threading.Event(), stops_at_failure=False)
    running: list[int] = []
    most: list[int] = []
    lock = threading.Lock()

    def work() -> None:
        with lock:
            running.append(1)
            most.append(len(running))
        with lock:
            running.pop()

    for number in range(50):
        workers.submit(str(number), work)
    workers.drain()
    workers.close()

    assert len(most) == 50
    assert max(most) <= 2


def test_new_work_is_not_started_after_a_failure() -> None:
    halt = threading.Event()
    workers = WorkerPool(1, halt, stops_at_failure=True)

    def fail() -> None:
        raise StorageError("gone")

    workers.call("inputs[0]", fail)

    with pytest.raises(HaltedError):
        workers.submit("inputs[1]", fail)
    workers.close()
    assert workers.failures == (Failure("inputs[0]: gone", transient=False),)
