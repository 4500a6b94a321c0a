"""Threads start when there are calls for them, and there may be more later."""

import threading

from programs.waiting import eventually
from tesk_filer.usecases.worker_threads import WorkerThreads


def hold(threads: WorkerThreads, calls: int) -> tuple[threading.Semaphore, list[int]]:
    """Submit calls that wait for the semaphore; the list has those that began."""
    release, began = threading.Semaphore(0), list[int]()
    for number in range(calls):

        def call(number: int = number) -> None:
            began.append(number)
            release.acquire()

        threads.submit(call)
    return release, began


def test_calls_run_at_once_in_as_many_threads_as_there_may_be() -> None:
    threads = WorkerThreads(2, "test")
    release, began = hold(threads, 4)
    eventually(lambda: len(began) == 2)

    release.release(2)

    eventually(lambda: len(began) == 4)
    assert began[:2] == [0, 1]
    release.release(2)
    threads.close()


def test_idle_threads_are_taken_before_others_start() -> None:
    threads = WorkerThreads(8, "test")
    names: list[str] = []
    for number in range(20):
        threads.submit(lambda: names.append(threading.current_thread().name))
        eventually(lambda number=number: len(names) > number)  # type: ignore[misc]
        eventually(lambda: threads._idle == 1)

    assert len(set(names)) == 1
    threads.close()


def test_there_may_be_more_threads_later() -> None:
    threads = WorkerThreads(1, "test")
    release, began = hold(threads, 2)
    eventually(lambda: began == [0])

    threads.grow(3)
    threads.grow(2)
    more_release, more = hold(threads, 2)

    eventually(lambda: len(began) + len(more) == 3)
    release.release(2)
    more_release.release(2)
    threads.close()


def test_closed_threads_forget_what_has_not_begun_and_end() -> None:
    threads = WorkerThreads(1, "closing")
    release, began = hold(threads, 3)
    eventually(lambda: began == [0])

    threads.close()
    threads.submit(lambda: began.append(9))
    release.release(3)

    eventually(lambda: not [t for t in threading.enumerate() if "closing" in t.name])
    assert began == [0]
