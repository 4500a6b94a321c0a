"""A value that is read from files, and read again when they change.

Secrets of Kubernetes are mounted as links that change together, all at once; other
tools rename or rewrite files. All of it shows in the status of the files that were
read and of their folders.
"""

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Generic, TypeVar

ValueT = TypeVar("ValueT")

CHECK_INTERVAL = timedelta(seconds=1)
MAX_BYTES = 1024 * 1024  # of a file; as much as a Secret of Kubernetes holds
_MAX_TRIES = 3

_Status = tuple[int, ...] | None


@dataclass(slots=True)
class Reading:
    """Reads files, and remembers the status that each had."""

    _seen: dict[str, _Status] = field(default_factory=dict)

    def read(self, path: Path) -> str:
        """Return the text of a small file.

        Raises:
            OSError: It cannot be read.
            ValueError: It is too large, or not UTF-8.
        """
        self.watch(path)
        with path.open("rb") as file:
            self._seen[str(path)] = _status(os.fstat(file.fileno()))
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            message = f"is larger than {MAX_BYTES} bytes"
            raise ValueError(message)
        try:
            return data.decode()
        except UnicodeDecodeError:
            raise ValueError("is not text in UTF-8") from None

    def names(self, folder: Path) -> list[str]:
        """Return the names in a folder; what is added there later is noticed."""
        self.watch(folder)
        return sorted(os.listdir(folder))  # noqa: PTH208 - names alone

    def watch(self, path: Path) -> None:
        """Notice when ``path`` changes, comes or goes."""
        self._seen[str(path)] = _status_at(str(path))

    @property
    def is_current(self) -> bool:
        """Whether nothing changed since it was read."""
        return all(_status_at(path) == seen for path, seen in self._seen.items())


class Watched(Generic[ValueT]):
    """Satisfies ``Callable[[], ValueT]``; thread-safe."""

    def __init__(
        self,
        load: Callable[[Reading], ValueT],
        *,
        monotonic: Callable[[], float],
        warn: Callable[[str], None],
    ) -> None:
        """Read nothing before it is asked for.

        Args:
            load: Reads the value; raises ValueError if it cannot.
            monotonic: A clock, in seconds.
            warn: Called once for each change after which it cannot be read.
        """
        self._load = load
        self._monotonic = monotonic
        self._warn = warn
        self._lock = threading.Lock()
        self._checked: float | None = None
        self._reading: Reading | None = None
        self._values: tuple[ValueT, ...] = ()
        self._problem = ""

    def __call__(self) -> ValueT:
        """Return the latest value that could be read, at most a second old.

        Raises:
            ValueError: It could never be read.
        """
        # While another thread looks, all others use what there is.
        if self._is_due() and self._lock.acquire(blocking=not self._values):
            try:
                if self._is_due():
                    self._refresh()
                    self._checked = self._monotonic()
            finally:
                self._lock.release()
        if not self._values:
            raise ValueError(self._problem)
        return self._values[0]

    def _is_due(self) -> bool:
        if self._checked is None:
            return True
        return self._monotonic() - self._checked >= CHECK_INTERVAL.total_seconds()

    def _refresh(self) -> None:
        if self._reading is not None and self._reading.is_current:
            return
        try:
            self._reading, value = self._read()
            self._values = (value,)
        except _UnreadableError as error:
            self._reading = error.reading
            self._problem = str(error)
            used = "; what was read before stays in use" if self._values else ""
            self._warn(f"{error}{used}")

    def _read(self) -> tuple[Reading, ValueT]:
        """Read the value; again if something changed meanwhile: it may be of two versions.

        Raises:
            _UnreadableError: It cannot be read.
        """
        for tries_left in reversed(range(_MAX_TRIES)):
            reading = Reading()
            try:
                value = self._load(reading)
            except ValueError as error:
                if tries_left and not reading.is_current:
                    continue
                raise _UnreadableError(error, reading) from error
            if reading.is_current:
                return reading, value
        message = "changes without end"
        raise _UnreadableError(message, reading)


class _UnreadableError(ValueError):
    """A value cannot be read; ``reading`` is what was tried."""

    def __init__(self, problem: object, reading: Reading) -> None:
        super().__init__(str(problem))
        self.reading = reading


def _status_at(path: str) -> _Status:
    try:
        return _status(os.stat(path))  # noqa: PTH116 - of many, each second
    except OSError:
        return None


def _status(found: os.stat_result) -> _Status:
    return (
        *(found.st_dev, found.st_ino, found.st_size),
        *(found.st_mtime_ns, found.st_ctime_ns),
    )
