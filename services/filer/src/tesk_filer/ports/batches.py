"""The ports of storages that move many small files together for less than one by one."""

from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol, runtime_checkable

from tesk_filer.ports import Advance, Reader, Source, Stat, StorageError
from tesk_model.locations import Location

ListedLocation = tuple[Location, Stat]
"""Where a file is, and what a listing said of it: its size at least."""


class NotBatchedError(StorageError):
    """A file is none for a batch, and is to be moved by itself; users never see it."""

    def __init__(self) -> None:
        super().__init__("is moved by itself")


class WriteBatch(Protocol):
    """Files that become visible together; for one thread.

    What is not committed at the end of its block is removed.
    """

    def write(self, location: Location, source: Source, advance: Advance) -> str:
        """Write the bytes of ``source``; nobody sees them before ``commit``.

        Returns:
            As ``Storage.write``.

        Raises:
            StorageError: They cannot be written; the rest of the batch can.
        """

    def commit(self) -> None:
        """Complete all files: each is visible and durable when this returns.

        Raises:
            StorageError: Any of them may not be durable. Each is visible whole or not
                at all, and can be written again.
        """


@runtime_checkable
class WritesBatches(Protocol):
    """A storage that takes files in batches; safe to use from many threads."""

    @property
    def small(self) -> int:
        """Bytes of the largest file that gains by company."""

    def batch(self) -> AbstractContextManager[WriteBatch]:
        """Begin a batch."""


@runtime_checkable
class ReadsBatches(Protocol):
    """A storage that gives files in batches; safe to use from many threads.

    What comes so is not looked for in a cache of inputs (``domain.cache_keys``).
    """

    @property
    def small(self) -> int:
        """Bytes of the largest file that gains by company."""

    def open_all(
        self, files: Sequence[ListedLocation]
    ) -> Generator[AbstractContextManager[Reader]]:
        """Open small files; yield what opens the next one, as ``Storage.open`` does.

        Each is left before the next one is taken. To close the generator gives up the
        rest.

        Raises:
            StorageError: All that have not come must be opened by themselves. One that
                is raised when a file is opened is about this one alone.
        """
