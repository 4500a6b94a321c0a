"""Counts the files and bytes of a transfer; safe for many threads."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tesk_filer.domain.expansion import Limits
from tesk_filer.domain.rates import RateWindow
from tesk_filer.ports import StorageError
from tesk_filer.ports.transfers import MovedByScheme
from tesk_filer.usecases.file_progress import FileProgress, check_size
from tesk_filer.usecases.load_limits import Bandwidth
from tesk_model.progress import NAME_LENGTH
from tesk_model.task import TransferStatus
from tesk_model.text import elide


@dataclass(slots=True)
class _SchemeCounts:
    files: int = 0
    bytes: int = 0
    seconds: float = 0.0
    failed: int = 0


class TransferProgress:
    """Counts files and bytes done, and the totals once they are known."""

    def __init__(
        self,
        direction: str,
        halt: threading.Event,
        *,
        clock: Callable[[], float],
        largest: int = Limits().size,
        bandwidth: Bandwidth | None = None,
    ) -> None:
        """Count until ``halt`` is set; then every ``FileProgress`` stops its file.

        Args:
            direction: ``inputs`` or ``outputs``.
            halt: Stops the transfer.
            clock: Returns seconds that never go back.
            largest: Maximum of bytes of one file.
            bandwidth: Limits the bytes that move; None: nothing does.
        """
        self._bandwidth = bandwidth
        self._direction = direction
        self._halt = halt
        self._clock = clock
        self._largest = largest
        self._lock = threading.Lock()
        self._began = clock()
        self._window = RateWindow(self._began)
        self._files = self._bytes = self._files_planned = self._bytes_planned = 0
        self._resumed = (0, 0)
        self._by_scheme: dict[str, _SchemeCounts] = {}
        # In order of their begin.
        self._moving: dict[FileProgress, tuple[str, object]] = {}
        self._is_whole = False
        self._unsized = 0  # planned files whose size is not known yet

    def plan(self, size: int | None) -> None:
        """Count one file that is to move; its size if that is known."""
        with self._lock:
            self._files_planned += 1
            self._bytes_planned += size or 0
            self._unsized += size is None

    def finish_plan(self) -> None:
        """Note that the totals are complete."""
        with self._lock:
            self._is_whole = True

    def learn_size(self, size: int) -> None:
        """Add the size of a file that was planned without one."""
        with self._lock:
            self._unsized -= 1
            self._bytes_planned += size

    def resume(self, files: int, size: int) -> None:
        """Count what an earlier filer moved of this transfer; negative: it moves again."""
        with self._lock:
            self._resumed = self._resumed[0] + files, self._resumed[1] + size

    @contextmanager
    def of_file(
        self, scheme: str, *, path: str, url: object = "", is_sized: bool = True
    ) -> Iterator[FileProgress]:
        """Yield the counter of one file that moves until the end of the block.

        Args:
            scheme: Of its url.
            path: In the container.
            url: Its text is the url without credentials.
            is_sized: It was planned with its size.
        """
        file = FileProgress(self, self._halt, self._largest, is_sized=is_sized)
        with self._counted(file, scheme, path, url):
            yield file

    @contextmanager
    def of_batch(
        self, scheme: str, *, path: str, url: object = ""
    ) -> Iterator[FileProgress]:
        """Yield one counter for small files that are completed together.

        Its ``files`` says at the end of the block how many are. The size of each is for
        the caller to check.

        Args:
            scheme: Of their urls.
            path: In the container, of the first.
            url: Its text is the url without credentials.
        """
        batch = FileProgress(self, self._halt, None, is_sized=True)
        batch.files = 0
        with self._counted(batch, scheme, path, url):
            yield batch

    @contextmanager
    def _counted(
        self, file: FileProgress, scheme: str, path: str, url: object
    ) -> Iterator[None]:
        began = self._clock()
        with self._lock:
            self._moving[file] = path, url
        try:
            yield
        except StorageError:
            self._end(file, scheme, began, failed=True)
            raise
        except BaseException:
            with self._lock:
                del self._moving[file]
            raise
        self._end(file, scheme, began, failed=False)

    @contextmanager
    def of_listing(self, scheme: str) -> Iterator[None]:
        """Count a directory that cannot be listed in the block as one that failed."""
        try:
            yield
        except StorageError:
            with self._lock:
                self._by_scheme.setdefault(scheme, _SchemeCounts()).failed += 1
            raise

    def _end(
        self, file: FileProgress, scheme: str, began: float, *, failed: bool
    ) -> None:
        with self._lock:
            del self._moving[file]
            counts = self._by_scheme.setdefault(scheme, _SchemeCounts())
            counts.seconds += self._clock() - began
            counts.failed += failed
            if not failed:
                self._files += file.files
                counts.files += file.files
                counts.bytes += file.bytes

    def moved(self) -> tuple[MovedByScheme, ...]:
        """Return the files that have moved, and their bytes, by scheme."""
        with self._lock:
            return tuple(
                MovedByScheme(
                    scheme=scheme,
                    files=counts.files,
                    bytes=counts.bytes,
                    seconds=counts.seconds,
                    failed=counts.failed,
                )
                for scheme, counts in self._by_scheme.items()
            )

    def check(self, size: int | None) -> None:
        """Refuse a file that is too large; None: its size is not known.

        Raises:
            StorageError: The file is too large.
        """
        check_size(size, self._largest)

    @property
    def resumed(self) -> tuple[int, int]:
        """Files that an earlier filer of this transfer moved, and their bytes."""
        with self._lock:
            return self._resumed

    def seconds(self) -> float:
        """Return the time since the transfer began."""
        return self._clock() - self._began

    def add(self, size: int) -> None:
        """Count bytes that have moved; negative after a failed try."""
        with self._lock:
            self._bytes += size

    def limit(self, size: int) -> None:
        """Wait until more than these bytes, which have moved, may move."""
        if self._bandwidth is not None:
            self._bandwidth.take(size)

    def left(self) -> int:
        """Return the bytes that are planned and have no space yet; at least those."""
        with self._lock:
            there = self._bytes + self._resumed[1]
            there += sum(file.reserved for file in self._moving)
            return max(self._bytes_planned - there, 0)

    def status(self) -> TransferStatus:
        """Return how far the transfer is, and how fast since it was last asked."""
        with self._lock:
            has_bytes = self._is_whole and not self._unsized
            path, url = next(iter(self._moving.values()), ("", ""))
            files, size = self._resumed
            return TransferStatus(
                direction=self._direction,
                files_done=self._files + files,
                files_total=self._files_planned if self._is_whole else 0,
                bytes_done=self._bytes + size,
                bytes_total=self._bytes_planned if has_bytes else 0,
                bytes_per_second=self._window.rate(self._clock(), self._bytes),
                path=elide(path, NAME_LENGTH),
                url=elide(str(url), NAME_LENGTH),
            )
