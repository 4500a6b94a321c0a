"""Adds up what arrives of each input."""

import threading

from tesk_model.task import InputSize


class InputSizes:
    """Counts files and bytes by the index of their input; thread-safe."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._lock = threading.Lock()
        self._sums: dict[int, tuple[int, int]] = {}

    def begin(self, index: int) -> None:
        """Count an input, also if nothing follows: a directory may be empty."""
        self._count(index, 0, 0)

    def add(self, index: int, size: int) -> None:
        """Count a file of this size that has arrived."""
        self._count(index, 1, size)

    def all(self) -> tuple[InputSize, ...]:
        """Return the sums, by index."""
        with self._lock:
            sums = sorted(self._sums.items())
        return tuple(
            InputSize(index=index, files=files, size_bytes=size)
            for index, (files, size) in sums
        )

    def _count(self, index: int, files: int, size: int) -> None:
        with self._lock:
            known_files, known_size = self._sums.get(index, (0, 0))
            self._sums[index] = known_files + files, known_size + size
