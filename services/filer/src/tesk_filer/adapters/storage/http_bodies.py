"""Bodies of HTTP requests: bytes, and files."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from tesk_filer.ports import Advance, Source, StorageError

_CHUNK = 256 * 1024  # read at once; fits the caches of a processor
_LARGE_CHUNK = 1024 * 1024


class Digest(Protocol):
    """A digest of ``hashlib``."""

    def update(self, data: bytes, /) -> None:
        """Take more bytes."""

    def digest(self) -> bytes:
        """Return the digest."""


@dataclass(frozen=True, slots=True)
class BytesBody:
    """A body in memory."""

    content: bytes = b""

    @property
    def size(self) -> int:
        """See ``Body``."""
        return len(self.content)

    def chunks(self) -> tuple[bytes, ...]:
        """See ``Body``."""
        return (self.content,)


@dataclass(frozen=True, slots=True)
class FileBody:
    """Bytes of an open file, read at their offset: many threads may do so at once.

    Attributes:
        advance: Asked before each chunk whether to stop.
    """

    descriptor: int
    start: int
    size: int
    advance: Advance

    def chunks(self) -> Iterator[bytes]:
        """See ``Body``."""
        offset, stop = self.start, self.start + self.size
        while offset < stop:
            self.advance(0)
            data = _read(self.descriptor, min(_CHUNK, stop - offset), offset)
            offset += len(data)
            yield data

    def digests(self) -> tuple[str, str]:
        """Return SHA-256 and MD5 in hex."""
        sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
        for data in self.chunks():
            sha256.update(data)
            md5.update(data)
        return sha256.hexdigest(), md5.hexdigest()

    def add_to(self, digest: "Digest") -> None:
        """Let ``digest`` have all bytes."""
        for data in self.chunks():
            digest.update(data)


class ReadableBody:
    """A file as a body that is read, as urllib3 wants it; reports progress."""

    def __init__(self, source: Source, advance: Advance) -> None:
        """Send all of ``source``."""
        self._source = source
        self._advance = advance
        self._position = 0

    def __len__(self) -> int:
        return self._source.size

    def read(self, size: int = _LARGE_CHUNK) -> bytes:
        """Return the next bytes.

        Raises:
            StorageError: The file became shorter.
        """
        left = self._source.size - self._position
        wanted = min(size if size > 0 else _LARGE_CHUNK, left)
        data = _read(self._source.descriptor, wanted, self._position)
        self._position += len(data)
        self._advance(len(data))
        return data


def _read(descriptor: int, size: int, position: int) -> bytes:
    data = os.pread(descriptor, size, position)
    if size and not data:
        raise StorageError("became shorter while it was sent", transient=True)
    return data
