"""Counts the bytes of one file, or of a batch of small ones."""

import threading
from typing import Protocol

from tesk_filer.ports import HaltedError, StorageError, Unmoved


class Counts(Protocol):
    """The transfer that files count into."""

    def add(self, size: int) -> None:
        """Count bytes that have moved; negative after a failed try."""

    def limit(self, size: int) -> None:
        """Wait until more than these bytes, which have moved, may move."""

    def learn_size(self, size: int) -> None:
        """Add the size of a file that was planned without one."""

    def resume(self, files: int, size: int) -> None:
        """Count what an earlier filer moved; negative: it moves again."""


class FileProgress:
    """Counts the bytes of one file, also from many threads.

    A new try starts at 0 again.

    Attributes:
        bytes: Those that have moved.
        files: How many these are when they are complete.
    """

    def __init__(
        self,
        transfer: Counts,
        halt: threading.Event,
        largest: int | None,
        *,
        is_sized: bool,
    ) -> None:
        """Count into ``transfer``, up to ``largest`` bytes; None: any."""
        self._is_sized = is_sized
        self._transfer = transfer
        self._halt = halt
        self._largest = largest
        self._lock = threading.Lock()
        self._reserved = 0
        self._resumed = 0
        self.bytes = 0
        self.files = 1

    @property
    def reserved(self) -> int:
        """Bytes that have not moved and have their space on the disk."""
        return max(self._reserved - self.bytes, 0)

    def start(self) -> None:
        """Subtract what an earlier try counted."""
        with self._lock:
            before, self.bytes = self.bytes, 0
            resumed, self._resumed = self._resumed, 0
            self._reserved = 0
        self._transfer.add(-before)
        if resumed:
            self._transfer.resume(0, -resumed)

    def resume(self, size: int) -> None:
        """Count bytes that an earlier filer brought, for this try."""
        with self._lock:
            self._resumed += size
        self._transfer.resume(0, size)

    def announce(self, size: int | None) -> None:
        """Hear the size of the file; None: it is not known.

        Raises:
            StorageError: The file is too large.
        """
        self.check(size)
        if size is not None and not self._is_sized:
            self._is_sized = True
            self._transfer.learn_size(size)

    def reserve(self, size: int) -> None:
        """Hear how many of the bytes that have not moved have their space on the disk."""
        with self._lock:
            self._reserved = self.bytes + size

    def advance(self, size: int) -> None:
        """Count ``size`` more bytes; those that moved wait for the limit of bytes.

        Raises:
            HaltedError: The transfer was stopped.
            StorageError: The file is too large.
        """
        if self._halt.is_set():
            raise HaltedError
        self.add(size)
        self.check(self.bytes)
        if not isinstance(size, Unmoved):
            self._transfer.limit(size)

    def add(self, size: int) -> None:
        """Count bytes that are there, however they came; negative: they are not."""
        with self._lock:
            self.bytes += size
        self._transfer.add(size)

    def check(self, size: int | None) -> None:
        """Refuse a file that is too large; None: its size is not known.

        Raises:
            StorageError: The file is too large.
        """
        if self._largest is not None:
            check_size(size, self._largest)


def check_size(size: int | None, largest: int) -> None:
    """Refuse a file of more than ``largest`` bytes; None: its size is not known.

    Raises:
        StorageError: The file is too large.
    """
    if size is not None and size > largest:
        message = (
            f"has {size:,} bytes or more; one file may have {largest:,} "
            "(filer.max_file_bytes)"
        )
        raise StorageError(message)
