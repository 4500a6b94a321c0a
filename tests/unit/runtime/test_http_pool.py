"""Threads beside an event loop: order, bound, and which of them works."""

import asyncio
import threading
from collections.abc import Callable

from tesk_runtime.http.pool import WorkerPool


def run(threads: int, use: Callable[[WorkerPool[str]], "asyncio.Future[None]"]) -> None:
    """Let ``use`` submit work, until the future that it returns is done."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        pool: WorkerPool[str] = WorkerPool(
            loop, name="test", threads=threads, waiting=3
        )
        await asyncio.wait_for(use(pool), 60)

    asyncio.run(main())


def test_waiting_work_is_done_in_order_and_too_much_is_refused() -> None:
    gate, done = threading.Event(), []

    def use(pool: WorkerPool[str]) -> "asyncio.Future[None]":
        end = asyncio.get_running_loop().create_future()

        def work(name: str) -> Callable[[float], str]:
            def wait(_waited: float) -> str:
                gate.wait()
                return name

            return wait

        def deliver(name: str) -> None:
            done.append(name)
            if len(done) == 4:
                end.set_result(None)

        accepted = [pool.submit(work(name), deliver) for name in "abcde"]
        gate.set()
        assert accepted == [True, True, True, True, False]
        return end

    run(1, use)

    assert done == ["a", "b", "c", "d"]


def test_a_result_that_cannot_be_delivered_keeps_no_other_one() -> None:
    begun, gate, done = threading.Event(), threading.Event(), []

    def use(pool: WorkerPool[str]) -> "asyncio.Future[None]":
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda *_: done.append("told"))
        end = loop.create_future()

        def last(_waited: float) -> str:
            begun.set()
            gate.wait(60)
            return "c"

        def fail(_name: str) -> None:
            raise OSError("the client has gone")

        def deliver(name: str) -> None:
            done.append(name)
            gate.set()
            if name == "c":
                end.set_result(None)

        pool.submit(lambda _waited: "a", fail)
        pool.submit(lambda _waited: "b", deliver)
        pool.submit(last, deliver)
        begun.wait(60)  # both results are there, and nothing else wakes the loop
        return end

    run(1, use)

    assert sorted(done) == ["b", "c", "told"]


def test_of_idle_threads_few_do_the_work_of_one_request_after_the_other() -> None:
    used: list[str] = []

    def use(pool: WorkerPool[str]) -> "asyncio.Future[None]":
        end = asyncio.get_running_loop().create_future()

        def deliver(name: str) -> None:
            used.append(name)
            if len(used) == 64:
                end.set_result(None)
            else:
                pool.submit(lambda _: threading.current_thread().name, deliver)

        deliver("first")
        return end

    run(32, use)

    assert len(set(used[1:])) < 16
