"""The semaphore bounds work by weight, and its queue."""

import threading
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from datetime import timedelta

import pytest

from programs.waiting import eventually
from tesk_api.adapters.fair_semaphore import FairSemaphore
from tesk_model.errors import ResourceExhaustedError


def make_semaphore(capacity: int = 1, max_waiting: int = 0) -> FairSemaphore:
    return FairSemaphore(
        capacity=capacity,
        max_waiting=max_waiting,
        timeout=timedelta(seconds=20),
        message="too many",
    )


def test_a_waiting_thread_is_served_and_the_queue_is_bounded() -> None:
    semaphore = make_semaphore(max_waiting=1)
    inside = threading.Event()
    leave = threading.Event()

    def work() -> None:
        with semaphore.acquire():
            inside.set()
            assert leave.wait(20)

    def is_refused() -> bool:
        try:
            with semaphore.acquire():
                return False
        except ResourceExhaustedError:
            return True

    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(work)
        assert inside.wait(20)
        others = [pool.submit(is_refused) for _ in range(2)]
        # One waits, so that the other one knows at once.
        done, _ = wait(others, 20, return_when=FIRST_COMPLETED)
        assert [future.result() for future in done] == [True]
        leave.set()

        first.result(20)
        assert sorted(future.result(20) for future in others) == [False, True]


def refused(semaphore: FairSemaphore) -> None:
    with pytest.raises(ResourceExhaustedError, match="too many"), semaphore.acquire():
        pass


def test_weights_add_up() -> None:
    semaphore = make_semaphore(capacity=10)

    with semaphore.acquire(6), semaphore.acquire(4):
        refused(semaphore)
    with semaphore.acquire(10):
        pass


def test_a_weight_above_the_capacity_is_served_alone() -> None:
    semaphore = make_semaphore(capacity=10)

    with semaphore.acquire(1000):
        refused(semaphore)
    with semaphore.acquire(10):
        pass


def test_light_work_does_not_overtake_waiting_heavy_work() -> None:
    semaphore = make_semaphore(capacity=2, max_waiting=2)
    order: list[int] = []

    def work(weight: int) -> None:
        with semaphore.acquire(weight):
            order.append(weight)

    with ThreadPoolExecutor(2) as pool:
        with semaphore.acquire(1):
            heavy = pool.submit(work, 2)
            eventually(lambda: bool(semaphore._queue), what="the heavy")
            light = pool.submit(work, 1)
            assert not light.done()
        heavy.result(20)
        light.result(20)

    assert order == [2, 1]
