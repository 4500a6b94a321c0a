"""Requests travel together, each gets its own answer, and none waits for ever."""

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
        "items": 256,
        "weight": 1000,
        "calls": 1,
        "beside": timedelta(),
        "time": LONG,
        "least": timedelta(seconds=0),
    }
    return BatchLimits(**(fields | overrides))


class Line:
    """A far end that answers ten times the number, when the test lets it."""

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

    def let_pass(self, error: TeskError | None = None) -> None:
        self.answers.put(error)


def start(
    pool: ThreadPoolExecutor,
    batches: Batcher[int, int],
    numbers: Sequence[int],
    weight: int = 1,
) -> list["Future[int]"]:
    """Start calls one after the other, so that they queue in this order."""
    calls = []
    for number in numbers:
        known = len(batches._waiting)
        calls.append(pool.submit(batches.call, number, weight=weight))
        while len(batches._waiting) == known:
            threading.Event().wait(0.001)
    return calls


@pytest.fixture
def pool() -> Any:
    with ThreadPoolExecutor(64) as pool:
        yield pool


def occupied(
    pool: ThreadPoolExecutor, line: Line, batches: Batcher[int, int]
) -> "Future[int]":
    """Start call 1, and return when it is in flight."""
    first = pool.submit(batches.call, 1, weight=1)
    assert line.arrived.get(timeout=20) == [1]
    return first


def test_a_single_request_goes_at_once(pool: ThreadPoolExecutor) -> None:
    line = Line()
    first = occupied(pool, line, Batcher(line.send, limits()))

    line.let_pass()

    assert first.result(20) == 10


def test_what_comes_meanwhile_travels_together(pool: ThreadPoolExecutor) -> None:
    line = Line()
    batches = Batcher(line.send, limits())
    occupied(pool, line, batches)
    calls = start(pool, batches, [2, -3, 4])

    line.let_pass()
    assert line.arrived.get(timeout=20) == [2, -3, 4]
    line.let_pass()

    assert calls[0].result(20) == 20
    assert isinstance(calls[1].exception(20), NotFoundError)
    assert calls[2].result(20) == 40


def test_a_leader_is_done_when_its_own_call_is(pool: ThreadPoolExecutor) -> None:
    line = Line()
    batches = Batcher(line.send, limits())
    first = occupied(pool, line, batches)
    start(pool, batches, [2])

    line.let_pass()

    assert first.result(20) == 10
    line.let_pass()


def test_no_more_calls_are_in_flight_than_allowed(pool: ThreadPoolExecutor) -> None:
    line = Line()
    batches = Batcher(line.send, limits(calls=2))
    occupied(pool, line, batches)
    pool.submit(batches.call, 2, weight=1)
    assert line.arrived.get(timeout=20) == [2]
    start(pool, batches, [3, 4])

    assert line.arrived.empty()

    for _ in range(3):
        line.let_pass()
    assert line.arrived.get(timeout=20) == [3, 4]


def test_a_call_begins_beside_another_only_after_a_while(
    pool: ThreadPoolExecutor,
) -> None:
    line = Line()
    batches = Batcher(line.send, limits(calls=2, beside=LONG))
    occupied(pool, line, batches)
    start(pool, batches, [2, 3])
    batches._limits = limits(calls=2, beside=timedelta(seconds=0.05))
    start(pool, batches, [4])

    assert line.arrived.get(timeout=20) == [2, 3, 4]

    for _ in range(2):
        line.let_pass()


def test_a_slot_is_kept_for_those_who_wait_behind_a_slow_call(
    pool: ThreadPoolExecutor,
) -> None:
    line = Line()
    batches = Batcher(line.send, limits(calls=2, beside=timedelta(seconds=0.05)))
    occupied(pool, line, batches)
    second = pool.submit(batches.call, 2, weight=1)
    assert line.arrived.get(timeout=20) == [2]
    start(pool, batches, [3])

    line.let_pass()

    assert line.arrived.get(timeout=20) == [3]
    line.let_pass()
    line.let_pass()
    assert second.result(20) == 20


def test_a_batch_holds_no_more_than_fits(pool: ThreadPoolExecutor) -> None:
    line = Line()
    batches = Batcher(line.send, limits(items=2, weight=100))
    occupied(pool, line, batches)
    heavy = start(pool, batches, [2, 3], weight=101)
    light = start(pool, batches, [4, 5, 6])

    for _ in range(5):
        line.let_pass()

    assert [call.result(20) for call in (*heavy, *light)] == [20, 30, 40, 50, 60]
    sent = [line.arrived.get(timeout=20) for _ in range(4)]
    assert sent == [[2], [3], [4, 5], [6]]


def test_an_error_of_the_call_is_each_ones_error(pool: ThreadPoolExecutor) -> None:
    line = Line()
    batches = Batcher(line.send, limits())
    occupied(pool, line, batches)
    calls = start(pool, batches, [2, 3])

    line.let_pass()
    line.let_pass(UnavailableError("down"))

    assert [str(call.exception(20)) for call in calls] == ["down", "down"]


def test_after_a_bug_the_next_ones_go_on(pool: ThreadPoolExecutor) -> None:
    def send(numbers: Sequence[int], _left: timedelta) -> Answers:
        if 0 in numbers:
            raise ZeroDivisionError
        return numbers

    batches: Batcher[int, int] = Batcher(send, limits())

    assert isinstance(
        pool.submit(batches.call, 0, weight=1).exception(20), ZeroDivisionError
    )
    assert pool.submit(batches.call, 7, weight=1).result(20) == 7


def test_answers_that_do_not_fit_are_nobodys(pool: ThreadPoolExecutor) -> None:
    batches: Batcher[int, int] = Batcher(lambda _, __: [1, 2], limits())

    assert isinstance(
        pool.submit(batches.call, 1, weight=1).exception(20), InternalError
    )


def test_who_waits_too_long_is_never_sent(pool: ThreadPoolExecutor) -> None:
    line = Line()
    batches = Batcher(line.send, limits())
    first = occupied(pool, line, batches)
    batches._limits = limits(time=timedelta(seconds=0.5), least=timedelta(seconds=0.4))
    (second,) = start(pool, batches, [2])

    assert str(second.exception(20)) == "the scheduler is busy; nothing was done"

    line.let_pass()
    assert first.result(20) == 10
    assert line.arrived.empty()


def test_who_was_sent_and_gets_no_answer_is_told_so(pool: ThreadPoolExecutor) -> None:
    line = Line()
    batches = Batcher(line.send, limits())
    occupied(pool, line, batches)
    batches._limits = limits(time=timedelta(seconds=0.5))
    calls = start(pool, batches, [2, 3])
    line.let_pass()

    assert str(calls[1].exception(20)) == (
        "the scheduler did not answer in time; whether it acted is not known"
    )
    line.let_pass()


@settings(max_examples=15, derandomize=True, deadline=None)
@given(
    items=st.integers(1, 7),
    calls=st.integers(1, 3),
    beside=st.sampled_from([timedelta(), timedelta(seconds=0.002), LONG]),
    count=st.integers(1, 150),
)
def test_every_request_gets_its_own_answer(
    items: int, calls: int, beside: timedelta, count: int
) -> None:
    def send(numbers: Sequence[int], _left: timedelta) -> Answers:
        assert 0 < len(numbers) <= items
        return [number * 10 for number in numbers]

    bounds = limits(items=items, calls=calls, beside=beside)
    batches: Batcher[int, int] = Batcher(send, bounds)
    with ThreadPoolExecutor(32) as pool:
        answers = list(
            pool.map(lambda number: batches.call(number, weight=1), range(count))
        )

    assert answers == [number * 10 for number in range(count)]
    assert batches._free_slots == calls
