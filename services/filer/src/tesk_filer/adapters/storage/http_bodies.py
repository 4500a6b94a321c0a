"""Files as bodies of HTTP requests."""

import hashlib
import os
from collections.abc import Iterator

from tesk_filer.ports import Advance, Part, Source, StorageError

_CHUNK = 1024 * 1024


class Body:
    """The body of a request: a file of the volume, or a part of it.

    It is read as it is sent, and reports progress. Several bodies of one file may be
    sent at once.
    """

    def __init__(
        self, source: Source, advance: Advance, *, part: Part | None = None
    ) -> None:
        """Send ``part``, or all of ``source``."""
        self._source = source
        self._advance = advance
        whole = part or Part(0, source.size)
        self._position, self._stop = whole.start, whole.stop
        self._length = whole.stop - whole.start

    def __len__(self) -> int:
        return self._length

    def read(self, size: int = _CHUNK) -> bytes:
        """Return the next bytes.

        Raises:
            StorageError: The file became shorter.
        """
        wanted = min(size if size > 0 else _CHUNK, self._stop - self._position)
        data = _read(self._source, wanted, self._position)
        self._position += len(data)
        self._advance(len(data))
        return data


class PartDigest:
    """The MD5 of a file, of which one part after the other is read."""

    def __init__(self, source: Source) -> None:
        """Begin with nothing read."""
        self._source = source
        self._md5 = hashlib.md5(usedforsecurity=False)

    def add(self, part: Part) -> None:
        """Read ``part``.

        Raises:
            StorageError: The file became shorter.
        """
        for data in _blocks(self._source, part):
            self._md5.update(data)

    def digest(self) -> bytes:
        """Return the digest."""
        return self._md5.digest()


def _blocks(source: Source, part: Part) -> Iterator[bytes]:
    position = part.start
    while position < part.stop:
        data = _read(source, min(_CHUNK, part.stop - position), position)
        yield data
        position += len(data)


def _read(source: Source, size: int, position: int) -> bytes:
    data = os.pread(source.descriptor, size, position)
    if size and not data:
        raise StorageError("became shorter while it was sent", transient=True)
    return data
