"""The port of storages that complete many files together for less than one by one."""

from contextlib import AbstractContextManager
from typing import Protocol, runtime_checkable

from tesk_filer.ports import Advance, Source, StorageError
from tesk_model.locations import Location


class NotBatchedError(StorageError):
    """A file is none for a batch, and is to be written by itself; users never see it."""

    def __init__(self) -> None:
        super().__init__("is written by itself")


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

    def batch(self) -> AbstractContextManager[WriteBatch]:
        """Begin a batch."""
