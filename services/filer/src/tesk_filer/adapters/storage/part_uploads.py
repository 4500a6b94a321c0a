"""Sends parts of a file at once."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_EXCEPTION, Executor, Future, wait

from tesk_filer.ports import Advance, Part


def split(size: int, part_size: int) -> Iterator[Part]:
    """Yield the parts of a file, in order."""
    for start in range(0, size, part_size):
        yield Part(start, min(start + part_size, size))


def send_parts(
    pool: Executor, parts: Iterable[Part], send: Callable[[Part], None], *, at_once: int
) -> None:
    """Call ``send`` for each part in ``pool``; return when no call runs any more.

    The first error is raised, and begins no further call.
    """
    running: deque[Future[None]] = deque()
    try:
        for part in parts:
            if len(running) >= at_once:
                running.popleft().result()
            running.append(pool.submit(send, part))
        done, _ = wait(running, return_when=FIRST_EXCEPTION)
        for future in done:
            future.result()
    finally:
        for future in running:
            future.cancel()
        wait(running)


def from_one_thread(advance: Advance) -> Advance:
    """Return ``advance`` for calls from several threads, which it gets one by one."""
    lock = threading.Lock()

    def one_by_one(size: int) -> None:
        with lock:
            advance(size)

    return one_by_one
