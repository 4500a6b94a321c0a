"""Requests are sent together, each gets its own result, and none waits for ever."""

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from queue import Queue
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tesk_api.adapters.batching import Batcher, BatchLimits
from tesk_model.errors import InternalError, NotFoundError, TeskError, UnavailableError

LONG = timedelta(seconds=20)
Answers = Sequence[int | TeskError]


def limits(**overrides: Any) -> BatchLimits:
    fields: dict[str, Any] = {
        "max_items": 256,
        "max_bytes": 1000,
        "max_calls": 1,
        "extra_call_delay": timedelta(),
        "timeout": LONG,
        "min_call_time": timedelta(seconds=0),
    }
    return BatchLimits(**(fields | overrides))


class FakeService:
    """A service that answers ten times the number, when the test lets it."""

    def __init__(self) -> None:
        self.arrived: Queue[list[int]] = Queue()
        self.answers: Queue[TeskError | None] = Queue()

    def send(self, numbers: Sequence[int], left: timedelta) -> Answers:
        assert timedelta() < left <= LONG
        self.arrived.put(list(numbers))
        error = self.answers.get(timeout=20)
        if error:
            raise error
        return [
            NotFoundError("odd") if number < 0 else number * 10 for number in numbers
        ]

    def answer(self, error: TeskError | None = None) -> None:
        self.answers.put(error)


def start(
    pool: ThreadPoolExecutor,
    batcher: Batcher[int, int],
    numbers: Sequence[int],
    size: int = 1,
) -> list["Future[int]"]:
    """Start calls one after the other, so that they queue in this order."""
    calls = []
    for number in numbers:
        known = len(batcher._waiting)
        calls.append(pool.submit(batcher.call, number, size=size))
        while len(batcher._waiting) == known:
            threading.Event().wait(0.001)
    return calls


@pytest.fixture
def pool() -> Any:
    with ThreadPoolExecutor(64) as pool:
        yield pool


def start_first_call(
    pool: ThreadPoolExecutor, service: FakeService, batcher: Batcher[int, int]
) -> "Future[int]":
    """Start call 1, and return when it is in flight."""
    first = pool.submit(batcher.call, 1, size=1)
    assert service.arrived.get(timeout=20) == [1]
    return first


def test_a_single_request_goes_at_once(pool: ThreadPoolExecutor) -> None:
    service = FakeService()
    first = start_first_call(pool, service, Batcher(service.send, limits()))

    service.answer()

    assert first.result(20) == 10


def test_requests_during_a_call_share_the_next_one(pool: ThreadPoolExecutor) -> None:
    service = FakeService()
    batcher = Batcher(service.send, limits())
    start_first_call(pool, service, batcher)
    calls = start(pool, batcher, [2, -3, 4])

    service.answer()
    assert service.arrived.get(timeout=20) == [2, -3, 4]
    service.answer()

    assert calls[0].result(20) == 20
    assert isinstance(calls[1].exception(20), NotFoundError)
    assert calls[2].result(20) == 40


def test_a_request_returns_when_its_own_call_does(pool: ThreadPoolExecutor) -> None:
    service = FakeService()
    batcher = Batcher(service.send, limits())
    first = start_first_call(pool, service, batcher)
    start(pool, batcher, [2])

    service.answer()

    assert first.result(20) == 10
    service.answer()


def test_calls_in_flight_are_limited(pool: ThreadPoolExecutor) -> None:
    service = FakeService()
    batcher = Batcher(service.send, limits(max_calls=2))
    start_first_call(pool, service, batcher)
    pool.submit(batcher.call, 2, size=1)
    assert service.arrived.get(timeout=20) == [2]
    start(pool, batcher, [3, 4])

    assert service.arrived.empty()

    for _ in range(3):
        service.answer()
    assert service.arrived.get(timeout=20) == [3, 4]


def test_an_extra_call_starts_only_after_its_delay(
    pool: ThreadPoolExecutor,
) -> None:
    service = FakeService()
    batcher = Batcher(service.send, limits(max_calls=2, extra_call_delay=LONG))
    start_first_call(pool, service, batcher)
    start(pool, batcher, [2, 3])
    batcher._limits = limits(max_calls=2, extra_call_delay=timedelta(seconds=0.05))
    start(pool, batcher, [4])

    assert service.arrived.get(timeout=20) == [2, 3, 4]

    for _ in range(2):
        service.answer()


def test_a_request_behind_a_slow_call_takes_another_slot(
    pool: ThreadPoolExecutor,
) -> None:
    service = FakeService()
    batcher = Batcher(
        service.send, limits(max_calls=2, extra_call_delay=timedelta(seconds=0.05))
    )
    start_first_call(pool, service, batcher)
    second = pool.submit(batcher.call, 2, size=1)
    assert service.arrived.get(timeout=20) == [2]
    start(pool, batcher, [3])

    service.answer()

    assert service.arrived.get(timeout=20) == [3]
    service.answer()
    service.answer()
    assert second.result(20) == 20


def test_a_batch_keeps_to_its_limits(pool: ThreadPoolExecutor) -> None:
    service = FakeService()
    batcher = Batcher(service.send, limits(max_items=2, max_bytes=100))
    start_first_call(pool, service, batcher)
    large = start(pool, batcher, [2, 3], size=101)
    small = start(pool, batcher, [4, 5, 6])

    for _ in range(5):
        service.answer()

    assert [call.result(20) for call in (*large, *small)] == [20, 30, 40, 50, 60]
    sent = [service.arrived.get(timeout=20) for _ in range(4)]
    assert sent == [[2], [3], [4, 5], [6]]


def test_an_error_of_a_call_reaches_each_request(pool: ThreadPoolExecutor) -> None:
    service = FakeService()
    batcher = Batcher(service.send, limits())
    start_first_call(pool, service, batcher)
    calls = start(pool, batcher, [2, 3])

    service.answer()
    service.answer(UnavailableError("down"))

    assert [str(call.exception(20)) for call in calls] == ["down", "down"]


def test_later_requests_are_sent_after_a_bug(pool: ThreadPoolExecutor) -> None:
    def send(numbers: Sequence[int], _left: timedelta) -> Answers:
        if 0 in numbers:
            raise ZeroDivisionError
        return numbers

    batcher: Batcher[int, int] = Batcher(send, limits())

    assert isinstance(
        pool.submit(batcher.call, 0, size=1).exception(20), ZeroDivisionError
    )
    assert pool.submit(batcher.call, 7, size=1).result(20) == 7


def test_results_that_do_not_match_the_batch_are_an_error(
    pool: ThreadPoolExecutor,
) -> None:
    batcher: Batcher[int, int] = Batcher(lambda _, __: [1, 2], limits())

    assert isinstance(pool.submit(batcher.call, 1, size=1).exception(20), InternalError)


def test_a_request_that_waits_too_long_is_not_sent(pool: ThreadPoolExecutor) -> None:
    service = FakeService()
    batcher = Batcher(service.send, limits())
    first = start_first_call(pool, service, batcher)
    batcher._limits = limits(
        timeout=timedelta(seconds=0.5), min_call_time=timedelta(seconds=0.4)
    )
    (second,) = start(pool, batcher, [2])

    assert str(second.exception(20)) == "the scheduler is busy; nothing was done"

    service.answer()
    assert first.result(20) == 10
    assert service.arrived.empty()


def test_a_request_without_an_answer_is_an_error_that_says_so(
    pool: ThreadPoolExecutor,
) -> None:
    service = FakeService()
    batcher = Batcher(service.send, limits())
    start_first_call(pool, service, batcher)
    batcher._limits = limits(timeout=timedelta(seconds=0.5))
    calls = start(pool, batcher, [2, 3])
    service.answer()

    assert str(calls[1].exception(20)) == (
        "the scheduler did not answer in time; whether it acted is not known"
    )
    service.answer()


@settings(max_examples=15, derandomize=True, deadline=None)
@given(
    items=st.integers(1, 7),
    calls=st.integers(1, 3),
    delay=st.sampled_from([timedelta(), timedelta(seconds=0.002), LONG]),
    count=st.integers(1, 150),
)
def test_each_request_gets_its_own_result(
    items: int, calls: int, delay: timedelta, count: int
) -> None:
    def send(numbers: Sequence[int], _left: timedelta) -> Answers:
        assert 0 < len(numbers) <= items
        return [number * 10 for number in numbers]

    bounds = limits(max_items=items, max_calls=calls, extra_call_delay=delay)
    batcher: Batcher[int, int] = Batcher(send, bounds)
    with ThreadPoolExecutor(32) as pool:
        answers = list(
            pool.map(lambda number: batcher.call(number, size=1), range(count))
        )

    assert answers == [number * 10 for number in range(count)]
    assert batcher._free_slots == calls
