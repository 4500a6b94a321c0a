"""Counts the files and bytes of a transfer; safe for many threads."""

import threading

from tesk_filer.domain.expansion import Limits
from tesk_filer.ports import HaltedError, MovedByScheme, Progress, StorageError


class TransferProgress:
    """Counts files and bytes done, and the totals once they are known."""

    def __init__(self, halt: threading.Event, *, largest: int = Limits().size) -> None:
        """Count until ``halt`` is set; then every ``FileProgress`` stops its file.

        Args:
            halt: Stops the transfer.
            largest: Maximum of bytes of one file.
        """
        self._halt = halt
        self._largest = largest
        self._lock = threading.Lock()
        self._files = self._bytes = self._files_planned = self._bytes_planned = 0
        self._by_scheme: dict[str, tuple[int, int]] = {}
        self._is_whole = False
        self._has_sizes = True

    def plan(self, size: int | None) -> None:
        """Count one file that is to move; its size if that is known."""
        with self._lock:
            self._files_planned += 1
            self._bytes_planned += size or 0
            self._has_sizes = self._has_sizes and size is not None

    def finish_plan(self) -> None:
        """Note that the totals are complete."""
        with self._lock:
            self._is_whole = True

    def of_file(self, scheme: str) -> "FileProgress":
        """Return the counter of one file that moves by ``scheme``."""
        return FileProgress(self, self._halt, self._largest, scheme)

    def add_file(self, scheme: str, size: int) -> None:
        """Count a file that has moved, whose bytes were added before."""
        with self._lock:
            self._files += 1
            files, total = self._by_scheme.get(scheme, (0, 0))
            self._by_scheme[scheme] = files + 1, total + size

    def moved(self) -> tuple[MovedByScheme, ...]:
        """Return the files that have moved, and their bytes, by scheme."""
        with self._lock:
            return tuple(
                MovedByScheme(scheme=scheme, files=files, bytes=size)
                for scheme, (files, size) in self._by_scheme.items()
            )

    def add(self, size: int) -> None:
        """Count bytes that have moved; negative after a failed try."""
        with self._lock:
            self._bytes += size

    def snapshot(self) -> Progress:
        """Return the present counts."""
        with self._lock:
            has_bytes = self._is_whole and self._has_sizes
            return Progress(
                files_done=self._files,
                files_total=self._files_planned if self._is_whole else 0,
                bytes_done=self._bytes,
                bytes_total=self._bytes_planned if has_bytes else 0,
            )


class FileProgress:
    """Counts the bytes of one file; a new try starts at 0 again."""

    def __init__(
        self,
        transfer: TransferProgress,
        halt: threading.Event,
        largest: int,
        scheme: str,
    ) -> None:
        """Count into ``transfer``, up to ``largest`` bytes."""
        self._transfer = transfer
        self._halt = halt
        self._largest = largest
        self._scheme = scheme
        self._bytes = 0

    def start(self) -> None:
        """Subtract what an earlier try counted."""
        self._transfer.add(-self._bytes)
        self._bytes = 0

    def advance(self, size: int) -> None:
        """Count ``size`` more bytes.

        Raises:
            HaltedError: The transfer was stopped.
            StorageError: The file is too large.
        """
        if self._halt.is_set():
            raise HaltedError
        self.check(self._bytes + size)
        self._bytes += size
        self._transfer.add(size)

    def check(self, size: int | None) -> None:
        """Refuse a file that is too large; None: its size is not known.

        Raises:
            StorageError: The file is too large.
        """
        if size is not None and size > self._largest:
            message = (
                f"has {size:,} bytes or more; one file may have {self._largest:,} "
                "(filer.max_file_bytes)"
            )
            raise StorageError(message)

    def done(self) -> None:
        """Count the file."""
        self._transfer.add_file(self._scheme, self._bytes)
