"""Downloads one large file by several connections.

One thread, the leader, reads from the beginning on; as long as its connection is fast
it reads the whole file, which costs the least. Else others help it, from the end of the
file on, one part at a time. Helpers come from the threads that bring files: when there
are none the leader brings all parts, so that nobody waits for a thread.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Self

from tesk_filer.domain.parts import MIB, streams_for
from tesk_filer.ports import HaltedError, Part, Reader, StorageError
from tesk_filer.ports.readers import Compares, Skips
from tesk_filer.ports.volume import PartialFile
from tesk_filer.usecases.file_progress import FileProgress
from tesk_filer.usecases.part_queue import Claim, PartQueue
from tesk_filer.usecases.retry import Retry

CHUNK = MIB
"""Bytes that a thread holds at a time: all of them hold ``filer.parallel`` MiB."""

_SAMPLE = 4 * MIB  # by which the speed of a connection is measured, or
_SAMPLE_SECONDS = 0.25

Opened = AbstractContextManager[Reader]


@dataclass(frozen=True, slots=True, kw_only=True)
class LargeFile:
    """A file that arrives in parts.

    Attributes:
        open: Opens a part, always of the same content.
        arriving: Where it arrives.
        arrived: Called with each part that has arrived.
    """

    size: int
    open: Callable[[Part], Opened]
    arriving: PartialFile
    progress: FileProgress
    arrived: Callable[[Part], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Helpers:
    """The threads that may help.

    Attributes:
        offer: Runs a call in so many threads, when they are free.
        most: Streams of one file.
        now: Seconds of a clock that never goes back.
    """

    offer: Callable[[Callable[[], None], int], None]
    most: int
    now: Callable[[], float]


class LargeDownload:
    """Brings the parts of ``queue``."""

    def __init__(
        self, file: LargeFile, queue: PartQueue, retry: Retry, helpers: Helpers
    ) -> None:
        """Bring ``file``; each part is tried as often as ``retry`` says."""
        self._file = file
        self._queue = queue
        self._retry = retry
        self._helpers = helpers
        self._speed = _Speed(helpers.now)

    def run(self, opened: Opened, start: int) -> None:
        """Bring all parts.

        Args:
            opened: Reads from the first part on; entered here.
            start: Of the first part.

        Raises:
            StorageError: A part cannot be brought.
            HaltedError: The transfer was stopped.
        """
        stream = _Stream(self._file, opened, start)
        is_left = True
        while is_left:
            try:
                # Closed before others are waited for: they may wait for its place.
                with stream:
                    self._lead_all(stream)
            finally:
                is_left = self._queue.wait()

    def _lead_all(self, stream: "_Stream") -> None:
        while (claim := self._queue.first()) is not None:
            self._settle(partial(self._lead, stream, claim))
        if not self._queue.has_failed:
            self._retry(stream.compare)

    def _help(self) -> None:
        while (claim := self._queue.last()) is not None:
            self._settle(partial(self._fetch, claim))
            if not claim.is_whole:
                return

    def _settle(self, bring: Callable[[], None]) -> None:
        """Bring a claim and give it back; errors are raised by ``run``."""
        try:
            self._retry(bring)
        except Exception as error:  # noqa: BLE001 - any must reach ``run``
            self._queue.give_back(error)
        else:
            self._queue.give_back()

    def _lead(self, stream: "_Stream", claim: Claim) -> None:
        with stream.standing_at(claim.position) as reader:
            self._receive(reader, claim, self._measure)
            stream.position = claim.position

    def _fetch(self, claim: Claim) -> None:
        with self._file.open(Part(claim.position, claim.part.stop)) as reader:
            if isinstance(reader, Skips) and reader.skips:
                self._queue.leave(claim)
                return
            self._receive(reader, claim)

    def _receive(
        self,
        reader: Reader,
        claim: Claim,
        note: Callable[[int], None] = lambda _: None,
    ) -> None:
        file = self._file
        while not claim.is_whole:
            if self._queue.has_failed:
                raise HaltedError
            data = reader.read(min(CHUNK, claim.part.stop - claim.position))
            if not data:
                message = f"{claim.position} of {file.size} bytes arrived"
                raise StorageError(message, transient=True)
            file.arriving.write(data, claim.position)
            claim.position += len(data)
            file.progress.advance(len(data))
            note(len(data))
        file.arrived(claim.part)

    def _measure(self, size: int) -> None:
        rate = self._speed.note(size)
        if rate is not None:
            helpers = streams_for(rate, self._helpers.most) - 1
            self._helpers.offer(self._help, helpers)


class _Stream:
    """The leader's connection, which reads part after part."""

    def __init__(self, file: LargeFile, opened: Opened, position: int) -> None:
        self._file = file
        self._stack = ExitStack()
        self._reader: Reader | None = self._stack.enter_context(opened)
        self.position = position

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._reader = None
        self._stack.close()

    @contextmanager
    def standing_at(self, position: int) -> Iterator[Reader]:
        """Yield the reader; it is opened anew where it must be."""
        if self._reader is None or position != self.position:
            self._stack.close()
            self._reader = None
            rest = Part(position, self._file.size)
            self._reader = self._stack.enter_context(self._file.open(rest))
        try:
            yield self._reader
        except BaseException:
            self._reader = None
            raise

    def compare(self) -> None:
        """Raise ChangedError if the file has changed, where it was not read to its end.

        What came by other connections was compared when it had come.
        """
        if self.position == self._file.size:
            return
        with self.standing_at(self.position) as reader:
            if isinstance(reader, Compares):
                reader.compare()


class _Speed:
    """Measures the first bytes of a connection, once."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._began: float | None = None
        self._bytes = 0
        self._is_known = False

    def note(self, size: int) -> float | None:
        """Count bytes; return their rate per second when it is known first.

        What came with the first chunk tells of the wait for it, not of the speed.
        """
        if self._is_known:
            return None
        if self._began is None:
            self._began = self._now()
            return None
        self._bytes += size
        seconds = self._now() - self._began
        self._is_known = self._bytes >= _SAMPLE or seconds >= _SAMPLE_SECONDS
        return self._bytes / max(seconds, 1e-6) if self._is_known else None
