"""Sends parts of a file at once."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from datetime import timedelta
from functools import partial
from typing import TypeVar

from tesk_filer.adapters.storage.http_bodies import FileBody
from tesk_filer.ports import Advance, HaltedError, Part, Source
from tesk_filer.usecases.load_limits import HostLimits
from tesk_filer.usecases.retry import Retry

_TRIES = 4  # of each part
_BACKOFF = timedelta(seconds=0.5)
_MAX_BACKOFF = timedelta(seconds=8)

T = TypeVar("T")

SendPart = Callable[[Part, FileBody], None]
"""Sends a part, whose bytes are those of the body."""


def split(size: int, part_size: int) -> Iterator[Part]:
    """Yield the parts of a file, in order."""
    for start in range(0, size, part_size):
        yield Part(start, min(start + part_size, size))


class PartSender:
    """Sends the parts of one file, each of which is tried again by itself.

    The first failure that lasts stops the other parts soon.
    """

    def __init__(
        self, source: Source, advance: Advance, *, host: str, at_once: int
    ) -> None:
        """Send parts of ``source`` to ``host``, ``at_once`` until it complains."""
        self._source = source
        self._advance = advance
        self._host = host
        self._at_once = at_once
        self._stopped = threading.Event()
        # Of this file alone: half of what all files may send is more than one does.
        self._limits = HostLimits(at_once, self._stopped, now=time.monotonic)
        self._retry = Retry(
            tries=_TRIES,
            backoff=_BACKOFF,
            longest=_MAX_BACKOFF,
            halt=self._stopped,
            listen=partial(advance, 0),
        )
        self._failure: BaseException | None = None

    def send_all(self, pool: Executor, parts: Iterable[Part], send: SendPart) -> None:
        """Call ``send`` for each part in ``pool``; return when no call runs any more.

        Raises:
            StorageError: A part cannot be sent.
            HaltedError: The transfer was stopped.
        """
        try:
            _send_parts(
                pool, parts, partial(self._send_or_stop, send), at_once=self._at_once
            )
        except BaseException:
            if self._failure is not None:
                # What stopped the others, and not that they were stopped.
                raise self._failure from None
            raise

    def finish(self, request: Callable[[], T]) -> T:
        """Make the request that makes a file of the parts, tried as often as each.

        Raises:
            StorageError: It fails.
            HaltedError: The transfer was stopped.
        """
        return self._retry(request)

    def _send_or_stop(self, send: SendPart, part: Part) -> None:
        """Send a part; if that fails, the others stop soon."""
        size = part.stop - part.start
        # One for all tries: it takes back what an earlier one counted.
        body = FileBody(self._source.descriptor, part.start, size, self._proceed)
        try:
            self._retry(partial(self._send, send, part, body))
        except BaseException as error:
            if not self._stopped.is_set():
                self._failure = error
            self._stopped.set()
            raise

    def _send(self, send: SendPart, part: Part, body: FileBody) -> None:
        with self._limits.request(self._host):
            send(part, body)

    def _proceed(self, size: int) -> None:
        """Count ``size`` bytes; raise HaltedError to stop."""
        if self._stopped.is_set():
            raise HaltedError
        self._advance(size)


def _send_parts(
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
