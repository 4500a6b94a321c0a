"""Sends parts of a file at once."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait

from tesk_filer.ports import Part


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
    running: set[Future[None]] = set()
    try:
        for part in parts:
            if len(running) >= at_once:
                running = _await_one(running)
            running.add(pool.submit(send, part))
        while running:
            running = _await_one(running)
    finally:
        for future in running:
            future.cancel()
        wait(running)


def _await_one(running: set[Future[None]]) -> set[Future[None]]:
    """Wait until a call has ended; return the others."""
    done, rest = wait(running, return_when=FIRST_COMPLETED)
    for future in done:
        future.result()
    return rest
