import logging
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


class Waits(threading.Event):
    """Ends no wait, and makes none: it records how long each would be."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.seconds.append(timeout)
        return False


def waits(*errors: StorageError) -> list[float]:
    """Return the waits between tries of which each ends with the next error."""
    halt = Waits()
    second, longest = timedelta(seconds=1), timedelta(seconds=10)
    Retry(tries=len(errors) + 1, backoff=second, longest=longest, halt=halt)(
        Flaky(*errors)
    )
    return halt.seconds


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


def test_waits_grow_to_a_bound_and_differ() -> None:
    many = [waits(*[transient()] * 6) for _ in range(200)]

    for seconds, most in zip(
        zip(*many, strict=True), (1, 2, 4, 8, 10, 10), strict=True
    ):
        assert all(0 <= each <= most for each in seconds)
        # Those who failed together do not come back together.
        assert min(seconds) < most / 4
        assert max(seconds) > most * 3 / 4


def test_a_long_wait_is_ended_by_who_listens() -> None:
    halt, heard = Waits(), iter((None, None))
    call = Flaky(transient(timedelta(hours=1)))

    def listen() -> None:
        if next(heard, HaltedError) is HaltedError:
            raise HaltedError

    second = timedelta(seconds=1)
    listening = Retry(tries=2, backoff=second, longest=second, halt=halt, listen=listen)
    with pytest.raises(HaltedError):
        listening(call)

    assert call.calls == 1
    assert len(halt.seconds) == 2
    assert max(halt.seconds) < 1


def test_who_is_told_when_to_come_back_comes_later_and_not_all_at_once() -> None:
    many = [waits(transient(timedelta(seconds=5)))[0] for _ in range(200)]

    assert all(5 <= each <= 6 for each in many)
    assert max(many) - min(many) > 0.5


def test_each_try_has_its_reason_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "tesk_filer")

    retry()(Flaky(transient(), StorageError("another", transient=True)))

    told = [(each.getMessage(), vars(each)["reason"]) for each in caplog.records]
    assert told == [("tried again", "busy"), ("tried again", "another")]


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
