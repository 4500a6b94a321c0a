"""How many files and bytes have moved, counted by many threads at once."""

import threading

from tesk_filer.ports import HaltedError, Progress


class Tally:
    """Counts what has moved, and what is to move once that is known."""

    def __init__(self, halt: threading.Event) -> None:
        """Count until ``halt`` is set; then every meter stops its file."""
        self._halt = halt
        self._lock = threading.Lock()
        self._files = self._bytes = self._files_planned = self._bytes_planned = 0
        self._is_whole = False
        self._has_sizes = True

    def plan(self, size: int | None) -> None:
        """Count one file that is to move; its size if that is known."""
        with self._lock:
            self._files_planned += 1
            self._bytes_planned += size or 0
            self._has_sizes = self._has_sizes and size is not None

    def plan_is_whole(self) -> None:
        """Tell that no more files will be planned."""
        with self._lock:
            self._is_whole = True

    def meter(self) -> "Meter":
        """Return the counter of one file."""
        return Meter(self, self._halt)

    def add(self, *, size: int = 0, files: int = 0) -> None:
        """Count bytes and files that have moved; negative to take back."""
        with self._lock:
            self._bytes += size
            self._files += files

    def progress(self) -> Progress:
        """Return the counts as of now."""
        with self._lock:
            has_bytes = self._is_whole and self._has_sizes
            return Progress(
                files_done=self._files,
                files_total=self._files_planned if self._is_whole else 0,
                bytes_done=self._bytes,
                bytes_total=self._bytes_planned if has_bytes else 0,
            )


class Meter:
    """Counts the bytes of one file; a new try starts at 0 again."""

    def __init__(self, tally: Tally, halt: threading.Event) -> None:
        """Count into ``tally``."""
        self._tally = tally
        self._halt = halt
        self._bytes = 0

    def start(self) -> None:
        """Take back what an earlier try counted."""
        self._tally.add(size=-self._bytes)
        self._bytes = 0

    def advance(self, size: int) -> None:
        """Count ``size`` more bytes.

        Raises:
            HaltedError: The transfer is to stop.
        """
        if self._halt.is_set():
            raise HaltedError
        self._bytes += size
        self._tally.add(size=size)

    def done(self) -> None:
        """Count the file."""
        self._tally.add(files=1)
