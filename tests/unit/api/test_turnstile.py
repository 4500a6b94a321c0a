"""Work that is bounded by its weight: who gets in, who waits, who is sent away."""

import threading
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from datetime import timedelta

import pytest

from tesk_api.adapters.turnstile import Turnstile
from tesk_model.errors import ResourceExhaustedError
from waiting import eventually


def make_turnstile(inside: int = 1, waiting: int = 0) -> Turnstile:
    patience = timedelta(seconds=20)
    return Turnstile(
        inside=inside, waiting=waiting, patience=patience, refusal="too many"
    )


def test_who_waits_for_a_turn_gets_it_and_no_more_wait_than_may() -> None:
    turnstile = make_turnstile(waiting=1)
    inside = threading.Event()
    leave = threading.Event()

    def work() -> None:
        with turnstile.turn():
            inside.set()
            assert leave.wait(20)

    def sent_away() -> bool:
        try:
            with turnstile.turn():
                return False
        except ResourceExhaustedError:
            return True

    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(work)
        assert inside.wait(20)
        others = [pool.submit(sent_away) for _ in range(2)]
        # One waits, so that the other one knows at once.
        done, _ = wait(others, 20, return_when=FIRST_COMPLETED)
        assert [future.result() for future in done] == [True]
        leave.set()

        first.result(20)
        assert sorted(future.result(20) for future in others) == [False, True]


def refused(turnstile: Turnstile) -> None:
    with pytest.raises(ResourceExhaustedError, match="too many"), turnstile.turn():
        pass


def test_weights_add_up() -> None:
    turnstile = make_turnstile(inside=10)

    with turnstile.turn(6), turnstile.turn(4):
        refused(turnstile)
    with turnstile.turn(10):
        pass


def test_what_is_heavier_than_all_gets_in_alone() -> None:
    turnstile = make_turnstile(inside=10)

    with turnstile.turn(1000):
        refused(turnstile)
    with turnstile.turn(10):
        pass


def test_the_light_do_not_pass_the_heavy_that_waits() -> None:
    turnstile = make_turnstile(inside=2, waiting=2)
    order: list[int] = []

    def work(weight: int) -> None:
        with turnstile.turn(weight):
            order.append(weight)

    with ThreadPoolExecutor(2) as pool:
        with turnstile.turn(1):
            heavy = pool.submit(work, 2)
            eventually(lambda: bool(turnstile._queue), within=20, what="the heavy")
            light = pool.submit(work, 1)
            assert not light.done()
        heavy.result(20)
        light.result(20)

    assert order == [2, 1]
